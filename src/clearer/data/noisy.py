"""Sets of noisy images without ground truth: single images, or repeated exposures of each scene."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clearer.core.errors import UserError
from clearer.core.spread import evenly
from clearer.core.text import few
from clearer.data.duplicates import NEAR, Vectors, thumbprint
from clearer.data.folders import find_items, has_images, list_images, pairs_of
from clearer.data.items import Item, check_same_size
from clearer.data.stacks import only_channel, pages_of
from clearer.images.io import read_header
from clearer.images.types import AnyPixels
from clearer.images.view import read_image
from clearer.recipe.schema import DataSettings, Pairs

NOISY_LAYOUTS = ("noisy", "exposures")
"""Values of ``data.layout`` for images without ground truth."""
SAME_SCENE = 0.3
"""Least correlation of the 16x16 gray thumbnails of two exposures of one scene."""
CONTENT = 0.9
"""Least correlation of the thumbnails of every other row and of the rows between, below which they are mostly noise."""
LOOKED_AT = 3
"""Sets of numbered files, and others of each set, that are read to find out whether they are exposures."""

Scene = list[Item]
"""An image, or the exposures of a scene, each with the next one as ``degraded``."""


def is_noisy_only(settings: DataSettings) -> bool:
    """Return whether the training images have no ground truth."""
    return settings.layout in NOISY_LAYOUTS


def find_scenes(where: str | Pairs, layout: str, channel: str | None = None) -> list[Scene]:
    """Return the scenes of a set, sorted by name; of one channel if one is named.

    Args:
        where: a folder of images, or one image file. With ``"exposures"``: a folder with files NAME_1, NAME_2, ... of
            each scene; a folder of folders, each with one exposure of every scene under the same name; or two folders.
        layout: ``"noisy"`` or ``"exposures"``.
        channel: see `clearer.data.stacks.only_channel`.

    Raises:
        UserError: nothing is found, a folder holds pairs, an exposure is alone, or exposures of a scene differ in size
            or do not show the same.
    """
    return _of_channel(_all_scenes(where, layout), channel)


def _all_scenes(where: str | Pairs, layout: str) -> list[Scene]:
    if layout == "exposures":
        found = _by_folder(where) if isinstance(where, Pairs) or not has_images(where) else _by_number(Path(where))
        scenes = [page for name, files in sorted(found.items()) for page in _by_page(_scene(name, files))]
        for scene in evenly(scenes, LOOKED_AT):
            _check_same_scene([scene[0], *evenly(scene[1:], LOOKED_AT)])
        return scenes
    if isinstance(where, Pairs):
        raise UserError(f"data.layout: noisy needs one folder, not two ({where.clean}, {where.degraded})")
    if Path(where).is_file():
        read_header(where)
        return [[item] for item in pages_of([Item(name=Path(where).name, clean=Path(where))])]
    pairs = None if has_images(where) else pairs_of(where)
    if pairs is not None:
        raise UserError(
            f"{where}: holds pairs ({Path(pairs.clean).name} and {Path(pairs.degraded).name}); "
            f"train on them with --data {where}, or give the noisy images alone as --noisy {pairs.degraded}"
        )
    return [[item] for item in find_items(where, "clean")]


def split_noisy(settings: DataSettings) -> dict[str, list[Item]]:
    """Return the images of each part; the validation images are spread evenly over the sorted scenes.

    Only their noise has to be independent of the training images, which it is in other files. A single image is in both
    parts: `halves` divides it. Test images are those of ``settings.test``, if any: pairs.

    Raises:
        UserError: no images are named, or see `find_scenes`.
    """
    whole = settings.folder if settings.train is None else settings.train
    if whole is None:
        raise UserError("data: no images are named; give --noisy FOLDER")
    places = whole if isinstance(whole, list) else [whole]
    # A folder that is named twice would be trained on and validated on.
    scenes = [
        scene for place in dict.fromkeys(places) for scene in find_scenes(place, settings.layout, settings.channel)
    ]
    held_out: list[Scene] = []
    for scene in scenes:
        _check_same_scene(scene)
    if settings.validation is not None:
        held_out = find_scenes(settings.validation, settings.layout, settings.channel)
        for scene in held_out:
            _check_same_scene(scene)
        _refuse_shared(scenes, held_out)
    elif len(scenes) == 1:
        held_out = scenes
    else:
        chosen = _spread(len(scenes), settings.fractions[1])
        held_out = [scene for k, scene in enumerate(scenes) if k in chosen]
        scenes = [scene for k, scene in enumerate(scenes) if k not in chosen]
    return {
        "train": [item for scene in scenes for item in scene],
        "validation": [item for scene in held_out for item in scene],
        "test": [] if settings.test is None else _test_items(settings.test, settings.channel),
    }


def _test_items(where: str | Pairs, channel: str | None) -> list[Item]:
    items = find_items(where)
    return items if channel is None else only_channel(items, channel)


def _refuse_shared(scenes: list[Scene], held_out: list[Scene]) -> None:
    """Refuse validation images that are trained on: their noise would be known."""
    trained, validated = ({(i.clean.resolve(), i.page): i.name for s in part for i in s} for part in (scenes, held_out))
    shared = [name for key, name in validated.items() if key in trained]
    if shared:
        raise UserError(
            f"data.validation: {few(shared)} {'is' if len(shared) == 1 else 'are'} trained on, too; name other images, "
            "or leave it out to split some off"
        )


def _of_channel(scenes: list[Scene], channel: str | None) -> list[Scene]:
    if channel is None:
        return scenes
    kept = set(only_channel([item for scene in scenes for item in scene], channel))
    return [found for scene in scenes if (found := [item for item in scene if item in kept])]


def scenes_of(items: Sequence[Item]) -> list[str]:
    """Return what each image shows: the same for exposures of a scene, and for pages of a stack, which are alike."""
    return [item.scene or str(item.clean) for item in items]


def shares_one_scene(train: Sequence[Item], validation: Sequence[Item]) -> bool:
    """Return whether all images show one scene, or are one image, of which `halves` makes both parts.

    Limits may leave other exposures in each part: each is compared with the next one, which may be of the other part.
    """
    return len({(item.scene or str(item.clean), item.page) for item in (*train, *validation)}) == 1


def halves(image: AnyPixels, patch: int) -> tuple[AnyPixels, AnyPixels]:
    """Divide a single image across its longer side: four fifths to train on and one fifth to validate on.

    Raises:
        UserError: a part is smaller than a patch.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    cut = longer - max(longer // 5, patch)
    if min(height, width, cut) < patch:
        raise UserError(
            f"data: the only image has {width}x{height} pixels, too few for patches of {patch}x{patch} to train and to "
            "validate on; add images or make the patch smaller (train.patch)"
        )
    return (image[:cut], image[cut:]) if height >= width else (image[:, :cut], image[:, cut:])


def _spread(count: int, share: float) -> set[int]:
    """Return a share of the numbers below ``count``, evenly spread: at least one, and not all."""
    chosen = min(max(1, round(share * count)), count - 1)
    return {(2 * i + 1) * count // (2 * chosen) for i in range(chosen)}


def exposures_hint(names: Sequence[str]) -> str:
    """Return what to say of files NAME_1, NAME_2, ... that show the same scene."""
    return (
        f"{few(list(names))} show the same scene by their names and content: if they are exposures of it, each with "
        "noise of its own, give --noisy FOLDER --exposures, which trains better"
    )


def scene_of_name(name: str) -> str | None:
    """Return NAME of a file NAME_1, NAME_2, ...; None for other names."""
    parts = re.fullmatch(r"(.+)[_-](\d+)", Path(name).stem)
    return None if parts is None else parts[1]


def unused_exposures(items: Sequence[Item]) -> list[str]:
    """Return the names of the first scene that several files NAME_1, NAME_2, ... show; empty if there is none.

    All sets of such names that are looked at have to show one scene each, as those of numbered photographs do not.
    """
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        scene = scene_of_name(item.name)
        if scene is not None and item.page is None:
            found[scene].append(item)
    scenes = [several for several in found.values() if len(several) > 1][:LOOKED_AT]
    for scene_items in scenes:
        prints = [thumbprint(read_image(item.clean, None, None, None)) for item in scene_items[:2]]
        if float(prints[0] @ prints[1]) < NEAR:
            return []
    return [item.name for item in scenes[0]] if scenes else []


def _by_number(folder: Path) -> dict[str, list[Path]]:
    """Return the files NAME_1, NAME_2, ... of each scene."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in list_images(folder):
        scene = scene_of_name(path.name)
        if scene is None:
            raise UserError(f"{path}: not an exposure by its name; name the exposures of a scene NAME_1, NAME_2, ...")
        found[scene].append(path)
    return found


def _by_folder(where: str | Pairs) -> dict[str, list[Path]]:
    """Return the files of the same name in several folders."""
    if isinstance(where, Pairs):
        folders = [Path(where.clean), Path(where.degraded)]
    else:
        inside = sorted(path for path in Path(where).iterdir() if path.is_dir()) if Path(where).is_dir() else []
        folders = [path for path in inside if has_images(path)]
        if len(folders) < 2:
            raise UserError(f"{where}: no exposures, neither as files NAME_1, NAME_2, ... nor as folders; add them")
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        for path in list_images(folder):
            found[path.stem].append(path)
    return found


def _scene(name: str, files: Sequence[Path]) -> Scene:
    """Return an item for each exposure of a scene; each is compared with the next."""
    if len(files) < 2:
        raise UserError(f"{files[0]}: the only exposure of {name}; add another one or remove it")
    in_one_folder = len({path.parent for path in files}) == 1
    items = [
        Item(
            name=path.name if in_one_folder else f"{path.parent.name}/{path.name}",
            clean=path,
            degraded=files[(k + 1) % len(files)],
            scene=str(files[0]),
        )
        for k, path in enumerate(files)
    ]
    for item in items:
        assert item.degraded is not None
        check_same_size(item, read_header(item.clean)[:2], read_header(item.degraded)[:2])
    return items


def _by_page(exposures: Scene) -> list[Scene]:
    """Return a scene for each page of stacks; a page of an exposure is compared with the same one of the next."""
    return [list(page) for page in zip(*(pages_of([item]) for item in exposures), strict=True)]


def _check_same_scene(scene: Scene) -> None:
    """Refuse exposures that do not show the same, as numbered images of different scenes would."""
    if len(scene) < 2:
        return
    first = _content(scene[0])
    if first is None:
        return
    for item in scene[1:]:
        other = _content(item)
        if other is not None and float(first @ other) < SAME_SCENE:
            names = few([scene[0].name, item.name])
            raise UserError(
                f"{scene[0].clean.parent}: {names} do not show the same scene, so they are not exposures of it; "
                "remove what is none, or leave out --exposures to take each file as an image of its own"
            )


def _content(item: Item) -> Vectors | None:
    """Return the thumbprint of an image as stored, whatever its range; None if it is flat, dim or mostly noise."""
    image = read_image(item.clean, None, None, None, item.page)
    rows = [thumbprint(np.ascontiguousarray(image[k::2])) for k in range(min(2, len(image)))]
    return thumbprint(image) if len(rows) == 2 and float(rows[0] @ rows[1]) >= CONTENT else None
