"""Computed images on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def image_of(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """Return a smooth image with some noise, uint8 (H, W) or (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 80 * np.sin(x / (5 + c + seed) + y / 9) for c in range(channels)]
    noisy = np.stack(waves, -1) + np.random.default_rng(seed).normal(0, 5, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8).squeeze(-1 if channels == 1 else ())


def folder_of(place: Path, *shapes: tuple[int, int, int], suffix: str = ".png", seed: int = 0) -> Path:
    """Write an image of each shape (H, W, C) into a new folder; return the folder."""
    place.mkdir(parents=True)
    for k, shape in enumerate(shapes):
        Image.fromarray(image_of(*shape, seed=seed + k)).save(place / f"p{k}{suffix}")
    return place
