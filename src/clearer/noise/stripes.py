"""Row and column noise: offsets that all pixels of a row, or of a column, share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearer.images.types import HiddenPixels, UnitPixels
from clearer.noise.gaps import Known

FEWEST = 16
"""Rows and columns that an image needs."""
FEWEST_IN_ROW = 8
"""Pixels with a value that half a row needs, and those above and below with them."""


def stripe_levels(images: Sequence[UnitPixels], known: Known | None = None) -> tuple[float, float]:
    """Return the standard deviation of the offsets of rows and of columns, white being 1; medians over images.

    Args:
        images: (H, W, C) in [0, 1].
        known: where (H, W) each has a value; None for everywhere.
    """
    found = [
        (_row_level(image, seen), _row_level(image.swapaxes(0, 1), None if seen is None else seen.T))
        for image, seen in zip(images, known or [None] * len(images), strict=True)
        if min(image.shape[:2]) > FEWEST
    ]
    if not found:
        return 0.0, 0.0
    rows, columns = np.median(np.array(found), axis=0)
    return float(rows), float(columns)


def _row_level(image: UnitPixels, known: HiddenPixels | None) -> float:
    """Return the level of rows of an image (H, W, C): the RMS over its channels."""
    return float(np.sqrt(np.mean([_row_variance(image[:, :, c], known) for c in range(image.shape[2])])))


def _row_variance(plane: UnitPixels, known: HiddenPixels | None) -> float:
    """Return the variance of row offsets of (H, W); 0 where too few rows have values in both halves.

    Offsets that differ from row to row appear in the second differences of rows. Their median over half a row does
    not see edges. A stripe is in both halves alike, all other noise is not: hence their covariance.
    """
    bend = np.diff(plane.astype(np.float64), n=2, axis=0)
    middle = bend.shape[1] // 2
    left, right = np.median(bend[:, :middle], axis=1), np.median(bend[:, middle:], axis=1)
    if known is not None:
        bend[~(known[2:] & known[1:-1] & known[:-2])] = np.nan
        halves = [bend[:, :middle], bend[:, middle:]]
        full = np.logical_and.reduce([np.isfinite(half).sum(1) >= FEWEST_IN_ROW for half in halves])
        if full.sum() < FEWEST:
            return 0.0
        left, right = (np.nanmedian(half[full], axis=1) for half in halves)
    both = left + right
    kept = np.abs(both) <= np.quantile(np.abs(both), 0.9)  # beyond is image content, such as a horizon
    covariance = (np.mean(both[kept] ** 2) / TRIMMED - np.mean((left - right)[kept] ** 2)) / 4
    return max(float(covariance), 0.0) / BEND


TRIMMED = 0.6230
"""Variance of a normal distribution without its outer tenth."""
BEND = 6
"""Variance of a second difference of independent offsets: 1 + 4 + 1."""
