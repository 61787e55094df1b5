"""Correlation of the noise between neighboring pixels and between channels, from the flattest blocks of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import Floats, clipped_share, unclipped
from clearer.noise.gaps import Known, cut_known, planes_of, without_planes

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


def noise_correlation(
    images: Sequence[UnitPixels], gain: float, offset: float, known: Known | None = None
) -> Correlation | None:
    """Measure the correlation of the noise in the flattest blocks, after removing a plane from each.

    Args:
        images: (H, W, C) in [0, 1] with the same C, without empty channels; see `clearer.noise.blocks.filled_channels`.
        gain, offset: noise variance against brightness, see `clearer.noise.brightness.fit_line`.
        known: where the images have a value; see `clearer.noise.gaps.cut_known`.

    Returns:
        None if no image has a block of 16x16 pixels with noise, or no neighbors of which both have a value.
    """
    blocks, masks = cut_known(images, known, SIDE, MOST_BLOCKS)
    if not len(blocks):
        return None
    planes = None if masks is None else planes_of(masks)
    if masks is None or planes is None:
        residual, variance = _detrended(blocks)
    else:
        residual = without_planes(blocks, masks, planes)
        variance = (residual**2).sum((-2, -1)) / (masks.sum((1, 2)) - 3)[:, None]
    expected = np.maximum(gain * blocks.mean((-2, -1)) + offset, TINY).mean(1)
    usable = unclipped(clipped_share(blocks).mean(1)) & (variance.min(1) > TINY)
    if not usable.any():
        return None
    relative = np.where(usable, variance.mean(1) / expected, np.inf)
    number = int(usable.sum())
    count = min(number, max(FEWEST, round(FLAT * number)))
    flat = np.argpartition(relative, count - 1)[:count]
    unit = residual[flat] / np.sqrt(variance[flat])[..., None, None]
    gaps = None if masks is None or planes is None else _Gaps.of(masks[flat], planes[flat])
    if gaps is not None and not (gaps.pairs[LAGS, LAGS + 1] and gaps.pairs[LAGS + 1, LAGS]):
        return None
    share = 1.0 if gaps is None else float(gaps.share)
    pairs = [(unit[:, i] * unit[:, j]).mean() / share for i in range(unit.shape[1]) for j in range(i)]
    found = _lags(unit, 1.0, gaps)
    colors = _in_color(unit, gaps)
    near = slice(LAGS - PATCH, LAGS + PATCH + 1)
    return Correlation(
        rows=found[LAGS, LAGS:],
        columns=found[LAGS:, LAGS],
        channels=float(np.mean(pairs)) if pairs else None,
        color=None if colors is None else float(colors[1]),
        patch=found[near, near],
        colors=colors,
    )


@dataclass(frozen=True)
class _Gaps:
    """What gaps do to sums over the pixels of blocks.

    Attributes:
        share: of the pixels, those that have a value.
        pairs: number of pairs of pixels at distances -8 to 8 that both have one, the mean over blocks, (17, 17).
        bias: what removing planes takes from the sum of their products, for white noise of variance 1, (17, 17).
    """

    share: float
    pairs: Floats
    bias: Floats

    @classmethod
    def of(cls, masks: Floats, planes: Floats) -> _Gaps:
        pairs = _products(masks)
        pairs = np.where(pairs * len(masks) < 0.5, 0, pairs)  # rounding of the transform
        return cls(float(masks.mean()), pairs, 3 * _products(planes.reshape(-1, SIDE, SIDE)))


def _in_color(unit: Floats, gaps: _Gaps | None) -> Floats | None:
    color = unit - unit.mean(1, keepdims=True)
    share = float((color**2).mean()) / (1.0 if gaps is None else gaps.share)
    if share < COLORED:
        return None
    found = _lags(color, share, gaps)
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


def _lags(blocks: Floats, variance: float, gaps: _Gaps | None) -> Floats:
    """Return the mean product of two pixels at distances -8 to 8 down and right, (17, 17), of (..., 16, 16).

    It is free of the bias of removing a plane, which is that of white noise of this variance. With gaps, it is that of
    pairs that both have a value, and 0 where there are none.
    """
    if gaps is not None:
        sums = _products(blocks.reshape(-1, SIDE, SIDE)) + variance * gaps.bias
        found: Floats = np.where(gaps.pairs > 0, sums / np.maximum(gaps.pairs, TINY), 0)
        return found
    return _mean_products(blocks.reshape(-1, SIDE, SIDE)) + variance * _bias()


@cache
def _bias() -> Floats:
    return 3 * _mean_products(_planes().reshape(3, SIDE, SIDE))


def _mean_products(blocks: Floats) -> Floats:
    """Return the mean product of two pixels at these distances, of (N, 16, 16)."""
    overlap = SIDE - np.abs(np.arange(-LAGS, LAGS + 1))
    found: Floats = _products(blocks) / np.outer(overlap, overlap)
    return found


def _products(blocks: Floats) -> Floats:
    """Return the sum of the products in a block, the mean of (N, 16, 16), by their spectrum in a frame of zeros."""
    size = 2 * SIDE
    power = (np.abs(np.fft.rfft2(blocks, (size, size))) ** 2).mean(0)
    sums = np.fft.fftshift(np.fft.irfft2(power, (size, size)))[SIDE - LAGS :, SIDE - LAGS :]
    found: Floats = sums[: 2 * LAGS + 1, : 2 * LAGS + 1]
    return found
