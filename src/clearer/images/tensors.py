"""Convert between images as arrays and tensors: batches of one, and levels of any depth in as many bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.images.pixels import WHOLE, Span
from clearer.images.types import AnyPixels

_OFFSET = 1 << 15
"""Subtracted from 16-bit levels: torch gathers int16 on every device, and hardly knows uint16."""


def to_batch(image: npt.NDArray[Any]) -> Tensor:
    """Return (H, W, C) as a contiguous tensor (1, C, H, W) of the same dtype; gray shares the memory of the array.

    >>> to_batch(np.zeros((5, 7, 3), np.uint8)).shape
    torch.Size([1, 3, 5, 7])
    """
    made = np.ascontiguousarray(image.transpose(2, 0, 1))
    # Sides of one pixel count as contiguous with a negative stride, which torch refuses.
    return torch.from_numpy(made.copy() if min(made.strides) < 0 else made)[None]


def batch_view(image: npt.NDArray[Any]) -> Tensor:
    """Return (H, W, C) as a tensor (1, C, H, W) that shares its memory, unless it has negative strides.

    Unlike `to_batch`, which copies color images, for what reads a part of the pixels only.

    >>> batch_view(np.zeros((5, 7, 3), np.uint8)).is_contiguous()
    False
    """
    return torch.from_numpy(image.copy() if min(image.strides) < 0 else image).permute(2, 0, 1)[None]


def to_array(image: Tensor) -> npt.NDArray[Any]:
    """Return (1, C, H, W) or (C, H, W) as an array (H, W, C), a view of a tensor on the CPU.

    >>> to_array(torch.zeros(1, 3, 5, 7)).shape
    (5, 7, 3)
    """
    array: npt.NDArray[Any] = (image[0] if image.ndim == 4 else image).permute(1, 2, 0).cpu().numpy()
    return array


def as_levels(pixels: AnyPixels) -> Tensor:
    """Return pixels of any depth in as many bytes: uint8, int16 (16-bit levels less 32768) or float32 in [0, 1].

    `unit_of` scales them. 8 bits and float32 share the memory of the array.
    """
    if pixels.dtype == np.uint16:
        return torch.from_numpy((pixels ^ np.uint16(_OFFSET)).view(np.int16))
    return torch.from_numpy(pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32, copy=False))


def unit_of(levels: Tensor, span: Span = WHOLE) -> Tensor:
    """Scale what `as_levels` returned to float32, 0 black and 1 white, not clipped; floats are scaled already.

    Args:
        levels: of any shape.
        span: the levels that are black and white; by default all of the integer's.

    >>> unit_of(as_levels(np.array([0, 4095, 8190], np.uint16)), (0, 4095))
    tensor([0., 1., 2.])
    """
    if levels.dtype == torch.float32:
        return levels
    white = 255 if levels.dtype == torch.uint8 else 65535
    values = levels.float() if white == 255 else levels.float() + _OFFSET
    low, high = (0.0, white) if span == WHOLE else span
    return values / high if low == 0 else (values - low) / (high - low)
