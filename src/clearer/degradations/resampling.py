"""Resampling of images to another size, as Pillow defines it, as one matrix a side."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

KERNELS = ("bicubic", "bilinear", "area", "lanczos", "nearest")
_REACH = {"bicubic": 2.0, "bilinear": 1.0, "area": 0.5, "lanczos": 3.0}


LARGEST_MATRIX = 1024
"""Pixels of a line from which on its few weights are summed one by one, not multiplied as a matrix."""


def resampled(image: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    """Return images, (..., H, W), of another size (height, width)."""
    import torch

    for dim, after in zip((-1, -2), reversed(size), strict=True):
        before = image.shape[dim]
        if before > LARGEST_MATRIX:
            image = _summed(image, dim, *resampling_taps(before, after, kernel))
        else:
            matrix = torch.from_numpy(resampling_matrix(before, after, kernel)).to(image.device, image.dtype)
            image = matrix @ image if dim == -2 else image @ matrix.T
    return image


@lru_cache(maxsize=64)
def resampling_matrix(before: int, after: int, kernel: str) -> npt.NDArray[np.float32]:
    """Return the weights, (after, before), of the pixels of a line in those of a line of another length.

    >>> resampling_matrix(4, 2, "area")
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]], dtype=float32)
    """
    import numpy as np

    places, weights = resampling_taps(before, after, kernel)
    matrix = np.zeros((after, before), np.float32)
    np.add.at(matrix, (np.arange(after)[:, None], places), weights)
    return matrix


def resampling_taps(before: int, after: int, kernel: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the pixels of a line that each pixel of one of another length is made of, and their weights.

    A kernel that shortens a line is widened by the same factor, against aliasing; ``nearest`` is not.

    Returns:
        Both (after, taps); weights sum to 1.
    """
    import numpy as np

    step = before / after
    middles = (np.arange(after) + 0.5) * step
    if kernel == "nearest":
        return middles.astype(np.int64)[:, None], np.ones((after, 1), np.float32)
    wider = max(step, 1.0)
    reach = _REACH[kernel] * wider
    places = np.floor(middles - reach)[:, None].astype(np.int64) + np.arange(math.ceil(2 * reach) + 1)
    away = (places + 0.5 - middles[:, None]) / wider
    inside = (places >= 0) & (places < before)
    found = np.where(inside & (np.abs(away) <= _REACH[kernel] + 1e-9), _weight(kernel, away), 0)
    weights = (found / found.sum(1, keepdims=True)).astype(np.float32)
    return np.where(inside, places, 0), weights


def _summed(image: Tensor, dim: int, places: npt.NDArray[np.int64], weights: npt.NDArray[np.float32]) -> Tensor:
    import torch

    found = None
    for place, weight in zip(torch.from_numpy(places).T, torch.from_numpy(weights).T, strict=True):
        part = image.index_select(dim, place.to(image.device))
        part *= weight.to(image.device, image.dtype).unsqueeze(-1 if dim == -2 else 0)
        found = part if found is None else found.add_(part)
    assert found is not None
    return found


def _weight(kernel: str, away: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    import numpy as np

    x = np.abs(away)
    if kernel == "area":
        return ((away > -0.5) & (away <= 0.5)).astype(np.float64)
    if kernel == "bilinear":
        return np.asarray(np.maximum(1 - x, 0))
    if kernel == "lanczos":
        return np.asarray(np.sinc(x) * np.sinc(x / 3))
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
