"""Enlarge images that are too small for a network."""

from __future__ import annotations

import torch
from torch import Tensor


def mirrored(x: Tensor, height: int, width: int) -> Tensor:
    """Return ``(..., H, W)`` continued below and to the right by its mirror image, to at least ``height, width``.

    A side longer than that stays as it is. Mirroring is repeated as often as is needed.
    """
    for dimension, least in ((-2, height), (-1, width)):
        side = x.shape[dimension]
        if side < least:
            x = x.index_select(dimension, _reflected(side, least, x.device))
    return x


def _reflected(side: int, least: int, device: torch.device) -> Tensor:
    """Return the indices 0 .. side - 1 .. 1, 0, 1, ...; the edge is not repeated."""
    period = max(2 * side - 2, 1)
    place = torch.arange(least, device=device) % period
    return torch.minimum(place, period - place)
