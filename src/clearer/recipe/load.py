"""Recipes read from YAML or by name, with single settings replaced, and checked as a whole."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from clearer.core.config import build, override
from clearer.core.errors import UserError, nearest
from clearer.recipe.schema import Recipe

FORMER_SETTINGS = {
    "train.optimiser": "train.optimizer",
    "train.validation_pictures": "train.validation_images",
    "search.logits": "search.alpha",
}
"""Settings that had another name in version 0.1, and their present one."""

log = logging.getLogger("clearer")


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    folder = resources.files("clearer") / "recipes"
    paths = sorted(Path(str(file)) for file in folder.iterdir())
    return {path.stem: path for path in paths if path.suffix == ".yaml"}


def load_recipe(name_or_path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a shipped recipe by name, or a YAML file, with single values replaced.

    Args:
        name_or_path: such as ``"quickstart"``, or a path ending in ``.yaml`` or ``.yml``.
        overrides: dotted key to value, such as ``{"search.lambda_arch": 0.1}``.

    Raises:
        UserError: unknown recipe, unknown key (with the nearest), wrong type or range (with its key).
    """
    text = str(name_or_path)
    shipped = shipped_recipes()
    path = Path(text) if text.endswith((".yaml", ".yml")) else shipped.get(text)
    if path is None:
        known = ", ".join(shipped)
        raise UserError(f"recipe {text!r}: no such recipe{nearest(text, shipped)}; known: {known}, or a YAML file")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such recipe file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise UserError(
            f"{path}: a recipe is a mapping of keys to values; see a shipped one with 'clearer fit --show NAME'"
        )
    value.setdefault("name", path.stem)
    told = with_present_settings(value)
    for key, new in (overrides or {}).items():
        present, note = _present_key(key)
        told += [note] if note else []
        override(value, present, new)
    for note in dict.fromkeys(told):
        log.warning("%s", note)
    return recipe_from_dict(value)


def with_present_settings(value: dict[str, Any]) -> list[str]:
    """Rename the settings of `FORMER_SETTINGS` in a recipe's mapping, in place; return a note for each."""
    notes = []
    for former, present in FORMER_SETTINGS.items():
        *parents, last = former.split(".")
        inner: Any = value
        for parent in parents:
            inner = inner.get(parent) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            override(value, present, inner.pop(last))
            notes.append(f"{former}: is now called {present}")
    return notes


def _present_key(key: str) -> tuple[str, str]:
    """Return a dotted key under its present name, and a note where that is another."""
    for former, present in FORMER_SETTINGS.items():
        if key == former or key.startswith(former + "."):
            return present + key.removeprefix(former), f"{former}: is now called {present}"
    return key, ""


def recipe_from_dict(value: dict[str, Any]) -> Recipe:
    """Build a checked recipe from plain values.

    Raises:
        UserError: see `load_recipe`.
    """
    value = copy.deepcopy(value)
    with_present_settings(value)
    recipe = build(Recipe, value)
    space = recipe.space
    given = recipe.given
    if given is not None and given.scales != space.scales:
        raise UserError(
            f"architecture: {given} has {given.scales} scales where network.scales is {space.scales}; make them agree"
        )
    multiple = space.multiple
    for part, settings, norm in (
        ("search", recipe.search, recipe.search_space.norm),
        ("train", recipe.train, space.norm),
    ):
        if settings.patch % multiple:
            raise UserError(
                f"{part}.patch: {settings.patch} is not a multiple of {multiple}, which {space.scales} scales"
                f"{f' and unshuffle {space.unshuffle}' if space.unshuffle > 1 else ''} need"
            )
        if settings.batch < 2 and norm == "batch":
            raise UserError(f"{part}.batch: batch norm needs at least 2 patches a batch")
    if recipe.device not in ("auto", "cpu", "mps") and not re.fullmatch(r"cuda(:\d+)?", recipe.device):
        raise UserError(f"device: {recipe.device!r} is not auto, cpu, cuda, cuda:N or mps")
    fractions = recipe.data.fractions
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise UserError(
            f"data.fractions: {fractions} are not three positive shares that sum to 1 (train, validation, test)"
        )
    sigma = recipe.data.degradation.sigma
    levels = sigma if isinstance(sigma, list) else [sigma, sigma]
    if len(levels) != 2 or not 0 <= levels[0] <= levels[1]:
        raise UserError(f"data.degradation.sigma: {sigma} is not a level (0 or more), nor a range [low, high]")
    for key, span in dataclasses.asdict(recipe.data.degradation.rain).items():
        if len(span) != 2 or not span[0] <= span[1]:
            raise UserError(f"data.degradation.rain.{key}: {span} is not a range [low, high]")
    for part, optimizer in (
        ("search.weights", recipe.search.weights),
        ("search.alpha", recipe.search.alpha),
        ("train.optimizer", recipe.train.optimizer),
    ):
        if len(optimizer.betas) != 2:
            raise UserError(f"{part}.betas: {optimizer.betas} are not two numbers in [0, 1)")
    return recipe


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value`` of the command line; the value is read as YAML.

    >>> parse_override("search.lambda_arch=0.1")
    ('search.lambda_arch', 0.1)
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: not of the form KEY=VALUE, such as search.lambda_arch=0.1")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not readable as YAML") from error
