"""Where images and pairs come from: one folder, two folders of pairs, or pairs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearer.core.errors import UserError, nearest
from clearer.images.io import read_header
from clearer.images.types import SUFFIXES, Uint8Pixels
from clearer.images.view import native_channels, read_image

LAYOUTS = ("auto", "clean", "pairs", "side-by-side")
SIDES = ("left", "right")
CLEAN_NAMES = (
    "clean", "target", "targets", "gt", "truth", "groundtruth", "ground_truth", "hq", "high", "sharp", "norain",
)  # fmt: skip
DEGRADED_NAMES = (
    "input", "inputs", "noisy", "rainy", "rain", "degraded", "lq", "low", "blur", "blurry", "hazy",
)  # fmt: skip


@dataclass(frozen=True)
class Folders:
    """Two folders of pairs; a pair has the same file name in both but for the suffix."""

    clean: str
    degraded: str


@dataclass(frozen=True)
class Item:
    """One image or pair, not yet read.

    Args:
        name: file name of the clean image, unique in its set.
        clean: file of the clean image, or of both halves.
        degraded: file of the degraded image of a pair, None if there is none or it is a half.
        side: which half of the one file is clean (``"left"`` or ``"right"``), None if not side by side.
    """

    name: str
    clean: Path
    degraded: Path | None = None
    side: str | None = None


@dataclass(frozen=True)
class Matching:
    """Two folders put together by stem: the pairs, and what has no partner or is there twice."""

    items: tuple[Item, ...]
    only_clean: tuple[str, ...]
    only_degraded: tuple[str, ...]
    twice: tuple[str, ...]


def find_items(where: str | Path | Folders, layout: str = "auto", clean_side: str = "left") -> list[Item]:
    """Return the items of a set, sorted by name, and check pairs by their headers.

    Args:
        where: a folder, or two `Folders` of pairs.
        layout: ``"clean"`` is a folder of single images; ``"pairs"`` two `Folders`, or a folder
            that holds two with known names (such as ``clean`` and ``noisy``); ``"side-by-side"``
            a folder of files that hold both halves. ``"auto"`` is ``"pairs"`` for `Folders` and
            for a folder without images of its own but with two such sub-folders, and
            ``"clean"`` otherwise: side by side is never guessed.
        clean_side: which half is clean; only for ``"side-by-side"``.

    Raises:
        UserError: nothing is found, a partner is missing, the images of a pair differ in size, a
            width is odd where two halves are needed, or a file cannot be read.
    """
    if layout not in LAYOUTS:
        raise UserError(f"data.layout: {layout!r} is not one of {', '.join(LAYOUTS)}{nearest(layout, LAYOUTS)}")
    if clean_side not in SIDES:
        raise UserError(f"data.clean_side: {clean_side!r} is not one of {', '.join(SIDES)}{nearest(clean_side, SIDES)}")
    folders = where if isinstance(where, Folders) else None
    if folders is not None and layout not in ("auto", "pairs"):
        raise UserError(f"data.layout: {layout!r} needs one folder, not two ({folders.clean}, {folders.degraded})")
    if not isinstance(where, Folders):
        if layout == "pairs":
            folders = pair_folders(where)
            if folders is None:
                raise UserError(
                    f"{where}: no pair of sub-folders with known names, such as clean and noisy; "
                    "rename them or name the two folders yourself"
                )
        elif layout == "auto" and Path(where).is_dir() and not has_images(Path(where)):
            folders = pair_folders(where)
    if folders is not None:
        return _checked_pairs(folders)
    assert not isinstance(where, Folders)
    side = clean_side if layout == "side-by-side" else None
    items = [Item(name=p.name, clean=p, side=side) for p in list_images(where)]
    if side is not None:
        for item in items:
            _check_even(item.clean, read_header(item.clean).width)
    return items


def list_images(folder: str | Path) -> list[Path]:
    """Return the image files directly in ``folder``, sorted by file name.

    Hidden files, whose names begin with a dot, are ignored. A dangling link is listed, so that reading it
    reports the fault.

    Raises:
        UserError: the folder is missing, is not a folder, cannot be read or contains no images.
    """
    folder = Path(folder)
    if not folder.exists():
        raise UserError(f"{folder}: no such folder; check the path")
    if not folder.is_dir():
        raise UserError(f"{folder}: a file, where a folder of images is needed; name the folder that holds it")
    try:
        inside = [p for p in folder.iterdir() if not p.name.startswith(".")]
        found = [p for p in inside if p.suffix.lower() in SUFFIXES and not p.is_dir()]
        others = sorted(p.name for p in inside if p.is_dir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    if not found and others:
        names = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        raise UserError(f"{folder}: no images directly in this folder; name one of its sub-folders ({names})")
    if not found:
        raise UserError(f"{folder}: no images directly in this folder; looked for {', '.join(SUFFIXES)}")
    return sorted(found, key=lambda p: p.name)


def has_images(folder: Path) -> bool:
    """Tell whether there are images directly in ``folder``."""
    return any(p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and not p.is_dir() for p in _inside(folder))


def sub_folders(folder: Path) -> list[Path]:
    """Return the folders directly in ``folder``, hidden ones left out, sorted by name."""
    return sorted(p for p in _inside(folder) if p.is_dir() and not p.name.startswith("."))


def pair_folders(where: str | Path) -> Folders | None:
    """Return the two sub-folders of ``where`` with known names of clean and degraded, or None.

    Raises:
        UserError: more than one sub-folder has a name of the same kind.
    """
    where = Path(where)
    if not where.is_dir():
        return None
    inside = sub_folders(where)
    clean = [p for p in inside if p.name.lower() in CLEAN_NAMES]
    degraded = [p for p in inside if p.name.lower() in DEGRADED_NAMES]
    if not clean or not degraded:
        return None
    for kind, found in (("clean", clean), ("degraded", degraded)):
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise UserError(
                f"{where}: more than one sub-folder may hold the {kind} images ({names}); "
                "name the two folders yourself"
            )
    return Folders(clean=str(clean[0]), degraded=str(degraded[0]))


def match_pairs(folders: Folders) -> Matching:
    """Put two folders together by stem, without looking into the files.

    Raises:
        UserError: a folder is missing or has no images.
    """
    clean, degraded = list_images(folders.clean), list_images(folders.degraded)
    twice = [
        f"{Path(folder).name}/{stem}"
        for folder, files in ((folders.clean, clean), (folders.degraded, degraded))
        for stem, count in sorted(Counter(p.stem for p in files).items())
        if count > 1
    ]
    partners = {p.stem: p for p in degraded}
    stems = {p.stem for p in clean}
    return Matching(
        items=tuple(Item(name=p.name, clean=p, degraded=partners[p.stem]) for p in clean if p.stem in partners),
        only_clean=tuple(p.name for p in clean if p.stem not in partners),
        only_degraded=tuple(p.name for p in degraded if p.stem not in stems),
        twice=tuple(twice),
    )


def check_channels(items: Sequence[Item], channels: int, convert: bool = False) -> None:
    """Refuse files whose kind, gray or color, does not fit; reads headers only.

    Color files are fine for ``channels=1`` (luma is taken) as long as all files are color. With
    ``convert`` every mixture is accepted.

    Raises:
        UserError: gray and color files are mixed, or files are gray where 3 channels are wanted.
    """
    if channels not in (1, 3):
        raise UserError(f"network.channels: {channels}; images have 1 (gray) or 3 (color)")
    if convert:
        return
    kinds: dict[int, list[Path]] = {1: [], 3: []}
    for path in _files(items):
        kinds[native_channels(path)].append(path)
    gray, color = kinds[1], kinds[3]
    if gray and color:
        odd, kind = (gray, "gray") if len(gray) <= len(color) else (color, "color")
        raise UserError(
            f"{odd[0]}: {kind}, in a set of {len(gray)} gray and {len(color)} color files; "
            f"convert or move the {kind} ones, or set data.convert=true"
        )
    if gray and channels == 3:
        raise UserError(
            f"{gray[0]}: gray, where 3 channels are wanted, as are all {len(gray)} files of the set; "
            "set network.channels=1, or data.convert=true to repeat gray as color"
        )


def check_sizes(items: Sequence[Item], patch: int) -> None:
    """Refuse images (for side by side: halves) smaller than ``patch`` pixels; reads headers only.

    Raises:
        UserError: names the first such image.
    """
    for item in items:
        height, width = item_size(item)
        if min(height, width) < patch:
            what = "a half" if item.side else "the image"
            raise UserError(
                f"{item.clean}: {what} has {width}x{height} pixels, less than a patch of {patch}x{patch}; "
                "remove it or make the patch smaller (search.patch, train.patch)"
            )


def item_size(item: Item) -> tuple[int, int]:
    """Return height and width of the clean image or half, from the header."""
    header = read_header(item.clean)
    return header.height, header.width // 2 if item.side else header.width


def read_item(item: Item, channels: int | None = None) -> tuple[Uint8Pixels, Uint8Pixels | None]:
    """Return the clean and the degraded image (None if there is none), each uint8 (H, W, C).

    ``channels`` as of `clearer.images.view.read_image`.

    Raises:
        UserError: a file cannot be read, or the two images differ in size or channels.
    """
    image = read_image(item.clean, channels)
    if item.side is not None:
        _check_even(item.clean, image.shape[1])
        half = image.shape[1] // 2
        left, right = np.ascontiguousarray(image[:, :half]), np.ascontiguousarray(image[:, half:])
        return (left, right) if item.side == "left" else (right, left)
    if item.degraded is None:
        return image, None
    degraded = read_image(item.degraded, channels)
    _check_same_size(item, image.shape[:2], degraded.shape[:2])
    if degraded.shape != image.shape:
        raise UserError(f"{item.degraded}: not of the same channels as its clean {item.clean}; set data.convert=true")
    return image, degraded


def _files(items: Sequence[Item]) -> list[Path]:
    return [path for item in items for path in (item.clean, item.degraded) if path is not None]


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _checked_pairs(folders: Folders) -> list[Item]:
    found = match_pairs(folders)
    if found.twice:
        raise UserError(
            f"{folders.clean}: {len(found.twice)} names stand for two files that differ in suffix only "
            f"({_few(found.twice)}); remove one of each"
        )
    for folder, other, names in (
        (folders.clean, folders.degraded, found.only_clean),
        (folders.degraded, folders.clean, found.only_degraded),
    ):
        if names:
            raise UserError(
                f"{folder}: {len(names)} of its images have no partner of the same name in {other} "
                f"({_few(names)}); add the partners or remove them"
            )
    for item in found.items:
        assert item.degraded is not None
        _check_same_size(item, read_header(item.clean)[:2], read_header(item.degraded)[:2])
    return list(found.items)


def _check_same_size(item: Item, clean: tuple[int, ...], degraded: tuple[int, ...]) -> None:
    if clean != degraded:
        raise UserError(
            f"{item.degraded}: {degraded[1]}x{degraded[0]} pixels, but its clean {item.clean} has "
            f"{clean[1]}x{clean[0]}; a pair must have one size"
        )


def _check_even(path: Path, width: int) -> None:
    if width % 2:
        raise UserError(
            f"{path}: width {width} is odd, so it is not two halves side by side; remove it or set data.layout=clean"
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
