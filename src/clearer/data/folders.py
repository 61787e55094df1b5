"""Images and pairs in folders: one folder of images, two folders of pairs, or files with both halves of a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from clearer.core.errors import UserError, nearest
from clearer.core.files import is_no_file
from clearer.core.text import few
from clearer.data.items import Item, check_even, check_same_size
from clearer.data.pairing import Matching, fits, matched, sides
from clearer.data.stacks import pages_of
from clearer.images.io import read_header
from clearer.images.types import SUFFIXES, format_of_bytes
from clearer.recipe.schema import Pairs

Source = str | Path | Pairs
"""A folder, or two folders of pairs."""
Folders = Pairs
"""The name of `Pairs` in version 0.1."""

LAYOUTS = ("auto", "clean", "pairs", "side-by-side")
SIDES = ("left", "right")
CLEAN_NAMES = (
    "clean", "target", "targets", "gt", "truth", "groundtruth", "ground_truth", "hq", "high", "sharp", "norain",
)  # fmt: skip
DEGRADED_NAMES = (
    "input", "inputs", "noisy", "rainy", "rain", "degraded", "lq", "low", "blur", "blurry", "hazy",
)  # fmt: skip
PART_PREFIXES = {"train": "train", "validation": "val", "test": "test"}
"""Parts of a dataset, and how the names of their sub-folders begin."""


def find_items(where: Source, layout: str = "auto", clean_side: str = "left") -> list[Item]:
    """Return the items of a set, sorted by name. Headers of pairs are checked; no image is decoded.

    Each page of a stack is an item; see `clearer.data.stacks.pages_of`.

    Args:
        where: a folder, or two folders of pairs.
        layout: ``"clean"``: a folder of single images. ``"pairs"``: two folders, or a folder that contains
            two with known names, such as ``clean`` and ``noisy``. ``"side-by-side"``: a folder of files with
            both halves. ``"auto"``: ``"pairs"`` if `pairs_of` finds them, otherwise ``"clean"``;
            side by side is never guessed.
        clean_side: the clean half; only for ``"side-by-side"``.

    Raises:
        UserError: nothing is found, a partner is missing, the images of a pair differ in size, a width is
            odd where two halves are needed, or a file cannot be read.
    """
    if layout not in LAYOUTS:
        raise UserError(f"data.layout: {layout!r} is not one of {', '.join(LAYOUTS)}{nearest(layout, LAYOUTS)}")
    if clean_side not in SIDES:
        raise UserError(f"data.clean_side: {clean_side!r} is not one of {', '.join(SIDES)}{nearest(clean_side, SIDES)}")
    if isinstance(where, Pairs) and layout not in ("auto", "pairs"):
        raise UserError(f"data.layout: {layout!r} needs one folder, not two ({where.clean}, {where.degraded})")
    pairs = pairs_of(where, layout)
    if pairs is not None:
        return pages_of(_checked_pairs(pairs))
    assert not isinstance(where, Pairs)
    if layout == "pairs":
        raise UserError(
            f"{where}: no pair of sub-folders with known names, such as clean and noisy; "
            "rename them or name the two folders yourself"
        )
    side = clean_side if layout == "side-by-side" else None
    items = [Item(name=p.name, clean=p, side=side) for p in list_images(where)]
    if side is not None:
        for item in items:
            check_even(item.clean, read_header(item.clean).width)
    return pages_of(items)


def find_pairs(where: Source, layout: str = "auto", clean_side: str = "left") -> list[Item]:
    """Return the items of a set where pairs are needed: ``"auto"`` takes a folder of images as side by side.

    Raises:
        UserError: as for `find_items`.
    """
    items = find_items(where, layout, clean_side)
    if layout == "auto" and not any(item.is_pair for item in items):
        items = find_items(where, "side-by-side", clean_side)
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


def short_name(folder: str | Path) -> str:
    """Return the last two parts of a path: ``test`` alone would not name the set."""
    return "/".join(Path(folder).resolve().parts[-2:])


def has_images(folder: str | Path) -> bool:
    """Return whether ``folder`` is a folder with images directly in it."""
    folder = Path(folder)
    return folder.is_dir() and any(
        p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and not p.is_dir() for p in _inside(folder)
    )


def part_folders(where: str | Path) -> dict[str, list[Path]]:
    """Return the sub-folders named train, val and test, or similar, by part of the dataset.

    All lists are empty if ``where`` is not a folder or has images of its own.
    """
    inside = _sub_folders(Path(where)) if Path(where).is_dir() and not has_images(where) else []
    return {
        part: [folder for folder in inside if folder.name.lower().startswith(prefix)]
        for part, prefix in PART_PREFIXES.items()
    }


def pairs_of(where: Source, layout: str = "auto") -> Pairs | None:
    """Return the two folders of pairs that ``where`` is or contains; None for the layouts of one folder.

    Both are ``where`` itself if all its images are named as clean or degraded, and some match. ``"auto"`` looks for two
    sub-folders only if ``where`` has no images of its own.

    Raises:
        UserError: more than one sub-folder has a known name of the same kind.
    """
    if isinstance(where, Pairs):
        return where if layout in ("auto", "pairs") else None
    if layout not in ("auto", "pairs"):
        return None
    if has_images(where) and sides(list_images(where)) is not None:
        return Pairs(clean=str(where), degraded=str(where))
    return None if layout == "auto" and has_images(where) else _pair_folders(Path(where))


def match_pairs(pairs: Pairs) -> Matching:
    """Match clean and degraded images by name, without opening the files; see `clearer.data.pairing.matched`.

    If both folders are one, its files are told apart by their patterns, or by words such as clean and noisy.

    Raises:
        UserError: a folder is missing or contains no images, a pattern fits none of them, or the files of one folder
            cannot be told apart.
    """
    patterns = (pairs.clean_pattern, pairs.degraded_pattern)
    clean = list_images(pairs.clean)
    is_one = Path(pairs.clean).resolve() == Path(pairs.degraded).resolve()
    degraded = clean if is_one else list_images(pairs.degraded)
    for paths, pattern in zip((clean, degraded), patterns, strict=True):
        if pattern is not None and not any(fits(path, pattern) for path in paths):
            raise UserError(
                f"{paths[0].parent}: the pattern {pattern!r} fits none of its {len(paths)} images, such as "
                f"{paths[0].name}; mend it, or leave the patterns out: many ways of naming are known"
            )
    if not is_one:
        return matched(clean, degraded, patterns)
    if all(patterns):
        found = [[path for path in clean if fits(path, pattern)] for pattern in patterns]
        return matched(found[0], found[1], patterns)
    both = sides(clean)
    if both is None:
        raise UserError(
            f"{pairs.clean}: its clean and degraded images cannot be told apart by words such as clean and noisy in "
            "their names; give --clean-pattern '*_gt' and --degraded-pattern '*_in'"
        )
    return matched(*both, patterns)


def matching_note(where: Source, layout: str = "auto") -> str | None:
    """Return a line on the rule by which the names of pairs match; None if they are equal, or of single images.

    Raises:
        UserError: see `match_pairs` and `pairs_of`.
    """
    pairs = pairs_of(where, layout)
    rule = "" if pairs is None else match_pairs(pairs).rule
    return f"{pairs.clean}: pairs matched by {rule}" if pairs is not None and rule else None


OTHER_KINDS = (
    ".gif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".tga", ".pcx", ".pbm", ".pfm", ".ico", ".cur",
    ".icns", ".mpo", ".psd", ".dds", ".sgi", ".rgb", ".bw", ".ras", ".im", ".xbm", ".xpm", ".qoi", ".blp", ".fits",
    ".fit", ".avifs", ".heics", ".stk", ".lsm", ".svs", ".ndpi", ".scn", ".bif", ".qptiff", ".btf", ".tf2", ".tf8",
)  # fmt: skip
"""Suffixes of further images that `clearer.images.io.read_file` may read; they are written as PNG."""
_STARTS = (b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"P1", b"P4")


def is_other_image(path: Path) -> bool:
    """Return whether a file without a suffix of `SUFFIXES` is an image that can be read all the same."""
    if (path.suffix and path.suffix.lower() not in OTHER_KINDS) or is_no_file(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if not path.suffix and format_of_bytes(head) is None and not head.startswith(_STARTS):
            return False
        read_header(path)
    except (UserError, OSError):
        return False
    return True


def kinds(paths: Iterable[Path]) -> str:
    """Return how many files there are of each suffix: ``3 .txt, 1 without a suffix``."""
    return counted_kinds(Counter(path.suffix.lower() for path in paths))


def counted_kinds(counts: Counter[str]) -> str:
    """Return the same of suffixes that are counted."""
    return ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in sorted(counts.items()))


def left_out(where: Source) -> list[str]:
    """Return a line for each folder with images of kinds that are restored, but not trained on."""
    folders = dict.fromkeys((where.clean, where.degraded) if isinstance(where, Pairs) else (str(where),))
    lines = []
    for folder in folders:
        inside = _inside(Path(folder)) if Path(folder).is_dir() else []
        files = [p for p in inside if p.suffix.lower() not in SUFFIXES and not p.name.startswith(".") and p.is_file()]
        images = [path for path in files if is_other_image(path)]
        if images:
            lines.append(f"{folder}: {len(images)} image(s) left out ({kinds(images)}); convert them to PNG")
    return lines


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _sub_folders(folder: Path) -> list[Path]:
    """Return the folders directly in ``folder`` except hidden ones, sorted by name."""
    return sorted(p for p in _inside(folder) if p.is_dir() and not p.name.startswith("."))


def _pair_folders(where: Path) -> Pairs | None:
    """Return the two sub-folders with known names of clean and degraded images."""
    if not where.is_dir():
        return None
    inside = _sub_folders(where)
    clean = [p for p in inside if p.name.lower() in CLEAN_NAMES]
    degraded = [p for p in inside if p.name.lower() in DEGRADED_NAMES]
    if not clean or not degraded:
        return None
    for kind, found in (("clean", clean), ("degraded", degraded)):
        if len(found) > 1:
            names = ", ".join(p.name for p in found)
            raise UserError(
                f"{where}: more than one sub-folder may hold the {kind} images ({names}); name the two folders yourself"
            )
    return Pairs(clean=str(clean[0]), degraded=str(degraded[0]))


def _checked_pairs(pairs: Pairs) -> list[Item]:
    found = match_pairs(pairs)
    if found.twice:
        raise UserError(
            f"{pairs.clean}: {len(found.twice)} names belong to two files that differ only in suffix "
            f"({few(found.twice)}); remove one of each"
        )
    for folder, other, names in (
        (pairs.clean, pairs.degraded, found.only_clean),
        (pairs.degraded, pairs.clean, found.only_degraded),
    ):
        if names:
            raise UserError(
                f"{folder}: {len(names)} of its images have no partner of the same name in {other} "
                f"({few(names)}); add the partners, remove them, or say how names match with --clean-pattern '*_gt' "
                "--degraded-pattern '*_in'"
            )
    for item in found.items:
        assert item.degraded is not None
        check_same_size(item, read_header(item.clean)[:2], read_header(item.degraded)[:2])
    return list(found.items)
