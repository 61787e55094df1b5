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
from clearer.core.errors import UserError

if TYPE_CHECKING:
    from clearer.pipeline.speed import Speed
    from clearer.zoo.catalog import ModelEntry


@dataclass(frozen=True, kw_only=True)
class RecipesOptions:
    """Options of recipes."""

    as_json: Json = False


@verb("recipes", "clearer recipes", "clearer fit denoise-gray --show")
def recipes(options: RecipesOptions) -> None:
    """List the training recipes.

    'fit', 'search' and 'train' take their names. With --show, they print the complete recipe.
    """
    from clearer.recipe.load import load_recipe, shipped_recipes

    found = [load_recipe(name) for name in shipped_recipes()]
    rows = [(recipe.name, recipe.description) for recipe in found]
    print_table("", ("recipe", "what it makes"), rows, console_for_people(options.as_json), left=2)
    if options.as_json:
        print_json({"recipes": [{"name": r.name, "task": r.task, "description": r.description} for r in found]})


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """Options of models."""

    all: Annotated[bool, option("Output", "Include the models that reproduce results of the paper.", "--all")] = False
    measure: Annotated[
        bool, option("Output", "Time each model on an image of 1 megapixel; remember it.", "--measure")
    ] = False
    file: Annotated[
        Path | None, option("Output", "Look at this image and name the model that fits it.", "--for", metavar="FILE")
    ] = None
    as_json: Json = False


@verb("models", "clearer models", "clearer models --measure", "clearer models --for photo.jpg")
def models(options: ModelsOptions) -> None:
    """List the pretrained models.

    'restore', 'evaluate' and the other verbs take their names.

    quality: PSNR on a test set; s50 stands for noise of level 50.

    kMAC/px: thousand multiply-adds per pixel; after +s, the model takes the
    noise level as an optional input (restore --sigma).

    s/MP: seconds per megapixel on this machine, once --measure has been run.
    """
    if options.file is not None:
        _print_choice(options.file, options.as_json)
        return
    from clearer.network.architecture import Architecture
    from clearer.pipeline.speed import remembered_speeds
    from clearer.zoo.catalog import models as catalog

    known = catalog()
    found = [model for model in known if options.all or not model["research"]]
    speeds = remembered_speeds()
    if options.measure:
        speeds |= _measured([model["name"] for model in found])
    rows, entries = [], []
    for model in found:
        speed = speeds.get(Architecture.from_dict(model["architecture"]).digest)
        seconds = None if speed is None else speed.seconds
        entries.append({**model, "seconds_per_megapixel": seconds})
        mark = "+s " if model["takes_level"] else ""
        cost = f"{mark}{model['macs_per_pixel'] / 1e3:.0f}", "" if seconds is None else f"{seconds:.2f}"
        rows.append((model["name"], _task(model), _quality(model["results"]), *cost))
    console = console_for_people(options.as_json)
    print_table("", ("model", "task", "quality", "kMAC/px", "s/MP"), rows, console, left=3)
    if len(found) < len(known):
        say(f"{len(known) - len(found)} research models: clearer models --all", console)
    if options.as_json:
        print_json({"models": entries})


def _print_choice(file: Path, as_json: bool) -> None:
    """Look at an image, and say which model fits it and why."""
    from clearer.inference.auto import look

    found = look(file)
    say(found.choice.line(), console_for_people(as_json))
    if as_json:
        print_json(found.to_dict())


def _measured(names: Sequence[str]) -> dict[str, Speed]:
    """Time models; return and remember their speeds by the digest of the architecture."""
    from clearer.pipeline.speed import measure_speed, remember_speeds

    speeds: dict[str, Speed] = {}
    with progress_bar("measure", "models") as progress:
        for done, name in enumerate(names):
            progress(done, len(names))
            architecture, speed = measure_speed(name)
            speeds[architecture.digest] = speed
    try:
        remember_speeds(speeds)
    except UserError as error:
        print(f"clearer: note: {error}", file=sys.stderr)
    return speeds


def _task(model: ModelEntry) -> str:
    """Return such as "denoise gray"."""
    color = "gray" if model["architecture"].get("channels") == 1 else "color"
    return f"{model['task'] or 'restore'} {color}"


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
