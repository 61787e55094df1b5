"""Measure noise where images have gaps: by blocks without any, or by the pixels of a block that have a value.

Images are continued in their gaps by pixels of their surroundings. That suits a network, but such pixels have no noise
of their own: a copy beside its source has less noise at high frequencies, and is correlated with it.

The level of images with many scattered gaps is read low all the same: by up to a tenth where half of the pixels have no
value, by up to a fifth where 70 % have none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearer.images.types import HiddenPixels, UnitPixels
from clearer.noise.blocks import Floats, cut_blocks, dct_basis

Known = Sequence[HiddenPixels | None]
"""Where (H, W) each image has a value; None for everywhere."""

ENOUGH, FEWEST = 0.25, 400
"""Blocks without gaps are read alone if they are so many, as a share of all blocks or as a number."""
PARTLY = 0.5
"""Share of the pixels of a block that have a value, from which it is read where blocks without gaps are too few."""
LEAST = 16
"""Fewest pixels with a value in a block that is read."""
_RIDGE = 1e-6  # keeps pixels on one line from having many planes


def cut_known(images: Sequence[UnitPixels], known: Known | None, side: int, most: int) -> tuple[Floats, Floats | None]:
    """Return blocks as `cut_blocks` does, of those with values, and which pixels (N, side, side) have one.

    The second is None if all have one. If no block has `LEAST` pixels with a value, all count.

    Args:
        images, side, most: see `cut_blocks`; the images are continued in their gaps.
        known: where they have a value.
    """
    blocks = cut_blocks(images, side, most)
    if known is None or all(one is None for one in known):
        return blocks, None
    seen = [np.ones(x.shape[:2], bool) if one is None else one for x, one in zip(images, known, strict=True)]
    masks = cut_blocks([one[:, :, None].astype(np.float32) for one in seen], side, most)[:, 0]
    shares = masks.mean((1, 2))
    whole = shares == 1
    if whole.sum() >= min(FEWEST, max(1, ENOUGH * len(whole))):
        return blocks[whole], None
    least = max(LEAST / side**2, min(PARTLY, float(np.quantile(shares, 0.5)) if len(shares) else PARTLY))
    chosen = shares >= least
    return (blocks[chosen], masks[chosen]) if chosen.any() else (blocks, None)


def planes_of(masks: Floats) -> Floats:
    """Return an orthonormal basis of the planes on the pixels (N, side, side) that have a value, (N, 3, side * side).

    It is 0 elsewhere.
    """
    side = masks.shape[-1]
    ramp = (np.arange(side) - (side - 1) / 2) / side
    planes = np.stack([np.ones((side, side)), np.broadcast_to(ramp, (side, side)), np.tile(ramp[:, None], (1, side))])
    on_known = planes.reshape(3, -1) * masks.reshape(len(masks), 1, -1).astype(np.float64)
    squares = on_known @ on_known.swapaxes(1, 2) + _RIDGE * np.eye(3)
    basis: Floats = np.linalg.solve(np.linalg.cholesky(squares), on_known).astype(np.float32)
    return basis


def without_planes(blocks: Floats, masks: Floats, planes: Floats) -> Floats:
    """Return blocks (N, C, side, side) minus the plane fitted to their pixels that have a value; 0 elsewhere."""
    flat = (blocks * masks[:, None]).reshape(*blocks.shape[:2], -1)
    residual: Floats = (flat - (flat @ planes.swapaxes(1, 2)) @ planes).reshape(blocks.shape)
    return residual


def known_energies(blocks: Floats, masks: Floats) -> Floats:
    """Return the energies of blocks (N, C, 8, 8) at each frequency, (N * C, 64), from the pixels that have a value.

    White noise gives the same as in blocks without gaps, on average, if most pixels have a value. Other noise and
    content reach the other frequencies by the share of the pixels that have none.
    """
    basis, planes = dct_basis(), planes_of(masks)
    residual = without_planes(blocks, masks, planes).reshape(*blocks.shape[:2], -1)
    # What white noise of variance 1 gives: the part of each function on the known pixels that is no plane.
    given = masks.reshape(len(masks), -1) @ np.square(basis).T - np.square(planes @ basis.T).sum(1)
    found = np.square(residual @ basis.T) / np.maximum(given, 0.05)[:, None]
    energies: Floats = found.reshape(-1, basis.shape[0])
    return energies
