"""Correlation of the noise between neighboring pixels and between channels, from the flattest blocks of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import Floats, clipped_share, cut_blocks, unclipped

SIDE = 16
LAGS, PATCH = 8, 4
"""Largest distance of two pixels that are compared, along lines and in the drawing, in pixels."""
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
        colors: of the noise in color alone at distances 0 to 8, the mean of rows and columns; None as ``color``.
    """

    rows: Floats
    columns: Floats
    channels: float | None
    color: float | None
    patch: Floats
    colors: Floats | None = None


def noise_correlation(images: Sequence[UnitPixels], gain: float, offset: float) -> Correlation | None:
    """Measure the correlation of the noise in the flattest blocks, after removing a plane from each.

    Args:
        images: (H, W, C) in [0, 1] with the same C, without empty channels; see `clearer.noise.blocks.filled_channels`.
        gain, offset: noise variance against brightness, see `clearer.noise.brightness.fit_line`.

    Returns:
        None if no image has a block of 16x16 pixels with noise.
    """
    blocks = cut_blocks(images, SIDE, MOST_BLOCKS)
    if not len(blocks):
        return None
    residual, variance = _detrended(blocks)
    expected = np.maximum(gain * blocks.mean((-2, -1)) + offset, TINY).mean(1)
    usable = unclipped(clipped_share(blocks).mean(1)) & (variance.min(1) > TINY)
    if not usable.any():
        return None
    relative = np.where(usable, variance.mean(1) / expected, np.inf)
    number = int(usable.sum())
    count = min(number, max(FEWEST, round(FLAT * number)))
    flat = np.argpartition(relative, count - 1)[:count]
    unit = residual[flat] / np.sqrt(variance[flat])[..., None, None]
    pairs = [(unit[:, i] * unit[:, j]).mean() for i in range(unit.shape[1]) for j in range(i)]
    found = _lags(unit, 1.0)
    colors = _in_color(unit)
    near = slice(LAGS - PATCH, LAGS + PATCH + 1)
    return Correlation(
        rows=found[LAGS, LAGS:],
        columns=found[LAGS:, LAGS],
        channels=float(np.mean(pairs)) if pairs else None,
        color=None if colors is None else float(colors[1]),
        patch=found[near, near],
        colors=colors,
    )


def _in_color(unit: Floats) -> Floats | None:
    color = unit - unit.mean(1, keepdims=True)
    share = float((color**2).mean())
    if share < COLORED:
        return None
    found = _lags(color, share)
    along: Floats = (found[LAGS, LAGS:] + found[LAGS:, LAGS]) / 2 / found[LAGS, LAGS]
    return along


def _detrended(blocks: Floats) -> tuple[Floats, Floats]:
    """Return blocks minus the plane fitted to each, and their variance, unbiased for white noise."""
    flat = blocks.reshape(*blocks.shape[:-2], SIDE * SIDE)
    residual = flat - flat @ _planes().T @ _planes()
    return residual.reshape(blocks.shape), (residual**2).sum(-1) / (SIDE * SIDE - 3)


@cache
def _planes() -> Floats:
    """Return an orthonormal basis of planes, (3, 256)."""
    ramp = np.arange(SIDE) - (SIDE - 1) / 2
    planes = np.stack([np.ones((SIDE, SIDE)), np.broadcast_to(ramp, (SIDE, SIDE)), np.tile(ramp[:, None], (1, SIDE))])
    flat = planes.reshape(3, -1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat.astype(np.float32)


def _lags(blocks: Floats, variance: float) -> Floats:
    """Return the mean product of two pixels at distances -8 to 8 down and right, (17, 17), of (..., 16, 16).

    It is free of the bias of removing a plane, which is that of white noise of this variance.
    """
    return _mean_products(blocks.reshape(-1, SIDE, SIDE)) + variance * _bias()


@cache
def _bias() -> Floats:
    return 3 * _mean_products(_planes().reshape(3, SIDE, SIDE))


def _mean_products(blocks: Floats) -> Floats:
    """Return the same of (N, 16, 16), by the power spectrum of the blocks in a frame of zeros."""
    size = 2 * SIDE
    power = (np.abs(np.fft.rfft2(blocks, (size, size))) ** 2).mean(0)
    sums = np.fft.fftshift(np.fft.irfft2(power, (size, size)))[SIDE - LAGS :, SIDE - LAGS :]
    overlap = SIDE - np.abs(np.arange(-LAGS, LAGS + 1))
    found: Floats = sums[: 2 * LAGS + 1, : 2 * LAGS + 1] / np.outer(overlap, overlap)
    return found
