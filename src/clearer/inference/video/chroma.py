"""Chroma planes: to the resolution of luma and back, by the place of their samples.

Both directions are linear in one axis at a time. A chroma sample k lies at luma position ``factor * k + first``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Axis(NamedTuple):
    """How chroma is sampled along one axis: one sample for ``factor`` of luma, the first at luma position ``first``."""

    factor: int
    first: float


def enlarged(chroma: Any, axis: int, how: Axis, length: int) -> Any:
    """Return ``chroma`` (H, W) with ``length`` samples along ``axis``, interpolated linearly; edges are repeated."""
    if how.factor == 1:
        return chroma
    at = ((np.arange(length) - how.first) / how.factor).clip(0, chroma.shape[axis] - 1)
    before = np.floor(at).astype(np.intp)
    after = np.minimum(before + 1, chroma.shape[axis] - 1)
    share = (at - before).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None]
    low = chroma.take(before, axis)
    return low + share * (chroma.take(after, axis) - low)


def reduced(values: Any, axis: int, how: Axis, length: int) -> Any:
    """Return ``values`` (H, W) with ``length`` samples along ``axis``: means weighted by a triangle; edges repeated."""
    if how.factor == 1:
        return values
    centers = how.factor * np.arange(length) + how.first
    start = int(np.ceil(how.first - how.factor)) + (how.first % 1 == 0)  # the first tap of sample 0 with a weight
    taps = np.arange(start, int(np.floor(how.first + how.factor)) + 1)
    weights = 1 - np.abs(taps - how.first) / how.factor
    taps, weights = taps[weights > 0], (weights[weights > 0] / weights[weights > 0].sum()).astype(np.float32)
    bases = (centers - how.first).astype(np.intp)
    total = 0
    for tap, weight in zip(taps, weights, strict=True):
        total = total + weight * values.take((bases + tap).clip(0, values.shape[axis] - 1), axis)
    return total


def enlarge(chroma: Any, across: Axis, down: tuple[Axis, ...], shape: tuple[int, int]) -> Any:
    """Return ``chroma`` with the ``shape`` (H, W) of luma.

    Args:
        across: the sampling of columns.
        down: the sampling of rows: one for a progressive frame; two for the upper and the lower field, each in rows of
            its own field.
    """
    return _by_fields(enlarged, chroma, across, down, shape)


def reduce(values: Any, across: Axis, down: tuple[Axis, ...], shape: tuple[int, int]) -> Any:
    """Return ``values``, of luma's shape, with the ``shape`` (H, W) of chroma; see `enlarge`."""
    return _by_fields(reduced, values, across, down, shape)


def _by_fields(resample: Any, plane: Any, across: Axis, down: tuple[Axis, ...], shape: tuple[int, int]) -> Any:
    out = np.empty(shape, np.float32)
    step = len(down)
    for field, how in enumerate(down):
        rows = resample(plane[field::step], 0, how, len(range(field, shape[0], step)))
        out[field::step] = resample(rows, 1, across, shape[1])
    return out
