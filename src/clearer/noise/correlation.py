"""Correlation of the noise between neighboring pixels and between channels, from the flattest blocks of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import Floats, clipped_share, cut_blocks, unclipped

SIDE = 16
LAGS = 8
"""Largest distance of two pixels that are compared, in pixels."""
MOST_BLOCKS = 20_000
FLAT = 0.04
"""Share of the blocks that are read: the flattest in relation to the noise expected at their brightness."""
FEWEST = 24
COLORED = 0.05
"""Share of the variance that is in color alone, below which the channels have the same noise."""
TINY = 1e-12


@dataclass(frozen=True)
class Correlation:
    """The correlation coefficients of the noise.

    Attributes:
        rows: of pixels of one row at distances 0 (so 1) to 8, (9,).
        columns: of pixels of one column.
        channels: mean over pairs of channels at the same pixel; None of one channel.
        color: of neighbors, once the mean of the channels is subtracted: noise in color alone, which compression
            and demosaicing blur first. None of one channel, and where the channels have the same noise.
        patch: at distances -4 to 4 down and right, (9, 9), for a drawing.
    """

    rows: Floats
    columns: Floats
    channels: float | None
    color: float | None
    patch: Floats


def noise_correlation(images: Sequence[UnitPixels], gain: float, offset: float) -> Correlation | None:
    """Measure the correlation of the noise in the flattest blocks, after removing a plane from each.

    Args:
        images: (H, W, C) in [0, 1] with the same C.
        gain, offset: noise variance against brightness, see `clearer.noise.brightness.fit_line`.

    Returns:
        None if no image has a block of 16x16 pixels with noise.
    """
    blocks = cut_blocks(images, SIDE, MOST_BLOCKS)
    residual, variance = _detrended(blocks)
    expected = np.maximum(gain * blocks.mean((-2, -1)) + offset, TINY).mean(1)
    usable = unclipped(clipped_share(blocks).mean(1)) & (variance.min(1) > TINY)
    if not usable.any():
        return None
    residual, variance, relative = residual[usable], variance[usable], (variance.mean(1) / expected)[usable]
    count = min(len(relative), max(FEWEST, round(FLAT * len(relative))))
    flat = np.argpartition(relative, count - 1)[:count]
    unit = residual[flat] / np.sqrt(variance[flat])[..., None, None]
    pairs = [(unit[:, i] * unit[:, j]).mean() for i in range(unit.shape[1]) for j in range(i)]
    rows = np.array([_at(unit, 0, lag) for lag in range(LAGS + 1)])
    columns = np.array([_at(unit, lag, 0) for lag in range(LAGS + 1)])
    half = [[_at(unit, down, right) for right in range(-4, 5)] for down in range(5)]
    patch = np.array([[half[abs(y)][x + 4 if y >= 0 else 4 - x] for x in range(-4, 5)] for y in range(-4, 5)])
    return Correlation(rows, columns, float(np.mean(pairs)) if pairs else None, _in_color(unit), patch)


def _in_color(unit: Floats) -> float | None:
    color = unit - unit.mean(1, keepdims=True)
    variance = _at(color, 0, 0, float((color**2).mean()))
    if variance < COLORED:
        return None
    return (_at(color, 0, 1, variance) + _at(color, 1, 0, variance)) / 2 / variance


def _detrended(blocks: Floats) -> tuple[Floats, Floats]:
    """Return blocks minus the plane fitted to each, and their variance, unbiased for white noise."""
    flat = blocks.reshape(*blocks.shape[:-2], -1)
    residual = flat - flat @ _planes().T @ _planes()
    return residual.reshape(blocks.shape), (residual**2).sum(-1) / (SIDE * SIDE - 3)


@cache
def _planes() -> Floats:
    """Return an orthonormal basis of planes, (3, 256)."""
    ramp = np.arange(SIDE) - (SIDE - 1) / 2
    planes = np.stack([np.ones((SIDE, SIDE)), np.broadcast_to(ramp, (SIDE, SIDE)), np.tile(ramp[:, None], (1, SIDE))])
    flat: Floats = planes.reshape(3, -1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat


def _at(unit: Floats, down: int, right: int, variance: float = 1.0) -> float:
    """Return the mean product of pixels that are so far apart, free of the bias of removing a plane."""
    first, second = _shifted(unit, down, right)
    a, b = _shifted(_planes().reshape(3, SIDE, SIDE), down, right)
    return float((first * second).mean() + variance * (a * b).sum(0).mean())


def _shifted(blocks: Floats, down: int, right: int) -> tuple[Floats, Floats]:
    height, width = SIDE - down, SIDE - abs(right)
    left = max(right, 0)
    first = blocks[..., :height, max(-right, 0) : max(-right, 0) + width]
    return first, blocks[..., down : down + height, left : left + width]
