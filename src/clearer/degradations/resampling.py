"""Resampling of images to another size, as Pillow defines it, as one matrix a side."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

KERNELS = ("bicubic", "bilinear", "area", "lanczos", "nearest")
_REACH = {"bicubic": 2.0, "bilinear": 1.0, "area": 0.5, "lanczos": 3.0}


def resampled(image: Tensor, size: tuple[int, int], kernel: str) -> Tensor:
    """Return images, (..., H, W), of another size (height, width)."""
    import torch

    height, width = (
        torch.from_numpy(resampling_matrix(before, after, kernel)).to(image.device, image.dtype)
        for before, after in zip(image.shape[-2:], size, strict=True)
    )
    found: Tensor = height @ (image @ width.T)
    return found


@lru_cache(maxsize=64)
def resampling_matrix(before: int, after: int, kernel: str) -> npt.NDArray[np.float32]:
    """Return the weights, (after, before), of the pixels of a line in those of a line of another length.

    A kernel that shortens a line is widened by the same factor, against aliasing; ``nearest`` is not.

    >>> resampling_matrix(4, 2, "area")
    array([[0.5, 0.5, 0. , 0. ],
           [0. , 0. , 0.5, 0.5]], dtype=float32)
    """
    import numpy as np

    step = before / after
    middles = (np.arange(after) + 0.5) * step
    if kernel == "nearest":
        nearest: npt.NDArray[np.float32] = np.eye(before, dtype=np.float32)[middles.astype(int)]
        return nearest
    wider = max(step, 1.0)
    away = (np.arange(before) + 0.5 - middles[:, None]) / wider
    found = _weight(kernel, away) * (np.abs(away) < _REACH[kernel] + 1e-9)
    weights: npt.NDArray[np.float32] = (found / found.sum(1, keepdims=True)).astype(np.float32)
    return weights


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
