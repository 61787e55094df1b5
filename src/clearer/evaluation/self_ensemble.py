"""The x8 self-ensemble: the mean over the eight flips and quarter turns of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Orientation(NamedTuple):
    """One of eight orientations: flipped left to right or not, then turned by quarters counterclockwise."""

    flip: bool
    turns: int

    @property
    def rows_backwards(self) -> bool:
        """Whether the image's rows run backwards in the turned image (as its rows or its columns)."""
        return self.turns in (2, 3)

    @property
    def columns_backwards(self) -> bool:
        """Whether the image's columns run backwards in the turned image."""
        return self.flip != (self.turns in (1, 2))


ORIENTATIONS = tuple(Orientation(flip, turns) for flip in (False, True) for turns in range(4))


def turned(x: Tensor, orientation: Orientation) -> Tensor:
    """Return (..., H, W) in this orientation: (..., W, H) for an odd number of turns. The first changes nothing."""
    flipped = x.flip(-1) if orientation.flip else x
    return torch.rot90(flipped, orientation.turns, (-2, -1)) if orientation.turns else flipped


def turned_back(y: Tensor, orientation: Orientation) -> Tensor:
    """Undo `turned`."""
    upright = torch.rot90(y, -orientation.turns, (-2, -1)) if orientation.turns else y
    return upright.flip(-1) if orientation.flip else upright


def self_ensemble(restore: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Restore ``x`` in its eight orientations, turn the results back and return their mean.

    This is the "enhanced prediction" of Timofte et al. (CVPR 2016). It takes eight times the work and, one
    orientation after another, the memory of one.

    Args:
        restore: (B, C, H, W) -> the same shape; it sees (B, C, W, H) too.
        x: (B, C, H, W), floating point.

    Returns:
        (B, C, H, W), not clamped.

    >>> x = torch.rand(1, 1, 3, 5)
    >>> torch.allclose(self_ensemble(lambda v: v, x), x)
    True
    """
    total = torch.zeros_like(x)
    for orientation in ORIENTATIONS:
        total = total + turned_back(restore(turned(x, orientation).contiguous()), orientation)
    return total / len(ORIENTATIONS)
