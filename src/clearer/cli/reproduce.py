"""The verbs that reproduce the paper: parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearer.cli.options import Device, Ensemble, Jobs, Json, Precision, Set, parsed
from clearer.core.console import console_for_people, print_json, print_table, progress_bar, say
from clearer.core.errors import UserError

paper = typer.Typer(no_args_is_help=True, help="Make the tables and figures of the paper again.")

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of the experiment.")]
Scale = Annotated[str, typer.Option(help="full (as published) or laptop (narrower, smaller patches, as many steps).")]
Images = Annotated[str | None, typer.Option("--data", metavar="FOLDER", help="Images: FOLDER/train, FOLDER/val.")]
Train = Annotated[str | None, typer.Option("--train", metavar="FOLDER", help="Training images, instead of --data.")]
Held = Annotated[str | None, typer.Option("--validation", metavar="FOLDER", help="Held-out images.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--models", metavar="[NAME=]PATH", help="A shipped model, weight file or run; repeatable."),
]
Also = Annotated[
    list[Path] | None, typer.Option(metavar="FILE.py", help="Methods of a Python file (its METHODS); repeatable.")
]
Classical = Annotated[str, typer.Option(metavar="NAMES", help="Such as bm3d,nlm,tv,wavelet; or all, or none.")]


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.add_typer(paper, name="reproduce")


@paper.command("table1")
def table_1(
    out: Out = Path("reproduction/table1"),
    data: Images = None,
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
    from clearer.experiments.runner import data_settings
    from clearer.experiments.table1 import LAMBDAS, table1

    console = console_for_people(as_json)
    images = data_settings(data, train, validation)
    chosen = {"scale": scale, "lambdas": lambdas or LAMBDAS, "recipe": recipe, "jobs": jobs, "console": console}
    result: dict[str, Any] = table1(out, images, overrides=parsed(settings), **chosen)  # type: ignore[arg-type]
    printed = {row["lambda_arch"]: row["gap"] for row in result["published"]}
    rows = [
        (f"{row['lambda_arch']:g}", row["architecture"], f"{row['gap']:.4f}", _gap(printed.get(row["lambda_arch"])))
        for row in result["rows"]
    ]
    print_table("Table 1, in short", ("lambda_1", "architecture", "mean gap", "published gap"), rows, console)
    say(f"the table and Figure 2: {out}/table1.md, {out}/figure2.png", console)
    if as_json:
        print_json({**result, "saved": str(out)})


@paper.command("figures34")
def figures_34(
    denoise: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A finished search to denoise, or an architecture.json.")
    ] = None,
    derain: Annotated[
        Path | None, typer.Option(metavar="RUN", help="A finished search to derain, or an architecture.json.")
    ] = None,
    out: Out = Path("reproduction/figures34"),
    as_json: Json = False,
) -> None:
    """Figures 3 and 4: draw the architectures that searches found, above the published one."""
    from clearer.experiments.figures3_4 import figures34

    console = console_for_people(as_json)
    result = figures34(out, denoise=denoise, derain=derain)
    known = result["published"]
    rows = [("published", known["architecture"]["architecture"], str(known["fusion"]), "", "")]
    for row in result["figures"].values():
        alike = "" if row["agreement"] is None else str(row["agreement"])
        chance = "" if row["chance"] is None else f"{row['chance']['expected']:.2f}"
        rows.append((row["task"], row["architecture"]["architecture"], str(row["fusion"]), alike, chance))
    heads = ("", "architecture", "fusion modules", "letters as published", "by chance")
    print_table("Figures 3 and 4", heads, rows, console)
    say(f"the drawings and their captions: {out}/figures34.md", console)
    if as_json:
        print_json({**result, "saved": str(out)})


@paper.command("figures5-7")
def figures_5_7(
    out: Out = Path("reproduction/figures5-7"),
    models: Models = None,
    also: Also = None,
    classical: Classical = "none",
    bsd500: Annotated[str | None, typer.Option(metavar="FOLDER", help="BSD500's test images.")] = None,
    rain800: Annotated[str | None, typer.Option(metavar="FOLDER", help="Rain800's test pairs.")] = None,
    image: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Show this one; repeatable.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Show the first so many of each folder.")] = 2,
    sigma: Annotated[
        list[float] | None, typer.Option(help="A row for this noise level; repeatable (default: 30, 50, 70).")
    ] = None,
    protocol: Annotated[str, typer.Option(help="Noise: clearer-gray, gray-awgn or color-awgn.")] = "clearer-gray",
    crop: Annotated[
        str | None, typer.Option(metavar="TOP,LEFT,SIDE", help="Enlarge this (default: where most detail is).")
    ] = None,
    ensemble: Ensemble = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """Figures 5 to 7: the same crop as each method restores it. What is restored is kept for the next call."""
    from clearer.experiments.figures5_7 import SIGMAS, figures5_7
    from clearer.methods.selection import all_methods

    console = console_for_people(as_json)
    place = None if crop is None else _crop(crop)
    methods = all_methods(
        classical, also or (), models or (), device=device, precision=precision, ensemble=ensemble
    )
    how: dict[str, Any] = {"names": image or (), "images": images, "sigmas": sigma or SIGMAS}
    how |= {"bsd500": bsd500, "rain800": rain800, "protocol": protocol, "crop": place}
    with progress_bar("restore") as progress:
        result = figures5_7(out, methods, **how, progress=progress)
    for name in result["left_out"]:
        say(f"{name}: is for nothing that is shown; left out", console)
    for sheet in result["sheets"]:
        say(f"{sheet['image']}: {out}/{sheet['name']}.png", console)
    say(f"all with their captions: {out}/sheets.md", console)
    if as_json:
        print_json({**result, "saved": str(out)})


def _crop(text: str) -> tuple[int, int, int]:
    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--crop {text}: not of the form TOP,LEFT,SIDE, three whole numbers of pixels")
    top, left, side = map(int, parts)
    return top, left, side


def _gap(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


@paper.command("tables")
def result_tables(
    out: Out = Path("reproduction/tables"),
    models: Models = None,
    also: Also = None,
    classical: Classical = "none",
    bsd500: Annotated[str | None, typer.Option(metavar="FOLDER", help="BSD500's test images.")] = None,
    rain800: Annotated[str | None, typer.Option(metavar="FOLDER", help="Rain800's test pairs.")] = None,
    sigma: Annotated[list[float] | None, typer.Option(help="Only this noise level; repeatable.")] = None,
    rain_y: Annotated[bool, typer.Option("--rain-y", help="Also on Y, in a table of its own.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; numbers to be compared use 0.")] = 0,
    ensemble: Ensemble = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """PSNR, SSIM, size and speed on BSD500 and Rain800 beside the published figures. Goes on where it stopped."""
    from clearer.experiments.tables import SIGMAS, tables
    from clearer.methods.selection import all_methods

    console = console_for_people(as_json)
    methods = all_methods(
        classical, also or (), models or (), device=device, precision=precision, ensemble=ensemble
    )
    how: dict[str, Any] = {"sigmas": sigma or SIGMAS, "rain_y": rain_y, "limit": limit, "seed": seed}
    result = tables(out, methods, data_noise=bsd500, data_rain=rain800, **how, console=console)
    say((out / "tables.md").read_text(encoding="utf-8"), console)
    say(f"kept: {out}/tables.md, {out}/tables.json", console)
    if as_json:
        print_json({**result, "saved": str(out)})


@paper.command("ablations")
def ablations(
    out: Out = Path("reproduction/ablations"),
    data: Images = None,
    train: Train = None,
    validation: Held = None,
    scale: Scale = "full",
    seeds: Annotated[int, typer.Option(min=1, help="Searches and trainings of each variant.")] = 2,
    only: Annotated[
        list[str] | None, typer.Option(help="operations, fusion-input, lambda-comp or norm; repeatable (default: all).")
    ] = None,
    jobs: Jobs = None,
    settings: Set = None,
    as_json: Json = False,
) -> None:
    """Ablations at one budget: operations, what fusion sees, lambda_2. The same command again goes on."""
    from clearer.experiments.ablations import QUESTIONS, run_ablations
    from clearer.experiments.runner import data_settings

    console = console_for_people(as_json)
    images = data_settings(data, train, validation)
    how: dict[str, Any] = {"scale": scale, "seeds": seeds, "only": only or QUESTIONS, "jobs": jobs}
    result = run_ablations(out, images, **how, overrides=parsed(settings), console=console)
    say((out / "ablations.md").read_text(encoding="utf-8"), console)
    say(f"kept: {out}/ablations.md, {out}/ablations.json", console)
    if as_json:
        print_json({**result, "saved": str(out)})


@paper.command("redraw")
def redraw(
    folder: Annotated[Path, typer.Argument(help="A folder that one of these verbs, or 'verdict', wrote.")],
    as_json: Json = False,
) -> None:
    """Make the tables and figures of a folder again from its JSON; nothing is computed anew."""
    from clearer.experiments.redraw import redraw_folder

    written = redraw_folder(folder)
    say(f"drawn again from {', '.join(written)}: {folder}", console_for_people(as_json))
    if as_json:
        print_json({"folder": str(folder), "from": written})
