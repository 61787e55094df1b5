"""The levels that are black and white in a set: stated, or noticed where a camera fills only 12 or 14 of 16 bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearer.core.errors import UserError
from clearer.data.items import Item, with_levels
from clearer.data.splits import Splits
from clearer.images.depth import depth_of_file
from clearer.images.pixels import CAMERA_BITS, WHOLE, Span, depth_of, span_above, white_above
from clearer.images.types import AnyPixels
from clearer.images.view import read_image

_BEYOND = (-1.0, 2.0)
"""Floats outside are levels, not units of [0, 1]; see `clearer.images.pixels.to_unit`."""


@dataclass(frozen=True)
class Extremes:
    """The lowest and the highest value of the files of one depth.

    Attributes:
        depth: "8", "16" or "float".
        low, high: the values.
        files: number of files.
        example: a file with the highest value.
        step: of 16 bits, the largest power of two that divides all values.
    """

    depth: str
    low: float
    high: float
    files: int
    example: Path
    step: int = 1

    @property
    def are_levels(self) -> bool:
        """Whether floats are gray levels rather than units of [0, 1]."""
        return self.depth == "float" and (self.low < _BEYOND[0] or self.high > _BEYOND[1])


class LevelTally:
    """The values of the files of a set, by depth, filled image by image."""

    def __init__(self) -> None:
        self.files: dict[str, dict[Path, None]] = {}
        self.extremes: dict[str, tuple[float, float, int, Path]] = {}

    def add(self, path: Path, pixels: AnyPixels) -> None:
        """Take an image with the values of its file."""
        depth = depth_of(pixels)
        self.files.setdefault(depth, {})[path] = None
        low, high, bits, example = self.extremes.get(depth, (np.inf, -np.inf, 0, path))
        least, most = float(pixels.min()), float(pixels.max())
        if depth == "16":
            bits |= int(np.bitwise_or.reduce(pixels, axis=None))
        self.extremes[depth] = (min(low, least), max(high, most), bits, path if most > high else example)

    def found(self) -> dict[str, Extremes]:
        """Return the extremes by depth."""
        return {
            depth: Extremes(depth, low, high, len(self.files[depth]), example, max(1, bits & -bits))
            for depth, (low, high, bits, example) in self.extremes.items()
        }


def with_range(splits: Splits, stated: Span | None, say: Callable[[str], None]) -> Splits:
    """Return the images of a run with the levels that are black and white in their files.

    Args:
        splits: the images of a run.
        stated: by the recipe, ``data.range``.
        say: takes a line on what was noticed.

    Raises:
        UserError: the files do not fit the stated range, or floats are levels of unknown range.
    """
    items = [item for part in splits.parts().values() for item in part]
    span = settled_range(items, stated, say)
    if span is None:
        return splits
    return Splits(
        **{name: [dataclasses.replace(item, span=span) for item in part] for name, part in splits.parts().items()}
    )


def with_noticed_levels(items: Sequence[Item], levels: Span | None = None) -> list[Item]:
    """Return images with the levels of a model, or those of a camera if all have 16 bits and none exceeds these."""
    found = with_levels(items, levels)
    if any(item.span != WHOLE for item in found) or set(depths_of(items)) != {"16"}:
        return found
    noticed = settled_range(items, None, lambda line: None)
    return found if noticed is None else [dataclasses.replace(item, span=noticed) for item in items]


def settled_range(items: Sequence[Item], stated: Span | None, say: Callable[[str], None]) -> Span | None:
    """Return the levels that are black and white in all items; see `with_range`."""
    depths = depths_of(items)
    deep = [depth for depth in ("16", "float") if depths.get(depth)]
    if stated is not None and stated != WHOLE and depths.get("8") and deep:
        raise UserError(
            f"data.range: {stated[0]:g} to {stated[1]:g} for files of 16 bits or floating point, but "
            f"{len(depths['8'])} have 8 bits, such as {depths['8'][0]}; convert these, or leave the range out"
        )
    if stated is not None and not depths.get("float"):
        _check_reach(stated, "16" if deep else "8", depths)
    if not deep:
        return stated
    if stated is not None:
        for path, page in _pages_of(items, depths.get("float", [])):
            read_image(path, None, None, stated, page)  # refuses values far outside, before a run begins
        _say_mixture({depth: len(paths) for depth, paths in depths.items()}, say)
        return stated
    tally = LevelTally()
    for path, page in _pages_of(items, [path for depth in deep for path in depths[depth]]):
        tally.add(path, read_image(path, None, None, None, page))
    eight = {"8": Extremes("8", 0, 255, len(depths["8"]), depths["8"][0])} if depths.get("8") else {}
    return noticed_range(tally.found() | eight, say)


def _pages_of(items: Sequence[Item], wanted: list[Path]) -> Iterator[tuple[Path, int | None]]:
    """Yield those files of a set that are wanted, with the page of each item."""
    known = set(wanted)
    for item in items:
        for path in (item.clean, item.degraded):
            if path is not None and path in known:
                yield path, item.page


def _check_reach(stated: Span, depth: str, depths: dict[str, list[Path]]) -> None:
    """Refuse a white that no integer of the files reaches: all would be dark."""
    white = 255 if depth == "8" else 65535
    if stated[1] > white:
        paths = depths.get(depth) or next(iter(depths.values()))
        raise UserError(
            f"data.range: {stated[0]:g} to {stated[1]:g}, but {paths[0]} has {named(depth)}, levels of 0 to {white}; "
            "leave the range out"
        )


def depths_of(items: Sequence[Item]) -> dict[str, list[Path]]:
    """Return the files of a set by depth, "8", "16" or "float", from their headers."""
    found: dict[str, list[Path]] = {}
    for path in dict.fromkeys(path for item in items for path in (item.clean, item.degraded) if path is not None):
        found.setdefault(depth_of_file(path), []).append(path)
    return found


def noticed_range(found: dict[str, Extremes], say: Callable[[str], None]) -> Span | None:
    """Return the range that the values of a set suggest, and say so; None for the files' own.

    Raises:
        UserError: the levels of the files cannot agree, or their range is unknown.
    """
    _say_mixture({depth: one.files for depth, one in found.items()}, say)
    noticed = _noticed(found, say)
    if noticed is not None and "8" in found:
        deep = found["16" if "16" in found else "float"]
        raise UserError(
            f"{deep.example}: holds levels of 0 to {noticed[1]:g}, beside {found['8'].example} of 8 bits; "
            "convert one of them, or state --range 0,65535 if the 16 bits are dim"
        )
    return noticed


def probable_range(found: dict[str, Extremes]) -> Span:
    """Return the range that the values of a set suggest, also where a run would ask for it."""
    try:
        return noticed_range(found, lambda line: None) or WHOLE
    except UserError:
        floats = found.get("float")
        return span_above(floats.low, floats.high) if floats is not None and floats.are_levels else WHOLE


def _say_mixture(files: dict[str, int], say: Callable[[str], None]) -> None:
    if len(files) > 1:
        counts = ", ".join(f"{count} of {named(depth)}" for depth, count in files.items())
        say(f"data: files of several depths ({counts}): each is scaled from its own black to its own white")


def _noticed(found: dict[str, Extremes], say: Callable[[str], None]) -> Span | None:
    """Return the range that the values themselves suggest, and say so; None for the files' own."""
    whole, floats = found.get("16"), found.get("float")
    if whole is None:
        if floats is not None and floats.are_levels:
            low, white = span_above(floats.low, floats.high)
            raise UserError(
                f"{floats.example}: its floats reach from {floats.low:g} to {floats.high:g}; state which levels are "
                f"black and white, as by --range {low:.10g},{white:.10g}"
            )
        return None
    white = next((2.0**bits - 1 for bits in CAMERA_BITS if whole.high < 2**bits), 65535.0)
    if floats is not None and floats.are_levels:
        white = max(white, float(white_above(floats.high)))
        say(f"data: 16-bit and float files hold levels: 0 is black and {white:g} is white (data.range)")
        return 0.0, white
    if white == 65535.0:
        if whole.step >= 4:
            bits = 16 - (whole.step.bit_length() - 1)
            say(f"data: the 16-bit files hold {bits} bits, multiplied by {whole.step}: 65535 stays white")
        return None
    if floats is not None:
        raise UserError(
            f"{whole.example}: levels up to {whole.high:g} of 65535, beside floats up to {floats.high:g}; "
            f"convert one of them, or state --range 0,65535 if the 16 bits are dim"
        )
    say(
        f"data: levels of the {whole.files} 16-bit files end at {whole.high:g}, as of a camera of "
        f"{len(bin(int(white))) - 2} bits: 0 is black and {white:g} is white (--range 0,65535 keeps all 16 bits)"
    )
    return 0.0, white


def named(depth: str) -> str:
    """Return a depth in words."""
    return "floating point" if depth == "float" else f"{depth} bits"
