"""Blocks of images and their frequencies, from which noise is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clearer.images.types import UnitPixels

Floats = npt.NDArray[np.floating[Any]]

BLOCK = 8
"""Side of a block whose frequencies are looked at, in pixels."""
MOST_COMPARED = 20_000
FILLED = 0.1
"""Blocks in which a channel varies, over those of the channel that varies most, below which it is empty."""
STEP = 1e-6
"""Difference of two values up to which they are the same."""
CLIPPED = 0.05
"""Share of black or white pixels above which a block says nothing about noise."""


@cache
def dct_basis() -> Floats:
    """Return the functions of the orthonormal cosine transform of a block, (64, 64): row 8 u + v, then pixels."""
    k = np.arange(BLOCK)
    dct = np.cos((2 * k + 1) * k[:, None] * math.pi / (2 * BLOCK)) / math.sqrt(BLOCK / 2)
    dct[0] /= math.sqrt(2)
    basis: Floats = np.einsum("ui,vj->uvij", dct, dct).reshape(BLOCK * BLOCK, -1).astype(np.float32)
    return basis


@cache
def frequencies() -> npt.NDArray[np.int64]:
    """Return (u, v) of each function of `dct_basis`, (2, 64): along columns of pixels, and along rows."""
    return np.stack([np.arange(BLOCK * BLOCK) // BLOCK, np.arange(BLOCK * BLOCK) % BLOCK])


def cut_blocks(images: Sequence[UnitPixels], side: int, most: int) -> Floats:
    """Return blocks of all images, (N, C, side, side), on a regular grid of each image.

    Args:
        images: (H, W, C) with the same C. Images smaller than a block give none.
        side: of a block, in pixels.
        most: blocks of all images together, about.
    """
    found = []
    for image in images:
        rows, columns = image.shape[0] // side, image.shape[1] // side
        skip = max(1, math.ceil(math.sqrt(rows * columns * len(images) / most)))
        tall = image[: rows * side, : columns * side].reshape(rows, side, columns, side, image.shape[2])
        few = tall[(skip - 1) // 2 :: skip, :, (skip - 1) // 2 :: skip]
        found.append(few.transpose(0, 2, 4, 1, 3).reshape(-1, image.shape[2], side, side))
    return np.concatenate(found).astype(np.float32)


def filled_channels(images: Sequence[UnitPixels]) -> npt.NDArray[np.int64]:
    """Return the channels that show something, by index: all but those that are constant in nearly all blocks.

    Such are the empty colors of fluorescence that is stored as RGB, with or without a label drawn over it. They have
    no noise, and say nothing of that of the others. Of images that are constant in all channels, all are returned.

    Args:
        images: (H, W, C) with the same C.
    """
    blocks = cut_blocks(images, BLOCK, MOST_COMPARED)
    varied = (np.ptp(blocks, axis=(-2, -1)) > STEP).sum(0)
    found: npt.NDArray[np.int64] = np.flatnonzero(varied >= max(1, FILLED * varied.max(initial=0)))
    return found if len(found) else np.arange(images[0].shape[2])


def clipped_share(blocks: Floats) -> Floats:
    """Return the share of black or white pixels of each block, (...) of (..., side, side).

    Values beyond 0 and 1 were not clipped.
    """
    share: Floats = ((blocks == 0) | (blocks == 1)).mean((-2, -1))
    return share


def unclipped(share: Floats) -> npt.NDArray[np.bool_]:
    """Return which blocks to read: those with few clipped pixels, or the tenth with the fewest if none has few."""
    usable: npt.NDArray[np.bool_] = share <= CLIPPED
    return usable if usable.sum() >= 0.1 * len(share) else share <= np.quantile(share, 0.1)


def median(values: Floats) -> float:
    """Return the median of a few values, in a tenth of the time of `numpy.median`."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def brightness_ends(image: UnitPixels, pixels: int = 5_000) -> tuple[float, float]:
    """Return the dark and the bright end of an image (H, W, C): all but 0.2 % of the values of about so many pixels."""
    step = max(1, round(math.sqrt(image.shape[0] * image.shape[1] / pixels)))
    values = np.sort(image[::step, ::step].ravel())
    low, high = values[[round(q * (len(values) - 1)) for q in (0.001, 0.999)]]
    return float(low), float(high)
