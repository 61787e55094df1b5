"""The verbs that question the paper: parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from clearer.cli.options import Device, Jobs, Json, Precision, Set, parsed
from clearer.core.console import console_for_people, print_json, say


def add_verbs(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command()(verdict)
    app.command("compare-protocols")(compare_protocols)


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
    from clearer.experiments import verdict as judging

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


def compare_protocols(
    model: Annotated[str, typer.Argument(help="A shipped model, a file or a run; with --also, a name in that file.")],
    data: Annotated[str, typer.Option(metavar="FOLDER", help="Clean images; for rain, pairs.")],
    sigma: Annotated[float | None, typer.Option(help="Noise level (default: the model's, if it has one).")] = None,
    also: Annotated[Path | None, typer.Option(metavar="FILE.py", help="A Python file that defines METHODS.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; numbers to be compared use 0.")] = 0,
    device: Device = "auto",
    precision: Precision = "fp32",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.json", help="Keep it here; a table goes beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the way of evaluating alone does to the figure of one model."""
    from clearer.experiments import protocols as protocol_effects

    console = console_for_people(as_json)
    method = protocol_effects.choose_method(model, also, sigma, device=device, precision=precision)
    how: dict[str, Any] = {"limit": limit, "seed": seed, "out": out}
    result = protocol_effects.compare_protocols(method, data, sigma, **how, console=console)
    say(protocol_effects.as_markdown(result), console)
    if as_json:
        print_json({**result, "saved": None if out is None else str(out)})
