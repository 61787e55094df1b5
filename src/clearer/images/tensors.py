"""Convert between images as arrays (H, W, C) and batches of one as tensors (1, C, H, W)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_batch(image: npt.NDArray[Any]) -> Tensor:
    """Return (H, W, C) as a contiguous tensor (1, C, H, W) of the same dtype; gray shares the memory of the array.

    >>> to_batch(np.zeros((5, 7, 3), np.uint8)).shape
    torch.Size([1, 3, 5, 7])
    """
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]


def to_array(image: Tensor) -> npt.NDArray[Any]:
    """Return (1, C, H, W) or (C, H, W) as an array (H, W, C), a view of a tensor on the CPU.

    >>> to_array(torch.zeros(1, 3, 5, 7)).shape
    (5, 7, 3)
    """
    array: npt.NDArray[Any] = (image[0] if image.ndim == 4 else image).permute(1, 2, 0).cpu().numpy()
    return array
