"""Smaller versions of an image, made anew from the restored one in the way that the old ones were made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clearer.images.pixels import in_range
from clearer.images.types import AnyPixels

Floats = npt.NDArray[np.float64]
Reduce = Callable[[Floats, int, int], Floats]


def smaller_of(old_small: AnyPixels, old: AnyPixels, new: AnyPixels) -> AnyPixels:
    """Return a smaller version of ``new``, (h, w, C), in its data type.

    Of several ways to reduce an image the one is taken that makes ``old_small`` of ``old`` most exactly. What still
    differs is added, so that an image that does not change keeps its smaller version bit for bit.
    """
    height, width = old_small.shape[:2]
    before, was = old_small.astype(np.float64), old.astype(np.float64)
    made = [(way, way(was, height, width)) for way in (_mean, _corner, _center)]
    way, reduced = min(made, key=lambda pair: float(np.abs(pair[1] - before).mean()))
    after = way(new.astype(np.float64), height, width)
    if new.dtype != old.dtype:  # of another depth, by request
        return in_range(after, new.dtype)
    return in_range(before + (after - reduced), old_small.dtype)


def _mean(pixels: Floats, height: int, width: int) -> Floats:
    """Return means of blocks."""
    for axis, side in enumerate((height, width)):
        edges = np.arange(side) * pixels.shape[axis] // side
        sizes = np.diff(edges, append=pixels.shape[axis]).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        pixels = np.add.reduceat(pixels, edges, axis=axis) / sizes
    return pixels


def _corner(pixels: Floats, height: int, width: int) -> Floats:
    """Return the first pixel of each block, as slices with a step do."""
    return _picked(pixels, height, width, 0.0)


def _center(pixels: Floats, height: int, width: int) -> Floats:
    """Return the pixel at the center of each block."""
    return _picked(pixels, height, width, 0.5)


def _picked(pixels: Floats, height: int, width: int, inside: float) -> Floats:
    down, across = (
        np.minimum(((np.arange(side) + inside) * round(whole / side)).astype(int), whole - 1)
        for side, whole in zip((height, width), pixels.shape[:2], strict=True)
    )
    return np.asarray(pixels[down[:, None], across[None, :]])
