"""Computed noisy images on disk, whose ground truth is known to the test alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def clean_image(k: int, height: int = 64, width: int = 80) -> np.ndarray:
    """Return smooth waves in gray levels, (H, W) float64."""
    y, x = np.mgrid[:height, :width]
    return 127 + 50 * np.sin(x / (7 + k) + y / 11)


def noisy_image(k: int, sigma: float = 20, exposure: int = 0, height: int = 64, width: int = 80) -> np.ndarray:
    """Return `clean_image` with white noise, uint8 (H, W)."""
    clean = clean_image(k, height, width)
    noise = np.random.default_rng([k, exposure]).normal(0, sigma, clean.shape)
    return np.clip(clean + noise, 0, 255).round().astype(np.uint8)


def noisy_folder(folder: Path, count: int = 6, sigma: float = 20) -> Path:
    """Write noisy images p0.png, p1.png, ... into a new folder; return it."""
    folder.mkdir(parents=True)
    for k in range(count):
        Image.fromarray(noisy_image(k, sigma)).save(folder / f"p{k}.png")
    return folder
