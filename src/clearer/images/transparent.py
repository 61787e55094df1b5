"""Colors under transparent pixels: what a network sees there, and what a file keeps there.

Most editors leave black or white under alpha 0. A network would smear it into the opaque pixels beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clearer.images.types import ImagePage, UnitPixels

_FAR = np.int32(1 << 30)  # more than any side of an image
_SMALL = np.float32(1e-6)  # instead of an alpha of 0, by which no color can be divided


def is_multiplied(page: ImagePage) -> bool:
    """Return whether the colors of a page are multiplied by its alpha, as some TIFF files have them."""
    return page.alpha is not None and page.own.get("extrasample") == 1


def continued(x: UnitPixels, alpha: UnitPixels, multiplied: bool) -> UnitPixels:
    """Return the colors that are seen, not multiplied by alpha, with the image continued where nothing is seen.

    Args:
        x: (H, W, C).
        alpha: (H, W, 1).
        multiplied: whether the colors are multiplied by alpha.
    """
    straight = (x / np.maximum(alpha, _SMALL)).clip(0, 1) if multiplied else x
    return extended(straight, alpha[:, :, 0] > 0)


def extended(color: UnitPixels, seen: npt.NDArray[np.bool_]) -> UnitPixels:
    """Return the colors with the image continued where it is not seen.

    A pixel that is not seen gets the color of its mirror image behind the nearest edge in its row or its column,
    so texture and noise continue too. What lies in neither is filled from what was filled first.

    Args:
        color: (H, W, C).
        seen: (H, W); without any pixel seen, the colors are returned as they are.
    """
    if seen.all() or not seen.any():
        return color
    filled, known = color.copy(), seen
    for _ in range(2):  # the first pass fills whole rows, from which the second one reaches every column
        along, across = _mirrored(known), _mirrored(known.T)
        rows, columns = np.nonzero(~known & ((along.distance < _FAR) | (across.distance.T < _FAR)))
        by_row = along.distance[rows, columns] <= across.distance[columns, rows]
        from_rows = np.where(by_row, rows, across.source[columns, rows])
        from_columns = np.where(by_row, along.source[rows, columns], columns)
        filled[rows, columns] = filled[from_rows, from_columns]
        known = known.copy()
        known[rows, columns] = True
    return filled


class _Mirror(NamedTuple):
    """For each pixel the column of its mirror image in its row, and the distance to the edge between them."""

    source: npt.NDArray[np.int32]
    distance: npt.NDArray[np.int32]


def _mirrored(known: npt.NDArray[np.bool_]) -> _Mirror:
    """Find mirror images by row, for the pixels that are not known; the distance is `_FAR` in a row without any."""
    height, width = known.shape
    # Runs of equal pixels in all rows, one after another; a run ends with its row.
    changes = np.ones((height, width), bool)
    changes[:, 1:] = known[:, 1:] != known[:, :-1]
    starts = np.flatnonzero(changes)
    lengths = np.diff(np.append(starts, height * width)).astype(np.int32)
    row = (starts // width).astype(np.int32)
    gaps = np.flatnonzero(~known.ravel()[starts])
    left = np.where((gaps > 0) & (row[gaps - 1] == row[gaps]), lengths[gaps - 1], 0)
    after = np.minimum(gaps + 1, len(starts) - 1)
    right = np.where((gaps < after) & (row[after] == row[gaps]), lengths[after], 0)
    size = lengths[gaps]
    begin = (starts[gaps] % width).astype(np.int32)
    # One value for each pixel of the gaps, in the order of the image.
    of = np.repeat(np.arange(len(gaps), dtype=np.int32), size)
    step = np.arange(len(of), dtype=np.int32) - np.repeat((np.cumsum(size) - size).astype(np.int32), size)
    size, left, right, begin = size[of], left[of].astype(np.int32), right[of].astype(np.int32), begin[of]
    on_left = (left > 0) & ((right == 0) | (2 * step < size))
    distance = np.where(on_left, step, size - 1 - step)
    run = np.where(on_left, left, right)
    period = np.maximum(2 * run, 1)
    back = distance % period  # back and forth within the run, if the gap is wider than the run
    back = np.minimum(back, period - 1 - back)
    source = np.where(on_left, begin - 1 - back, begin + size + back)
    found = _Mirror(np.zeros(known.shape, np.int32), np.zeros(known.shape, np.int32))
    found.source[~known] = source.clip(0, width - 1)
    found.distance[~known] = np.where(run > 0, distance, _FAR)
    return found
