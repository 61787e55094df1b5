"""Sharpness: whether an image is blurred or enlarged, from how its spectrum falls off at edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import BLOCK, dct_basis, frequencies
from clearer.noise.gaps import Known, cut_known

MOST_BLOCKS = 8_000
EDGES = 0.1
"""Share of the blocks that are read: those with the strongest edges."""
BLURRED = 0.035
"""Sharpness below which an image is blurred or enlarged."""
UNSURE = 0.1
"""Relative error of the noise variance that is subtracted."""


def sharpness(images: Sequence[UnitPixels], noise_variance: float, known: Known | None = None) -> float | None:
    """Return the amplitude of high frequencies over that of low ones in the blocks with the strongest edges.

    Noise is subtracted.

    Args:
        images: (H, W, C) in [0, 1].
        noise_variance: of a pixel.
        known: where the images have a value: blocks without gaps are read, if there are enough of them.

    Returns:
        None if the edges are too faint, or too noisy to tell a sharp image from a blurred one.
    """
    blocks = cut_known(images, known, BLOCK, MOST_BLOCKS)[0].mean(1)
    energies = (blocks.reshape(len(blocks), -1) @ dct_basis().T) ** 2
    row, column = frequencies()
    low = energies[:, (row + column >= 1) & (row + column <= 3)].mean(1)
    if not len(low):
        return None
    count = max(1, round(EDGES * len(low)))
    chosen = np.argpartition(low, -count)[-count:]
    strong = float(low[chosen].mean()) - noise_variance
    if strong * BLURRED**2 < UNSURE * noise_variance + 1e-9:
        return None
    high = energies[chosen][:, (row + column >= 7) & (row + column <= 10)].mean() - noise_variance
    return float(np.sqrt(max(high, 0) / strong))
