"""The 8x8 grid that JPEG compression leaves: how strong, and where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clearer.images.types import UnitPixels
from clearer.noise.blocks import Floats, median

GRID = 8
VISIBLE = 0.08
"""Strength from which a grid is said to be there."""


@dataclass(frozen=True)
class Grid:
    """A grid of blocks.

    Attributes:
        strength: excess of the steps across block edges over those inside blocks, as a share; about 0 without grid.
        row, column: of the first pixel of a block, 0 to 7; not (0, 0) if the image was cropped or moved.
    """

    strength: float
    row: int
    column: int

    @property
    def visible(self) -> bool:
        """Whether there is a grid."""
        return self.strength >= VISIBLE


def block_grid(images: Sequence[UnitPixels]) -> Grid:
    """Find the 8x8 grid of the image that shows the median strength.

    Args:
        images: (H, W, C) in [0, 1]; those below 32 pixels in a side are left out.
    """
    found = [_grid(image) for image in images if min(image.shape[:2]) >= 4 * GRID]
    return sorted(found, key=lambda grid: grid.strength)[len(found) // 2] if found else Grid(0.0, 0, 0)


def _grid(image: UnitPixels) -> Grid:
    luma = image @ np.full(image.shape[2], 1 / image.shape[2], image.dtype)  # `mean(2)` takes 20 times as long
    (down, row), (right, column) = _phase(luma), _phase(luma.T)
    return Grid(min(down, right), row, column)


def _phase(plane: Floats) -> tuple[float, int]:
    """Return the strength of horizontal edges every 8 rows of (H, W), and the first row of a block.

    A step that exceeds those on both sides is a block edge. The logarithm of the mean over a row keeps single strong
    edges of the image from deciding.
    """
    steps = np.abs(np.diff(plane, axis=0))
    excess = np.maximum(steps[1:-1] - (steps[:-2] + steps[2:]) / 2, 0).mean(1)
    usual = (steps[:-2] + steps[2:]).mean(1) / 2 + 1e-5
    share = excess / usual
    means = np.array([median(share[(k - 2) % GRID :: GRID]) for k in range(GRID)])  # by the row below the step
    best = int(means.argmax())
    others = np.delete(means, best)
    return float(means[best] - others.max()), best
