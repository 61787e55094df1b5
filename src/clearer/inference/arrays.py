"""Images of the kinds that Python hands in, as batches for a network and back: numpy, PIL, torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clearer.core.errors import UserError

_PIL_MODES = ("L", "RGB", "I;16", "I;16B")
_INTEGER_TOPS = {"uint8": 255, "uint16": 65535}
# Noise may leave [0, 1], but floats of this size are 8-bit levels that nobody divided.
_LARGEST_FLOAT = 16.0

Work = Callable[[Tensor], Tensor]
"""(B, C, H, W) float32, [0, 1] -> the same shape, [0, 1]."""


def in_kind(image: Any, work: Work) -> Any:
    """Return what ``work`` makes of an image, as the same kind, dtype, shape and (torch) device.

    Args:
        image: numpy, PIL or torch, as `clearer.Restorer.restore` says.
        work: its result is rounded to the nearest for whole-number kinds.

    Raises:
        UserError: the image is of another kind, empty, or floats that are not finite or far outside [0, 1].

    >>> in_kind(np.array([[0, 100, 255]], np.uint8), lambda x: 1 - x)
    array([[255, 155,   0]], dtype=uint8)
    >>> in_kind(Image.new("L", (7, 13)), lambda x: x).size
    (7, 13)
    """
    if isinstance(image, Image.Image):
        made = Image.fromarray(_array(np.asarray(_plain_mode(image)), work))
        made.info = dict(image.info)
        return made
    if isinstance(image, np.ndarray):
        return _array(image, work)
    if isinstance(image, Tensor):
        return _tensor(image, work)
    raise UserError(f"image: {type(image).__name__} is not a numpy array, a PIL image or a torch tensor")


def _array(image: npt.NDArray[Any], work: Work) -> npt.NDArray[Any]:
    if image.ndim not in (2, 3):
        raise UserError(f"image: an array of shape {image.shape} is not (H, W) or (H, W, C)")
    top = _INTEGER_TOPS.get(image.dtype.name)
    if top is None and image.dtype.kind != "f":
        raise UserError(f"image: an array of {image.dtype} is not uint8, uint16 or floating point in [0, 1]")
    # A copy: the caller's array may be read-only, big-endian or strided backwards.
    x = torch.from_numpy(image.astype(np.float32, order="C"))
    x = (x[None] if x.ndim == 2 else x.permute(2, 0, 1))[None]  # (1, C, H, W)
    y = _levels(x, top, work).numpy()[0]
    y = y[0] if image.ndim == 2 else y.transpose(1, 2, 0)
    return np.ascontiguousarray(y.astype(image.dtype))


def _tensor(image: Tensor, work: Work) -> Tensor:
    if image.ndim not in (3, 4):
        raise UserError(f"image: a tensor of shape {tuple(image.shape)} is not (C, H, W) or (B, C, H, W)")
    top = _INTEGER_TOPS.get(str(image.dtype).removeprefix("torch."))
    if top is None and not image.is_floating_point():
        raise UserError(f"image: a tensor of {image.dtype} is not uint8, uint16 or floating point in [0, 1]")
    x = image.detach().to(torch.float32)
    y = _levels(x if x.ndim == 4 else x[None], top, work)
    return (y if x.ndim == 4 else y[0]).to(image.dtype).contiguous()


def _levels(x: Tensor, top: int | None, work: Work) -> Tensor:
    """Work on (B, C, H, W) float32: whole levels 0..top, or in [0, 1] where ``top`` is None."""
    if not x.numel():
        raise UserError(f"image: it is empty (batch, channels, height, width are {tuple(x.shape)})")
    if top is not None:
        return (work(x / top) * top).round()
    largest = x.abs().amax().item()
    if not np.isfinite(largest):
        raise UserError("image: it holds values that are not finite (NaN or infinity); replace them first")
    if largest > _LARGEST_FLOAT:
        raise UserError(
            f"image: floats are taken as [0, 1] and this one reaches {largest:g}; divide it by its largest level"
        )
    return work(x)


def _plain_mode(image: Image.Image) -> Image.Image:
    """Return the image in one of `_PIL_MODES`, if that loses nothing."""
    if image.mode in _PIL_MODES and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        raise UserError(f"image: it has transparency (mode {image.mode}); remove it first, as by convert('RGB')")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        return image.convert("RGB")
    raise UserError(f"image: mode {image.mode} is not one of {', '.join(_PIL_MODES)}; convert it first")
