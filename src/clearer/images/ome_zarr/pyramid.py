"""Make the smaller levels of a pyramid anew from the largest, in the way that those of the source were made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clearer.images.ome_zarr.store import BLOCK_BYTES, blocks, read_block, steps_within, unit_of, write_block
from clearer.images.pixels import in_range
from clearer.images.types import AnyPixels

Factors = tuple[int, ...]
Reduce = Callable[[AnyPixels, Factors, tuple[int, ...]], AnyPixels]
"""Maps an array, the factors and the shape of the result to the smaller array, in the same type."""

_SAMPLE = 256


@dataclass(frozen=True)
class Smaller:
    """How a level is made of the one before: the factor of each axis, the way, and whether it is the source's own."""

    factors: Factors
    way: str
    is_exact: bool


def factors_of(larger: Sequence[int], smaller: Sequence[int]) -> Factors | None:
    """Return the factors between the shapes of two levels; None if no whole numbers give one from the other.

    >>> factors_of((3, 101, 64), (3, 50, 32)), factors_of((3, 101, 64), (3, 51, 32)), factors_of((9, 9), (9, 4))
    ((1, 2, 2), (1, 2, 2), (1, 2))
    >>> factors_of((100, 100), (40, 40)) is None
    True
    """
    found = []
    for long, short in zip(larger, smaller, strict=True):
        factor = max(1, round(long / short))
        if not long // factor <= short <= -(-long // factor):
            return None
        found.append(factor)
    return tuple(found)


def way_of(larger: Any, smaller: Any) -> Smaller | None:
    """Return how the source's smaller level was made, from a sample at the center of the first plane.

    Of several ways, it is the one whose result is nearest. None if no whole factors lead from one to the other.
    """
    factors = factors_of(larger.shape, smaller.shape)
    if factors is None:
        return None
    high, wide = (min(side, _SAMPLE) for side in smaller.shape[-2:])
    top, left = ((side - part) // 2 for side, part in zip(smaller.shape[-2:], (high, wide), strict=True))
    place = (*(slice(0, 1) for _ in factors[:-2]), slice(top, top + high), slice(left, left + wide))
    there = read_block(smaller, place)
    before = read_block(larger, _larger(place, factors, larger.shape))
    off = {name: _distance(way(before, factors, there.shape), there) for name, way in WAYS.items()}
    best = min(off, key=lambda name: off[name])
    return Smaller(factors, best, off[best] == 0 or (there.dtype.kind == "f" and off[best] < 1e-6 * _size(there)))


def make_smaller(larger: Any, smaller: Any, how: Smaller, keep: Callable[[tuple[slice, ...]], Any] | None) -> None:
    """Fill a level from the one before, block by block.

    Args:
        larger, smaller: the arrays; the latter is open for writing.
        how: see `way_of`.
        keep: given the place of a block, returns a mask of where it stays, and the values there; None: nowhere.
    """
    unit = unit_of(smaller)
    room = BLOCK_BYTES // (smaller.dtype.itemsize * math.prod(how.factors))
    for place in blocks(smaller.shape, steps_within(smaller.shape, unit, room)):
        before = read_block(larger, _larger(place, how.factors, larger.shape))
        shape = tuple(part.stop - part.start for part in place)
        made = WAYS[how.way](before, how.factors, shape)
        if keep is not None:
            mask, values = keep(place)
            made = np.where(mask, values, made)
        write_block(smaller, place, made)


def _larger(place: tuple[slice, ...], factors: Factors, shape: Sequence[int]) -> tuple[slice, ...]:
    """Return what of the larger level a part of the smaller one is made of."""
    return tuple(
        slice(part.start * factor, min(part.stop * factor, length))
        for part, factor, length in zip(place, factors, shape, strict=True)
    )


def _distance(made: AnyPixels, there: AnyPixels) -> float:
    return float(np.abs(made.astype(np.float64) - there).mean())


def _size(values: AnyPixels) -> float:
    return float(np.abs(values.astype(np.float64)).mean())


def _means(values: AnyPixels, factors: Factors, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the means of blocks; those at the end may be smaller."""
    found = values.astype(np.float64)
    for axis, (factor, side) in enumerate(zip(factors, shape, strict=True)):
        if factor > 1:
            edges = np.arange(side) * factor
            found = found[tuple(slice(side * factor) if k == axis else slice(None) for k in range(found.ndim))]
            sizes = np.diff(edges, append=found.shape[axis]).reshape(
                [-1 if k == axis else 1 for k in range(found.ndim)]
            )
            found = np.add.reduceat(found, edges, axis=axis) / sizes
    return found


def _mean(values: AnyPixels, factors: Factors, shape: tuple[int, ...]) -> AnyPixels:
    return in_range(_means(values, factors, shape), values.dtype)


def _mean_cut(values: AnyPixels, factors: Factors, shape: tuple[int, ...]) -> AnyPixels:
    """Return means with the fraction cut off, as a conversion to integers does."""
    found = _means(values, factors, shape)
    return in_range(np.floor(found) if values.dtype.kind in "iu" else found, values.dtype)


def _picked(values: AnyPixels, factors: Factors, shape: tuple[int, ...], inside: float) -> AnyPixels:
    for axis, (factor, side) in enumerate(zip(factors, shape, strict=True)):
        at = np.minimum(np.arange(side) * factor + int(inside * factor), values.shape[axis] - 1)
        values = values.take(at, axis=axis)
    return values


def _corner(values: AnyPixels, factors: Factors, shape: tuple[int, ...]) -> AnyPixels:
    return _picked(values, factors, shape, 0.0)


def _center(values: AnyPixels, factors: Factors, shape: tuple[int, ...]) -> AnyPixels:
    return _picked(values, factors, shape, 0.5)


WAYS: dict[str, Reduce] = {
    "means of blocks": _mean,
    "means of blocks, rounded down": _mean_cut,
    "first pixels of blocks": _corner,
    "central pixels of blocks": _center,
}
