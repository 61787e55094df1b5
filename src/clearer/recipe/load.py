"""Read recipes by name or from YAML, override single settings, and check the whole recipe."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import logging
from importlib import resources
from pathlib import Path
from typing import Any

from clearer.core.config import build, override, text_keys
from clearer.core.errors import UserError, nearest, one_line, shown
from clearer.core.parse import parse_yaml
from clearer.losses.registry import LOSSES
from clearer.network.architecture import Architecture
from clearer.network.stored_form import AT
from clearer.recipe.former_settings import (
    forget_settings_of_other_kind,
    kind_of,
    use_present_settings,
    with_present_keys,
)
from clearer.recipe.kind_protocols import with_protocols_of_kind
from clearer.recipe.schema import NetworkSettings, Recipe

log = logging.getLogger("clearer")


def shipped_recipes() -> dict[str, Path]:
    """Return the files of the recipes that come with the package, by name."""
    folder = Path(str(resources.files("clearer") / "recipes"))
    paths = sorted(folder.glob("*.yaml")) + sorted(folder.glob("*/*.yaml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def load_recipe(name_or_path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe and override single settings.

    Settings that version 0.1 named otherwise are accepted; the log notes the present name.

    Args:
        name_or_path: name of a recipe, such as ``"quickstart"``, or a path ending in ``.yaml`` or ``.yml``.
        overrides: dotted key to value, such as ``{"search.lambda_arch": 0.1}``. A new
            ``data.degradation.kind`` starts from that kind's defaults, and its protocols replace those of the recipe
            that do not measure it.

    Raises:
        UserError: the recipe or a key is unknown (with the nearest known one), a value is of the wrong type or out
            of range, or two settings contradict each other.
    """
    text = str(name_or_path)
    shipped = shipped_recipes()
    path = Path(text) if text.endswith((".yaml", ".yml")) else shipped.get(text)
    if path is None:
        known = ", ".join(shipped)
        raise UserError(f"recipe {text!r}: no such recipe{nearest(text, shipped)}; known: {known}, or a YAML file")
    recipe, notes = _build(read_mapping(path), path, overrides or {})
    for note in notes:
        log.warning("%s", note)
    return recipe


def load_stored_recipe(path: str | Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe that clearer wrote into a run folder: as `load_recipe`, without notes on former names."""
    path = Path(path)
    return _build(read_mapping(path), path, overrides or {})[0]


def _build(value: dict[str, Any], path: Path, overrides: dict[str, Any]) -> tuple[Recipe, list[str]]:
    """Return a recipe from a file's mapping, which is changed, and notes on what was renamed or chosen."""
    value.setdefault("name", path.stem)
    notes = use_present_settings(value, from_file=True)
    changes, further = with_present_keys(overrides)
    kind = kind_of(value)
    forget_settings_of_other_kind(value, changes)
    for key, new in changes.items():
        override(value, key, new)
    recipe = recipe_from_dict(value)
    _refuse_other_network(recipe, value, changes)
    if recipe.data.degradation.kind != kind and not {"evaluate", "evaluate.protocols"} & changes.keys():
        recipe, chosen = with_protocols_of_kind(recipe)
        further = further + chosen
    return recipe, list(dict.fromkeys(notes + further))


@functools.cache
def _texts() -> frozenset[str]:
    """Return the settings of a recipe that are text."""
    return text_keys(Recipe)


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML file as they stand there, unchecked.

    Raises:
        UserError: there is no such file, it is not YAML, or not a mapping.
    """
    try:
        value = parse_yaml(path.read_text(encoding="utf-8"), _texts())
    except FileNotFoundError:
        raise UserError(f"{path}: no such recipe file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as YAML ({one_line(error)})") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a mapping of keys to values; see an example with 'clearer fit quickstart --show'")
    return value


def recipe_from_dict(value: dict[str, Any]) -> Recipe:
    """Build a recipe from plain values, also those that version 0.1 stored, and check it as a whole.

    Raises:
        UserError: see `load_recipe`.
    """
    value = copy.deepcopy(value)
    use_present_settings(value)
    _spread_architecture(value)
    recipe = build(Recipe, value)
    space = recipe.space
    given = recipe.given
    if given is not None and given.scales != space.scales:
        raise UserError(
            f"architecture: {given} has {given.scales} scales where network.scales is {space.scales}; make them agree"
        )
    _check_baseline(recipe)
    if recipe.data.gray_share and space.channels != 3:
        raise UserError(f"data.gray_share: {recipe.data.gray_share:g} needs network.channels=3, not {space.channels}")
    if recipe.data.clean_share and recipe.data.layout in ("noisy", "exposures"):
        raise UserError(
            f"data.clean_share: {recipe.data.clean_share:g}, but data.layout {recipe.data.layout} has no clean images; "
            "leave it out"
        )
    multiple = space.multiple if recipe.baseline is None else 1
    for part, settings, norm in (
        ("search", recipe.search, recipe.search_space.norm),
        ("train", recipe.train, space.norm),
    ):
        if part == "search" and recipe.form is not None:  # nothing is searched
            continue
        if settings.patch % multiple:
            raise UserError(
                f"{part}.patch: {settings.patch} is not a multiple of {multiple}, which {space.scales} scales"
                f"{f' and unshuffle {space.unshuffle}' if space.unshuffle > 1 else ''} need"
            )
        if settings.batch < 2 and norm == "batch":
            raise UserError(f"{part}.batch: batch norm needs at least 2 patches a batch")
    return recipe


def _check_baseline(recipe: Recipe) -> None:
    if LOSSES.get(recipe.train.loss).own and recipe.baseline is None:
        raise UserError("train.loss: own is the loss that a baseline states, and this recipe has none; choose another")
    if recipe.baseline is None:
        return
    if recipe.teacher.stride > 1:
        raise UserError(f"teacher.stride: {recipe.teacher.stride}, but a baseline learns from no teacher; leave it out")
    plain = NetworkSettings(channels=recipe.network.channels)
    for field in dataclasses.fields(NetworkSettings):
        if getattr(recipe.network, field.name) != getattr(plain, field.name):
            raise UserError(
                f"network.{field.name}: {getattr(recipe.network, field.name)}, but the recipe trains the baseline "
                f"{recipe.baseline}, which has a form of its own; leave it out"
            )
    if recipe.architecture is not None:
        raise UserError(
            f"architecture: {recipe.architecture}, but the recipe trains the baseline {recipe.baseline}; leave one out"
        )


def _spread_architecture(value: dict[str, Any]) -> None:
    """Turn an architecture's text form into its genotype and the settings of the network, in place."""
    text = value.get("architecture")
    if not isinstance(text, str) or AT not in text:
        return
    stated = build(NetworkSettings, value.get("network", {}), "network")
    given = Architecture.parse(text, channels=stated.channels)
    own = json.loads(json.dumps(dataclasses.asdict(given.space)))  # lists, as YAML has them
    value["architecture"] = str(given)
    value["network"] = own


def _refuse_other_network(recipe: Recipe, value: dict[str, Any], changes: dict[str, Any]) -> None:
    """Refuse settings of the network beside the text form of an architecture, which states them, unless they agree."""
    if AT not in str(value.get("architecture")):
        return
    for key in changes:
        part, _, name = key.partition(".")
        if part != "network" or not name:
            continue
        wanted = getattr(build(NetworkSettings, value["network"], "network"), name)
        if getattr(recipe.network, name) != wanted:
            raise UserError(
                f"{key}: {shown(wanted)}, but the architecture states {shown(getattr(recipe.network, name))} "
                f"({value['architecture']}); change it there, with --set architecture=..."
            )


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``KEY=VALUE`` of the command line and read the value as YAML; that of a setting that is text, as written.

    >>> parse_override("search.lambda_arch=0.1")
    ('search.lambda_arch', 0.1)
    >>> parse_override("data.channel=010")
    ('data.channel', '010')
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text}: not of the form KEY=VALUE, such as search.lambda_arch=0.1")
    try:
        return key.strip(), parse_yaml(value, _texts(), key.strip())
    except ValueError as error:
        raise UserError(f"--set {text}: the value is not readable as YAML") from error
