"""Computed fluorescence images: blurred spots and filaments on a background, and exposures of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter


def structure(side: int, seed: int) -> np.ndarray:
    """Return the ground truth of a field of view, float64 (side, side) in [0, 1]."""
    chance = np.random.default_rng(seed)
    spots = np.zeros((side, side))
    spots[tuple(chance.integers(0, side, (2, side * side // 60)))] = chance.random(side * side // 60)
    for _ in range(side // 8):  # filaments
        start, angle = chance.random(2) * side, chance.random() * np.pi
        along = np.arange(side)
        y, x = (
            (start[0] + along * np.sin(angle)).astype(int) % side,
            (start[1] + along * np.cos(angle)).astype(int) % side,
        )
        spots[y, x] += 0.7
    image = gaussian_filter(spots, 1.2, mode="wrap") + 0.02
    return np.asarray(image / image.max())


def exposure(truth: np.ndarray, photons: float, read: float, seed: int) -> np.ndarray:
    """Return one exposure of a field, not below 0: shot noise of ``photons`` at 1, and read noise of ``read``."""
    chance = np.random.default_rng(seed)
    noisy = chance.poisson(truth * photons) / photons + chance.normal(0, read, truth.shape)
    return np.asarray(noisy.clip(0, None))


def write_pairs(
    place: Path, fields: int, side: int, white: float, *, offset: float = 0.0, dtype: type = np.uint16
) -> Path:
    """Write ``truth`` and ``noisy`` TIFF files, FIELD_CHANNEL of 2 channels; levels from ``offset`` to ``white``."""
    for folder in ("truth", "noisy"):
        (place / folder).mkdir(parents=True)
    for k in range(2 * fields):
        truth = structure(side, k)
        noisy = exposure(truth, 40, 0.03, 1000 + k)
        for folder, image in (("truth", truth), ("noisy", noisy)):
            levels = offset + image * (white - offset)
            stored = levels if np.issubdtype(dtype, np.floating) else np.rint(levels).clip(0, np.iinfo(dtype).max)
            tifffile.imwrite(place / folder / f"{k // 2:02}_{k % 2}.tif", stored.astype(dtype))
    return place
