"""The verbs that reproduce the paper and question it: parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearer.errors import UserError
from clearer.options import Device, Ensemble, Json, Precision, Set, parsed
from clearer.terminal import console_for_people, print_json, print_table, progress_bar, say

paper = typer.Typer(no_args_is_help=True, help="Make the tables and figures of the paper again.")

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder of the experiment.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Runs side by side (default: one a core, or one on a GPU).")]
Scale = Annotated[str, typer.Option(help="full (as published) or laptop (narrower, smaller patches, as many steps).")]
Pictures = Annotated[str | None, typer.Option("--data", metavar="FOLDER", help="Pictures: FOLDER/train, FOLDER/val.")]
Train = Annotated[str | None, typer.Option("--train", metavar="FOLDER", help="Training pictures, instead of --data.")]
Held = Annotated[str | None, typer.Option("--validation", metavar="FOLDER", help="Held-out pictures.")]
Models = Annotated[
    list[str] | None, typer.Option("--models", metavar="[NAME=]PATH", help="A weight file or run folder; repeatable.")
]
Also = Annotated[
    list[Path] | None, typer.Option(metavar="FILE.py", help="Methods of a Python file (its METHODS); repeatable.")
]
Classical = Annotated[str, typer.Option(metavar="NAMES", help="Such as bm3d,nlm,tv,wavelet; or all, or none.")]


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.add_typer(paper, name="reproduce")
    app.command()(verdict)
    app.command("compare-protocols")(compare_protocols)


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
    from clearer.reproduction.architectures_drawn import figures34

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
    bsd500: Annotated[str | None, typer.Option(metavar="FOLDER", help="BSD500's test pictures.")] = None,
    rain800: Annotated[str | None, typer.Option(metavar="FOLDER", help="Rain800's test pairs.")] = None,
    picture: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Show this one; repeatable.")] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Show the first so many of each folder.")] = 2,
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
    from clearer.reproduction.methods import choose, method_of_model, methods_from_file
    from clearer.reproduction.sheets import SIGMAS, figures5_7

    console = console_for_people(as_json)
    place = None if crop is None else _crop(crop)
    methods = choose(classical)
    methods += [method for path in also or [] for method in methods_from_file(path)]
    methods += [method_of_model(model, device, precision, ensemble) for model in models or []]
    how: dict[str, Any] = {"names": picture or (), "pictures": pictures, "sigmas": sigma or SIGMAS}
    how |= {"bsd500": bsd500, "rain800": rain800, "protocol": protocol, "crop": place}
    with progress_bar("restore") as progress:
        result = figures5_7(out, methods, **how, progress=progress)
    for name in result["left_out"]:
        say(f"{name}: is for nothing that is shown; left out", console)
    for sheet in result["sheets"]:
        say(f"{sheet['picture']}: {out}/{sheet['name']}.png", console)
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


@paper.command("tables")
def result_tables(
    out: Out = Path("reproduction/tables"),
    models: Models = None,
    also: Also = None,
    classical: Classical = "none",
    bsd500: Annotated[str | None, typer.Option(metavar="FOLDER", help="BSD500's test pictures.")] = None,
    rain800: Annotated[str | None, typer.Option(metavar="FOLDER", help="Rain800's test pairs.")] = None,
    sigma: Annotated[list[float] | None, typer.Option(help="Only this noise level; repeatable.")] = None,
    rain_y: Annotated[bool, typer.Option("--rain-y", help="Also on Y, in a table of its own.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; numbers to be compared use 0.")] = 0,
    ensemble: Ensemble = False,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """PSNR, SSIM, size and speed on BSD500 and Rain800 beside the published figures. Goes on where it stopped."""
    from clearer.reproduction.methods import choose, method_of_model, methods_from_file
    from clearer.reproduction.tables import SIGMAS, tables

    console = console_for_people(as_json)
    methods = choose(classical)
    methods += [method for path in also or [] for method in methods_from_file(path)]
    methods += [method_of_model(model, device, precision, ensemble) for model in models or []]
    how: dict[str, Any] = {"sigmas": sigma or SIGMAS, "rain_y": rain_y, "limit": limit, "seed": seed}
    result = tables(out, methods, data_noise=bsd500, data_rain=rain800, **how, console=console)
    say((out / "tables.md").read_text(encoding="utf-8"), console)
    say(f"kept: {out}/tables.md, {out}/tables.json", console)
    if as_json:
        print_json({**result, "saved": str(out)})


def compare_protocols(
    model: Annotated[str, typer.Argument(help="A weight file or run folder; with --also, a name in that file.")],
    data: Annotated[str, typer.Option(metavar="FOLDER", help="Clean pictures; for rain, pairs.")],
    sigma: Annotated[float | None, typer.Option(help="Noise level (default: the model's, if it has one).")] = None,
    also: Annotated[Path | None, typer.Option(metavar="FILE.py", help="A Python file that defines METHODS.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; numbers to be compared use 0.")] = 0,
    device: Device = "auto",
    precision: Precision = "fp32",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.json", help="Keep it here; a table goes beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the way of evaluating alone does to the figure of one model."""
    from clearer.reproduction import protocol_effects

    console = console_for_people(as_json)
    method = protocol_effects.choose_method(model, also, sigma, device=device, precision=precision)
    how: dict[str, Any] = {"limit": limit, "seed": seed, "out": out}
    result = protocol_effects.compare_protocols(method, data, sigma, **how, console=console)
    say(protocol_effects.as_markdown(result), console)
    if as_json:
        print_json({**result, "saved": None if out is None else str(out)})
