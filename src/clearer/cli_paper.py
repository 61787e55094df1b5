"""The verbs that reproduce the paper and question it: parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearer.options import Json, Set, parsed
from clearer.terminal import console_for_people, print_json, print_table, say

paper = typer.Typer(no_args_is_help=True, help="Make the tables and figures of the paper again.")

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of the experiment.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs side by side (default: one a core, or one on a GPU).")]
Scale = Annotated[str, typer.Option(help="full (as published) or laptop (narrower, smaller patches, as many steps).")]
Pictures = Annotated[str | None, typer.Option("--data", metavar="FOLDER", help="Pictures: FOLDER/train, FOLDER/val.")]
Train = Annotated[str | None, typer.Option("--train", metavar="FOLDER", help="Training pictures, instead of --data.")]
Held = Annotated[str | None, typer.Option("--validation", metavar="FOLDER", help="Held-out pictures.")]


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.add_typer(paper, name="reproduce")


@paper.command("table1")
def table_1(
    out: Out = Path("reproduction/table1"),
    data: Pictures = None,
    train: Train = None,
    validation: Held = None,
    scale: Scale = "full",
    lambdas: Annotated[
        list[float] | None, typer.Option("--lambda", min=0, help="Only this lambda_1; repeatable.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="What is searched.")] = "paper-denoise-50",
    jobs: Jobs = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Table 1 and Figure 2: search with lambda_1 = 0, 0.01, 0.1. The same command again goes on."""
    from clearer.reproduction.plans import data_settings
    from clearer.reproduction.table1 import LAMBDAS, table1

    console = console_for_people(as_json)
    pictures = data_settings(data, train, validation)
    chosen = {"scale": scale, "lambdas": lambdas or LAMBDAS, "recipe": recipe, "jobs": jobs, "console": console}
    result: dict[str, Any] = table1(out, pictures, overrides=parsed(settings), **chosen)  # type: ignore[arg-type]
    printed = {row["lambda_arch"]: row["gap"] for row in result["published"]}
    rows = [
        (f"{row['lambda_arch']:g}", row["architecture"], f"{row['gap']:.4f}", _gap(printed.get(row["lambda_arch"])))
        for row in result["rows"]
    ]
    print_table("Table 1, in short", ("lambda_1", "architecture", "mean gap", "published gap"), rows, console)
    say(f"the table and Figure 2: {out}/table1.md, {out}/figure2.png", console)
    if as_json:
        print_json({**result, "saved": str(out)})


def _gap(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
