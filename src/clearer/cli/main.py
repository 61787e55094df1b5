"""The command line: verbs that parse, call and print. What they do is elsewhere.

Nothing heavy is imported before a verb runs: ``clearer --help`` is to answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from clearer.cli import export as cli_deploy
from clearer.cli import reproduce as cli_paper
from clearer.cli import restore as cli_restore
from clearer.cli import verdict as cli_questions
from clearer.cli import web as cli_web
from clearer.cli.options import (
    Clean,
    Data,
    Degraded,
    Device,
    Ensemble,
    Json,
    Model,
    Part,
    Precision,
    RunFolder,
    Set,
    images_of,
    pairs_of,
    parsed,
)
from clearer.core.console import console_for_people, print_json, print_table, progress_bar, say
from clearer.core.errors import Interrupted, LostProcess, UserError
from clearer.recipe.load import load_recipe, shipped_recipes
from clearer.training import distributed as processes

app = typer.Typer(
    name="clearer",
    help="Find, train and ship small multi-scale image-restoration networks (CLEARER, NeurIPS 2020).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SHARED_VERBS = ("fit", "search", "train")
"""What several processes under torchrun can do together."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from clearer import __version__

        print(f"clearer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options that stand before the verb."""
    verb = context.invoked_subcommand
    if processes.launched()[1] > 1 and verb not in SHARED_VERBS:
        raise UserError(f"torchrun: {verb} works in one process; several can {', '.join(SHARED_VERBS)}")


def _add_fitting_verb(name: str, stages: Sequence[str], text: str) -> None:
    """Add ``fit`` or one of its parts; all take the same options."""

    @app.command(name, help=text)
    def verb(
        recipe: Annotated[str, typer.Argument(help="A shipped recipe (see 'clearer recipes') or a YAML file.")],
        out: RunFolder = None,
        settings: Set = None,
        data: Data = None,
        clean: Clean = None,
        degraded: Degraded = None,
        train: Part = None,
        validation: Part = None,
        test: Part = None,
        architecture: Annotated[
            str | None, typer.Option(metavar="TEXT", help="Such as FPPF-FFFF-PFFP: nothing is searched.")
        ] = None,
        start: Annotated[
            str | None, typer.Option(metavar="MODEL", help="Go on from this network: a shipped model, file or run.")
        ] = None,
        tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard files too.")] = False,
        show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe as YAML and end.")] = False,
        as_json: Json = False,
    ) -> None:
        parts = {"train": train, "validation": validation, "test": test}
        overrides = _data_settings(data, pairs_of(data, clean, degraded), parts)
        if start is not None:
            from clearer.training.initial_weights import settings_of

            overrides |= settings_of(start)
        if architecture is not None:
            overrides["architecture"] = architecture
        overrides |= parsed(settings)
        if show and processes.launched()[0]:
            return
        if show:
            resolved = load_recipe(recipe, overrides)
            if as_json:
                print_json(resolved.to_dict())
            else:
                print(resolved.to_yaml(), end="")
            return
        from clearer.pipeline.fit import fit

        console = console_for_people(as_json)
        run = fit(recipe, out, overrides, stages=stages, tensorboard=tensorboard, console=console)
        if as_json and not processes.launched()[0]:
            print_json(run.result)


_add_fitting_verb(
    "fit", ("search", "train", "evaluate"), "Search, train, evaluate. The same command again goes on where it stopped."
)
_add_fitting_verb("search", ("search",), "Only the search of 'fit'.")
_add_fitting_verb("train", ("train", "evaluate"), "Only the rest of 'fit': for the network found, or one given.")


@app.command()
def quickstart(out: RunFolder = None, settings: Set = None, as_json: Json = False) -> None:
    """A first run, in minutes: a denoiser from photographs that scikit-image ships."""
    from clearer.pipeline.quickstart import quickstart

    run = quickstart(out or "runs/quickstart", parsed(settings), console=console_for_people(as_json))
    if as_json:
        print_json(run.result)


@app.command()
def evaluate(
    model: Model,
    protocol: Annotated[
        str, typer.Option(help="gray-awgn-S, color-awgn-S, clearer-gray-S, pairs-gray, pairs-color, rain-rgb, ...")
    ],
    data: Data = None,
    clean: Clean = None,
    degraded: Degraded = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many images.")] = None,
    ensemble: Ensemble = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; numbers to be compared use 0.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.json", help="By default in evaluation/ of the run.")
    ] = None,
    precision: Precision = "fp32",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a network by a named protocol, beside its degraded input, and save the table of all images."""
    from clearer.pipeline import evaluate as measure

    images = images_of(data, clean, degraded)
    how: dict[str, Any] = {"limit": limit, "ensemble": ensemble, "seed": seed, "precision": precision}
    place = out or measure.default_place(model, images, protocol, **how)
    with progress_bar("evaluate") as progress:
        result = measure.evaluate(model, images, protocol, **how, device=device, out=place, progress=progress)
    rows = [
        (name, f"{result[f'{prefix}psnr']:.2f}", f"{result[f'{prefix}ssim']:.4f}")
        for name, prefix in (("input", "input_"), ("restored", ""))
    ]
    console = console_for_people(as_json)
    title = f"{protocol}, {result['images']} image(s){', x8 self-ensemble' if ensemble else ''}"
    print_table(title, ("", "PSNR dB", "SSIM"), rows, console)
    say(f"image by image: {place} and {place.with_suffix('.csv').name}", console)
    if as_json:
        print_json({**result, "saved": str(place)})


cli_restore.add_verbs(app)


@app.command()
def describe(
    target: Annotated[str, typer.Argument(metavar="ARCH", help="FPPF-FFFF-PFFP, a weight file, or a run folder.")],
    operations: Annotated[str | None, typer.Option(help="supplement (default) or released.")] = None,
    channels: Annotated[int | None, typer.Option(help="Of the images (default 1).")] = None,
    width: Annotated[int | None, typer.Option(help="Channels at full resolution (default 32).")] = None,
    norm: Annotated[str | None, typer.Option(help="batch (default), none or bias-free.")] = None,
    residual: Annotated[bool, typer.Option("--residual", help="The input is added to the output.")] = False,
    unshuffle: Annotated[int | None, typer.Option(help="Side of the squares of pixels made channels (1).")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Draw it here, as .svg or .png; else nothing is drawn."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a network is made of and what it costs, and draw it."""
    from clearer.pipeline.describe import describe

    given = {
        "operations": operations,
        "channels": channels,
        "width": width,
        "norm": norm,
        "residual": residual or None,
        "unshuffle": unshuffle,
    }
    found = describe(target, **{key: value for key, value in given.items() if value is not None})
    if out is not None:
        found.draw(out)
    a = found.architecture
    title = f"{a}: {a.operations} operations, {a.channels} channel(s), width {a.width}, norm {a.norm}"
    title += f", unshuffle {a.unshuffle}" if a.unshuffle > 1 else ""
    rows = [(part.module, f"{part.parameters:,}", f"{part.macs_per_pixel:,.0f}") for part in found.parts]
    total = ("whole network", f"{found.parameters:,}", f"{found.macs_per_pixel:,.0f}")
    console = console_for_people(as_json)
    print_table(title, ("part", "parameters", "MAC/pixel"), rows, console, total=total)
    if out is not None:
        say(f"drawn: {out}", console)
    if as_json:
        print_json({**found.to_dict(), "drawing": None if out is None else str(out)})


@app.command()
def doctor(
    folder: Annotated[str | None, typer.Argument(help="Images, or sub-folders of pairs or of parts.")] = None,
    clean: Clean = None,
    degraded: Degraded = None,
    layout: Annotated[str, typer.Option(help="auto, clean, pairs or side-by-side.")] = "auto",
    clean_side: Annotated[str, typer.Option(help="Side by side, the half that is clean: left or right.")] = "left",
    as_json: Json = False,
) -> None:
    """Tell what a folder of images holds, what is wrong with it, and how to split it."""
    from clearer.data.doctor import examine, print_findings

    images = images_of(folder, clean, degraded)
    with progress_bar("read") as progress:
        findings = examine(images, layout, clean_side, progress)
    print_findings(findings, console_for_people(as_json))
    if as_json:
        print_json(findings.to_dict())


@app.command()
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with the program."""
    found = [load_recipe(name) for name in shipped_recipes()]
    rows = [(recipe.name, recipe.description) for recipe in found]
    print_table("", ("recipe", "what it makes"), rows, console_for_people(as_json), justify="left")
    if as_json:
        print_json({"recipes": [{"name": r.name, "task": r.task, "description": r.description} for r in found]})


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that come with the program; 'restore' and the other verbs take their names."""
    from clearer.zoo.catalog import models

    found = models()
    rows = []
    for model in found:
        first = next(iter(model["results"]), None)
        measured = "" if first is None else f"{first['psnr']:.2f} dB, {Path(first['data']).name}, {first['protocol']}"
        cost = f"{model['macs_per_pixel'] / 1e3:.0f}", f"{model['bytes'] / 2**20:.1f}"
        rows.append((model["name"], model["description"], *cost, measured))
    header = ("model", "what it is for", "kMAC a pixel", "MiB", "measured")
    print_table("", header, rows, console_for_people(as_json), justify="left")
    if as_json:
        print_json({"models": found})


cli_deploy.add_verbs(app)
cli_paper.add_verbs(app)
cli_questions.add_verbs(app)
cli_web.add_verbs(app)


def main() -> None:
    """Run the command line; whatever a user can mend ends in one line and exit status 2."""
    try:
        _run()
    except SystemExit as end:
        if not processes.has_joined():
            raise
        # gloo's threads may be closing connections, and abort a process that takes itself down meanwhile.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except LostProcess as error:
        _end(str(error), 2, speakers=2)  # the first may be the one that is gone
    except UserError as error:
        _end(str(error), 2)
    except Interrupted as error:
        _end(str(error), 128 + error.signal)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)


def _end(message: str, status: int, speakers: int = 1) -> NoReturn:
    """End with a line, which of several processes the first ``speakers`` print."""
    if processes.launched()[0] < speakers:
        print(f"clearer: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(status)


def _data_settings(data: str | None, pairs: dict[str, str] | None, parts: dict[str, str | None]) -> dict[str, Any]:
    """Return the settings for the images that options name; they stand in place of all that the recipe names."""
    whole = data if pairs is None else pairs
    named = {f"data.{part}": folder for part, folder in parts.items() if folder is not None}
    if whole is not None and (parts["train"] is not None or parts["validation"] is not None):
        raise UserError("--train, --validation: the images that other options name will be split; give either")
    if whole is None and parts["train"] is None:
        return dict(named)
    nothing = dict.fromkeys(("data.folder", "data.train", "data.validation", "data.test"))
    return {**nothing, "data.folder": whole, **named}
