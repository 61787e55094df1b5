"""Choose the recipe and its settings by the images that a command is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearer.core.config import build, plain
from clearer.core.errors import UserError
from clearer.data.folders import list_images, pairs_of, part_folders
from clearer.data.items import check_channels
from clearer.data.noisy import NOISY_LAYOUTS, exposures_hint, find_scenes, unused_exposures
from clearer.data.ranges import settled_range
from clearer.degradations.registry import DEGRADATIONS
from clearer.images.io import read_header
from clearer.images.pixels import WHOLE
from clearer.images.view import native_channels
from clearer.noise.blocks import BLOCK
from clearer.noise.profile import NoiseProfile
from clearer.pipeline.noisy import Method, method_by, noise_of_set
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import DataSettings, NetworkSettings, Pairs

BY_CHANNELS = {"noisy": "noisy images", "pairs": "pairs"}
"""Names that stand for two recipes, NAME-gray and NAME-color, and what they train on."""


@dataclass(frozen=True)
class Choice:
    """A recipe, the settings that replace its own, and a line for the user about each choice.

    ``noise``: of the images, if the method was chosen by it.
    """

    recipe: str
    overrides: dict[str, Any]
    remarks: list[str] = field(default_factory=list)
    noise: NoiseProfile | None = None


def choose(recipe: str | Path | None, overrides: dict[str, Any]) -> Choice:
    """Choose what the user left open.

    Args:
        recipe: a recipe's name or file; ``"noisy"`` or ``"pairs"``, for gray or color by the images; or None, to choose
            by the images: noisy ones alone, pairs, or clean ones with a degradation.
        overrides: settings by dotted key; these are kept.

    Raises:
        UserError: no images are given, they cannot be read, or they are clean and nothing degrades them.
    """
    if recipe is not None and str(recipe) not in (*BY_CHANNELS, "noisy-gray", "noisy-color"):
        return Choice(str(recipe), overrides)
    where = _images(overrides)
    if where is None:
        if recipe is None or str(recipe) in BY_CHANNELS:
            raise UserError("images: none are given; name them with --data, --noisy, or --clean and --degraded")
        return Choice(str(recipe), overrides)
    name, remarks = str(recipe) if recipe else _mode(where, overrides), []
    if name.startswith("noisy"):
        overrides = {"data.layout": "noisy", **overrides}
    if name in (*BY_CHANNELS, "denoise"):
        channels = _channels(where, overrides)
        what = BY_CHANNELS.get(name, "clean images and a degradation")
        name = f"{name}-{'gray' if channels == 1 else 'color'}"
        remarks.append(f"recipe {name}: {what} are given")
    if name.startswith("noisy") and overrides.get("data.test") and "evaluate.protocols" not in overrides:
        overrides = {**overrides, "evaluate.protocols": [name.replace("noisy", "pairs")]}
        remarks.append(f"protocol {name.replace('noisy', 'pairs')}: test images are given")
    if name.startswith("noisy") and "train.loss" not in overrides:
        method, profile = _method(name, overrides)
        overrides = {**method.settings, **overrides}
        remarks += method.remarks
        return Choice(name, overrides, remarks, profile)
    return Choice(name, overrides, remarks)


def _method(name: str, overrides: dict[str, Any]) -> tuple[Method, NoiseProfile | None]:
    """Return the method that fits the noise of the images, and this noise."""
    recipe = load_recipe(name, overrides)  # refuses wrong settings before anything is measured
    data, channels = recipe.data, recipe.network.channels
    places = data.folder if data.train is None else data.train
    scenes = [
        scene
        for place in (places if isinstance(places, list) else [places])
        if place is not None
        for scene in find_scenes(place, data.layout, data.channel)
    ]
    if data.layout == "exposures":
        remark = "method noise2noise: exposures of the same scenes are given"
        return Method({"train.loss": "noise2noise"}, [remark]), None
    items = [item for scene in scenes for item in scene]
    check_channels(items, channels, data.convert)
    span = settled_range(items, None if data.range is None else data.span, lambda line: None) or WHOLE
    profile = noise_of_set(items, channels, span)
    method = method_by(profile)
    exposures = unused_exposures(items)
    hint = [exposures_hint(exposures)] if exposures else []
    return Method(method.settings, [*hint, *method.remarks]), profile


def _images(overrides: dict[str, Any]) -> str | Pairs | None:
    """Return the first folder of training images, or the two folders of pairs."""
    named = {name: one for name in ("folder", "train") if (one := overrides.get(f"data.{name}"))}
    settings = {name: plain(one) if isinstance(one, Pairs) else one for name, one in named.items()}
    data = build(DataSettings, settings, "data")
    found = data.folder or data.train
    if isinstance(found, list):
        found = found[0]
    if found is None or isinstance(found, Pairs):
        return found
    if overrides.get("data.layout") not in NOISY_LAYOUTS and Path(found).is_dir():
        parts = part_folders(found)["train"]
        found = str(parts[0]) if parts else found
    return str(found)


def _mode(where: str | Pairs, overrides: dict[str, Any]) -> str:
    layout, kind = overrides.get("data.layout", "auto"), overrides.get("data.degradation.kind", "none")
    if layout in NOISY_LAYOUTS:
        return "noisy"
    if layout == "side-by-side" or pairs_of(where, layout) is not None:
        return "pairs"
    if kind != "none":
        DEGRADATIONS.check(kind)
        return "denoise"
    if not any(min(read_header(path)[:2]) >= BLOCK for path in list_images(str(where))):
        raise UserError(f"{where}: no images in this folder but some below {BLOCK}x{BLOCK} pixels; add larger ones")
    raise UserError(
        f"{where}: single images; if they are noisy, give --noisy {where}; if they are clean, name what degrades them: "
        "a recipe such as denoise-color, or --set data.degradation.kind=gaussian"
    )


def _channels(where: str | Pairs, overrides: dict[str, Any]) -> int:
    """Return 1 for a gray set and 3 for a color one, by its first file."""
    if "network.channels" in overrides:
        return build(NetworkSettings, {"channels": overrides["network.channels"]}, "network").channels
    layout = overrides.get("data.layout", "auto")
    if layout in NOISY_LAYOUTS:
        return native_channels(find_scenes(where, layout)[0][0].clean)
    pairs = pairs_of(where, layout)
    return native_channels(list_images(pairs.clean if pairs is not None else str(where))[0])
