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
    app.command()(verdict)


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


def verdict(
    run: Annotated[Path, typer.Argument(help="A run folder whose search is finished.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="By default RUN/verdict.")] = None,
    budget: Annotated[str, typer.Option(help="Of each training: full (the run's recipe) or laptop.")] = "full",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each architecture.")] = 2,
    random: Annotated[int, typer.Option(min=0, help="Random architectures, 8 of 12 modules fusions.")] = 4,
    sample: Annotated[int | None, typer.Option(min=1, help="Score only so many architectures.")] = None,
    patches: Annotated[int, typer.Option(min=1, help="Held-out patches for scoring.")] = 128,
    statistics: Annotated[str, typer.Option(help="Of batch norms in scoring: batch or running.")] = "batch",
    train: Annotated[bool, typer.Option("--train/--no-train", help="Without: no trainings, only scores.")] = True,
    jobs: Jobs = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Is a search worth its cost? Rank all architectures, train the chosen one and others anew, compare."""
    from clearer.reproduction import verdict as judging

    console = console_for_people(as_json)
    how: dict[str, Any] = {"budget": budget, "seeds": seeds, "random": random, "sample": sample, "patches": patches}
    how |= {"statistics": statistics, "train": train, "jobs": jobs, "overrides": parsed(settings)}
    result = judging.verdict(run, out, **how, console=console)
    place = run / "verdict" if out is None else out
    say((place / "verdict.md").read_text(encoding="utf-8"), console)
    say(f"kept, with its figures: {place}/verdict.md", console)
    if as_json:
        large = ("psnr", "macs_per_pixel")  # every architecture's; they stand in verdict.json
        ranking = {key: value for key, value in result["ranking"].items() if key not in large}
        print_json({**result, "ranking": ranking, "saved": str(place)})
