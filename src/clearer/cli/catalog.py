"""Verbs that list what is included: models, recipes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from clearer.cli.options import Json
from clearer.cli.verb import option, verb
from clearer.core.console import console_for_people, print_json, print_table, progress_bar, say
from clearer.core.errors import UserError, nearest

if TYPE_CHECKING:
    from clearer.pipeline.speed import Speed
    from clearer.zoo.catalog import ModelEntry


@dataclass(frozen=True, kw_only=True)
class RecipesOptions:
    """Options of recipes."""

    all: Annotated[bool, option("Output", "Include those of baselines (docs/baselines.md).", "--all")] = False
    as_json: Json = False


@verb("recipes", "clearer recipes", "clearer fit denoise-gray --show")
def recipes(options: RecipesOptions) -> None:
    """List the training recipes.

    'fit', 'search' and 'train' take their names. With --show, they print the complete recipe.
    """
    from clearer.recipe.load import load_recipe, shipped_recipes

    known = [load_recipe(name) for name in shipped_recipes()]
    found = [recipe for recipe in known if options.all or recipe.baseline is None]
    rows = [(recipe.name, recipe.description) for recipe in found]
    print_table("", ("recipe", "what it makes"), rows, console_for_people(options.as_json), left=2)
    if len(found) < len(known):
        say(f"{len(known) - len(found)} more, of baselines: clearer recipes --all", console_for_people(options.as_json))
    if options.as_json:
        print_json({"recipes": [{"name": r.name, "task": r.task, "description": r.description} for r in found]})


def _purposes() -> list[str]:
    from clearer.zoo.purpose import PURPOSES

    return list(PURPOSES)


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """Options of models."""

    task: Annotated[
        str | None,
        option(
            "Output",
            "List models for one task: photo, gray, color (noise), jpeg, rain or microscopy.",
            metavar="TASK",
            complete=_purposes,
        ),
    ] = None
    file: Annotated[
        Path | None,
        option("Output", "Look at this image or video and name the model that fits it.", "--for", metavar="FILE"),
    ] = None
    all: Annotated[
        bool, option("Output", "Include the paper's models and former weights that are on this machine.", "--all")
    ] = False
    measure: Annotated[
        bool | None,
        option("Output", "Time all models anew, or none (default: those not timed yet).", "--measure/--no-measure"),
    ] = None
    as_json: Json = False

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in _purposes():
            known = ", ".join(_purposes())
            raise UserError(f"--task: {self.task!r} is not one of {known}{nearest(self.task, _purposes())}")
        if self.file is not None:
            timing = {True: "--measure", False: "--no-measure", None: None}[self.measure]
            beside = [name for name in (self.task and "--task", self.all and "--all", timing) if name]
            if beside:
                raise UserError(f"--for: names one model and lists none; leave {', '.join(beside)} out")


@verb("models", "clearer models", "clearer models --task photo", "clearer models --for photo.jpg")
def models(options: ModelsOptions) -> None:
    """List the pretrained models.

    'restore', 'evaluate' and the other verbs take their names.

    Where a task has them, NAME-fast is faster, and NAME-best better than NAME.

    task: with +s, the model takes the noise level as an optional input
    (restore --sigma).

    quality: PSNR on a test set; s50 stands for noise of level 50.

    s/MP: seconds per megapixel on this machine, timed once. MiB: of the file.
    """
    if options.file is not None:
        _print_choice(options.file, options.as_json)
        return
    from clearer.zoo.catalog import models as catalog

    known = [model for model in catalog() if options.task in (None, model["purpose"])]
    found = sorted((model for model in known if options.all or model["for_use"]), key=_order)
    console = console_for_people(options.as_json)
    if not found:
        fix = f"; clearer fit {options.task} trains one on your images" if options.task == "microscopy" else ""
        say(f"no pretrained model is for {options.task}{fix}", console)
    known_speeds = _speeds(found, options.measure)
    speeds = [known_speeds.get(_key(model)) for model in found]
    rows = [_row(*pair) for pair in zip(found, speeds, strict=True)]
    if rows:
        print_table("", ("model", "task", "quality", "s/MP", "MiB"), rows, console, left=3)
    if any(speed is not None and speed.busy for speed in speeds):
        say("~: timed while other programs kept this machine busy; clearer models --measure", console)
    others = len(known) - len(found)
    if others:
        of_task = "" if options.task is None else f" --task {options.task}"
        say(f"{others} more, of the paper and former ones: clearer models --all{of_task}", console)
    if options.as_json:
        timed = [
            {**model, "seconds_per_megapixel": None if speed is None else speed.seconds}
            for model, speed in zip(found, speeds, strict=True)
        ]
        print_json({"models": sorted(timed, key=lambda model: str(model["name"]))})


def _print_choice(file: Path, as_json: bool) -> None:
    """Look at an image, and say which model fits it and why."""
    from clearer.inference.auto import look
    from clearer.inference.folder_files import VIDEO_SUFFIXES

    try:
        found = look(file)
    except UserError as error:  # this verb has no --range
        raise UserError(str(error).replace("state both with", "state both to clearer restore auto with")) from error
    model, _, reason = found.choice.line().partition(": ")
    channels = "gray" if found.facts.gray else "color"
    kind = "video" if file.suffix.lower() in VIDEO_SUFFIXES else "image"
    say(f"{model}: {channels} {kind}, {reason}", console_for_people(as_json))
    if as_json:
        print_json(found.to_dict())


def _speeds(found: Sequence[ModelEntry], measure: bool | None) -> dict[str, Speed]:
    """Return speeds by `_key`; models that were not timed yet are, unless ``measure`` is False."""
    from clearer.pipeline.speed import measure_speed, remember_speeds, remembered_speeds

    speeds = {} if measure else remembered_speeds()
    missing: dict[str, str] = {}
    for model in found:
        if _key(model) not in speeds:
            missing.setdefault(_key(model), model["name"])
    if not missing or measure is False:
        return speeds
    print(f"clearer: timing {len(missing)} model(s) on this machine, once; --no-measure omits it", file=sys.stderr)
    with progress_bar("measure", "models") as progress:
        for done, (key, name) in enumerate(missing.items()):
            progress(done, len(missing))
            try:
                speeds[key] = measure_speed(name)
            except UserError as error:
                print(f"clearer: note: {error}", file=sys.stderr)
    try:
        remember_speeds(speeds)
    except UserError as error:
        print(f"clearer: note: {error}", file=sys.stderr)
    return speeds


def _key(model: ModelEntry) -> str:
    from clearer.network.architecture import Architecture
    from clearer.pipeline.speed import speed_key

    return speed_key(Architecture.from_dict(model["architecture"]), model["differs_in_bf16"])


def _order(model: ModelEntry) -> tuple[bool, int, str, int]:
    """Sort models by what they are for, then from fast to best; the paper's and former weights come last."""
    from clearer.zoo.names import TIERS, ModelName
    from clearer.zoo.purpose import PURPOSES

    purposes: list[str | None] = [*PURPOSES, None]
    base = ModelName.parse(model["name"]).base
    return not model["for_use"], purposes.index(model["purpose"]), base, TIERS.index(model["tier"])


def _row(model: ModelEntry, speed: Speed | None) -> tuple[str, ...]:
    seconds = "" if speed is None else f"{'~' if speed.busy else ''}{speed.seconds:.2f}"
    return model["shown"], _task(model), _quality(model["results"]), seconds, f"{model['bytes'] / 2**20:.1f}"


def _task(model: ModelEntry) -> str:
    """Return such as "denoise gray"; what the task alone says is not repeated. +s: it takes the noise level."""
    color = "gray" if model["architecture"].get("channels") == 1 else "color"
    of = model["purpose"] or color
    task = model["task"] if of in ("jpeg", "rain") and model["task"] else f"{model['task'] or 'restore'} {of}"
    return task + (" +s" if model["takes_level"] else "")


DATASETS = {
    "bsd68": "BSD68",
    "cbsd68": "CBSD68",
    "classic5": "Classic5",
    "set12": "Set12",
    "test": "BSD500",
    "test_syn": "Rain800",
}
"""Test sets by the folder names that the cards of our models state."""


def _quality(results: Sequence[dict[str, Any]]) -> str:
    """Return the first result of a card, such as "26.0 dB BSD68 s50"; empty without results."""
    if not results:
        return ""
    first = results[0]
    data = str(first.get("data") or "").replace("\\", "/").rpartition("/")[2]
    level = str(first["protocol"]).rpartition("-")[2]
    is_noise = level.replace(".", "", 1).isdecimal() and not str(first["protocol"]).startswith("jpeg-")
    noise = f" s{level}" if is_noise else ""
    return f"{first['psnr']:.1f} dB {DATASETS.get(data, data)}{noise}"
