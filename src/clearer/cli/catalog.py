"""Verbs that list what comes with the program: models, recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clearer.cli.options import Json
from clearer.cli.verb import verb
from clearer.core.console import console_for_people, print_json, print_table


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Options of recipes and models."""

    as_json: Json = False


@verb("recipes", "clearer recipes")
def recipes(options: ListOptions) -> None:
    """List the training recipes."""
    from clearer.recipe.load import load_recipe, shipped_recipes

    found = [load_recipe(name) for name in shipped_recipes()]
    rows = [(recipe.name, recipe.description) for recipe in found]
    print_table("", ("recipe", "what it makes"), rows, console_for_people(options.as_json), justify="left")
    if options.as_json:
        print_json({"recipes": [{"name": r.name, "task": r.task, "description": r.description} for r in found]})


@verb("models", "clearer models")
def models(options: ListOptions) -> None:
    """List the pretrained models.

    'restore', 'evaluate' and the other verbs take their names.
    """
    from clearer.zoo.catalog import models as catalog

    found = catalog()
    rows = []
    for model in found:
        first = next(iter(model["results"]), None)
        measured = "" if first is None else f"{first['psnr']:.2f} dB, {Path(first['data']).name}, {first['protocol']}"
        cost = f"{model['macs_per_pixel'] / 1e3:.0f}", f"{model['bytes'] / 2**20:.1f}"
        rows.append((model["name"], model["description"], *cost, measured))
    header = ("model", "what it is for", "kMAC/pixel", "MiB", "measured")
    print_table("", header, rows, console_for_people(options.as_json), justify="left")
    if options.as_json:
        print_json({"models": found})
