"""Restore an image in tiles, with the result of restoring it as a whole.

A tile is the part of the result that one pass of the network computes. The network sees the tile and an overlap
on every side, extended to where its grids of halved resolutions lie as in the whole image. At the edge of the
image, it pads as it pads the whole. If the overlap is the radius of the receptive field, the result equals that
of the whole image except for rounding.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.evaluation.self_ensemble import ORIENTATIONS, turned, turned_back
from clearer.inference.memory import is_out_of_memory
from clearer.network.architecture import Architecture
from clearer.network.receptive_field import receptive_field

Tiling = int | Literal["auto", "none"]
Overlap = int | Literal["auto", "full"]

DEFAULT_OVERLAP = 56
"""Pixels, chosen by the differences from whole images in docs/restoring.md. A fifth scale doubles it."""
SMALLEST = 32
"""Side in pixels of the tiles that are not halved further when memory runs out."""

log = logging.getLogger("clearer")


class Tile(NamedTuple):
    """A part of an image: rows ``top`` to ``bottom``, columns ``left`` to ``right``; the ends are exclusive."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


Read = Callable[[Tile], Tensor]
"""Maps a part of the image to its pixels, (B, C, tile height, tile width)."""
Forward = Callable[[Tensor], Tensor]
"""The network: maps (B, C, H, W) to the same shape, and pads bottom and right to its multiple."""


def as_tiling(value: int | str) -> Tiling:
    """Return the meaning of ``--tile``: ``"auto"``, ``"none"``, or the side of tiles in pixels.

    Raises:
        UserError: it is none of these.
    """
    return _word_or_number("tile", value, ("auto", "none"), least=1)  # type: ignore[return-value]


def parse_overlap(value: int | str) -> Overlap:
    """Return the meaning of ``--overlap``: ``"auto"``, ``"full"``, or a number of pixels.

    Raises:
        UserError: it is none of these.
    """
    return _word_or_number("overlap", value, ("auto", "full"), least=0)  # type: ignore[return-value]


def as_overlap(value: int | str, architecture: Architecture) -> int:
    """Return an overlap in pixels for a network, from ``"auto"``, ``"full"`` or a number.

    It is at most the radius of the receptive field; more would not change the result. What a U-net restores depends on
    pixels farther away than what parallel streams do: all that its coarsest scale sees goes through all its modules.

    Raises:
        UserError: it is none of these.
    """
    found, full = parse_overlap(value), receptive_field(architecture)
    if found == "full":
        return full
    grids = 14 if architecture.space.topology == "unet" else 7
    return min(max(DEFAULT_OVERLAP, grids * architecture.multiple) if found == "auto" else int(found), full)


def _word_or_number(name: str, value: int | str, words: tuple[str, str], least: int) -> int | str:
    if value in words:
        return value
    number = int(value) if isinstance(value, int) or str(value).isdecimal() else -1
    if isinstance(value, bool) or number < least:
        raise UserError(f"{name}: {value!r} is not {words[0]}, {words[1]} or a number of pixels from {least} up")
    return number


def window(start: int, stop: int, length: int, overlap: int, multiple: int, backwards: bool = False) -> tuple[int, int]:
    """Return the first and the end position along one axis that the network has to see for ``start`` to ``stop``.

    The window begins at a multiple, and ends at one or with the image. ``backwards`` means that the axis
    is reversed for the network (by a flip or rotation), so that multiples count from its end.

    >>> window(100, 200, 1000, 20, 8)
    (80, 224)
    >>> window(900, 1001, 1001, 20, 8)
    (880, 1001)
    >>> window(100, 200, 1001, 20, 8, backwards=True)
    (73, 225)
    """
    if backwards:
        first, end = window(length - stop, length - start, length, overlap, multiple)
        return length - end, length - first
    first = max(0, start - overlap) // multiple * multiple
    end = -(-(stop + overlap) // multiple) * multiple
    return first, min(end, length)


def seen_by(
    tile: Tile, size: tuple[int, int], overlap: int, multiple: int, backwards: tuple[bool, bool] = (False, False)
) -> Tile:
    """Return the part of an image that the network sees for a tile; see `window`.

    ``size`` is the image's height and width; ``backwards`` says which of both the network sees reversed.
    """
    rows = window(tile.top, tile.bottom, size[0], overlap, multiple, backwards[0])
    return Tile(*rows, *window(tile.left, tile.right, size[1], overlap, multiple, backwards[1]))


def cut(height: int, width: int, rows: int, columns: int) -> list[Tile]:
    """Cut an image into tiles of at most ``rows`` x ``columns`` pixels, row by row; the last ones may be smaller."""
    return [
        Tile(top, min(top + rows, height), left, min(left + columns, width))
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]


def shape_within(height: int, width: int, pixels: int, overlap: int, multiple: int) -> tuple[int, int]:
    """Return the height and width of tiles for which the network sees at most ``pixels`` at once.

    Of all divisions into nearly equal parts, it is the one for which the network sees the fewest pixels in total.
    If none fits, it is the smallest tile. Sides are multiples of ``multiple``, unless one tile spans the image.
    """
    best: tuple[int, int, int] | None = None
    for across in range(1, -(-width // SMALLEST) + 1):
        columns = _part(width, across, multiple)
        wide = min(columns + 2 * (overlap + multiple), width)
        most = pixels // wide  # rows that the network may see
        if most >= height:
            rows = height
        else:
            rows = (most - 2 * (overlap + multiple)) // multiple * multiple
            if rows < min(SMALLEST, height):
                continue
            rows = _part(height, -(-height // rows), multiple)  # about equal, so that the last is not much smaller
        down = -(-height // rows)
        seen = (height + (down - 1) * 2 * overlap) * (width + (-(-width // columns) - 1) * 2 * overlap)
        if best is None or seen < best[0]:
            best = (seen, rows, columns)
    return (min(SMALLEST, height), min(SMALLEST, width)) if best is None else best[1:]


def _part(length: int, parts: int, multiple: int) -> int:
    return length if parts == 1 else -(-length // (parts * multiple)) * multiple


def restore_tile(
    forward: Forward, read: Read, tile: Tile, size: tuple[int, int], overlap: int, multiple: int, ensemble: bool = False
) -> Tensor:
    """Restore one tile of an image: (B, C, tile height, tile width), not clamped.

    Args:
        forward: the network.
        read: reads a part of the image.
        tile: the part to restore.
        size: height and width of the image.
        overlap: pixels that the network sees on each side, at least.
        multiple: the network's sides are multiples of this.
        ensemble: average over the eight orientations. For each, the tile is cut as from the whole image in
            that orientation, which is padded at its bottom and right.
    """
    total: Tensor | None = None
    for orientation in ORIENTATIONS if ensemble else ORIENTATIONS[:1]:
        backwards = orientation.rows_backwards, orientation.columns_backwards
        seen = seen_by(tile, size, overlap, multiple, backwards)
        y = turned_back(forward(turned(read(seen), orientation)), orientation)
        y = y[..., tile.top - seen.top : tile.bottom - seen.top, tile.left - seen.left : tile.right - seen.left]
        total = y if total is None else total + y
    assert total is not None
    return total / len(ORIENTATIONS) if ensemble else total


def restore_tiles(
    forward: Forward,
    read: Read,
    tiles: Iterable[Tile],
    size: tuple[int, int],
    overlap: int,
    multiple: int,
    ensemble: bool = False,
    may_shrink: bool = True,
    largest: int | None = None,
) -> Iterator[tuple[Tile, Tensor]]:
    """Yield the restored tiles in order; see `restore_tile` for the arguments.

    If memory runs out and ``may_shrink`` is set, the tile is halved, and so are all later tiles of its size.
    A warning is logged (logger ``clearer``). Tiles of more than ``largest`` pixels are halved at once.

    Raises:
        RuntimeError: memory runs out for the smallest tile, or without ``may_shrink``.
    """
    waiting = deque(tiles)
    while waiting:
        tile = waiting.popleft()
        y: Tensor | None = None
        if largest is None or tile.pixels <= largest:
            try:
                y = restore_tile(forward, read, tile, size, overlap, multiple, ensemble)
            except RuntimeError as error:
                if not (may_shrink and is_out_of_memory(error) and max(tile.height, tile.width) > SMALLEST):
                    raise
        if y is not None:
            yield tile, y
            continue
        halves = _halves(tile)
        if largest is None or tile.pixels <= largest:  # the network ran out of memory on it
            largest = halves[0].pixels
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            now = f"{halves[0].width}x{halves[0].height}"
            log.warning("memory ran out on tiles of %dx%d pixels; continuing with %s", tile.width, tile.height, now)
        waiting.extendleft(reversed(halves))


def _halves(tile: Tile) -> tuple[Tile, Tile]:
    """Return the two halves of a tile, cut across its longer side; the first is at least as large."""
    top, bottom, left, right = tile
    if tile.height >= tile.width:
        middle = top + -(-tile.height // 2)
        return Tile(top, middle, left, right), Tile(middle, bottom, left, right)
    middle = left + -(-tile.width // 2)
    return Tile(top, bottom, left, middle), Tile(top, bottom, middle, right)
