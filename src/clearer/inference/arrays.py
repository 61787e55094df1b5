"""Apply a network to an image of any Python type: NumPy, PIL or torch, as a batch and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clearer.core.errors import UserError
from clearer.images.pixels import LARGEST_UNIT, Span, levels_hold

_PIL_MODES = ("L", "RGB", "I;16", "I;16B")
_WHITE = {"uint8": 255, "uint16": 65535}
_LARGEST_FLOAT = 16.0
"""Noise may leave [0, 1]; larger floats are gray levels that were not divided by 255."""

Work = Callable[[Tensor], Tensor]
"""Maps (B, C, H, W) float32 in [0, 1] to the same shape and range."""


def apply_to(image: Any, work: Work, levels: Span | None = None) -> Any:
    """Return the result of ``work`` on an image, in the image's type, dtype, shape and (torch) device.

    Args:
        image: NumPy, PIL or torch; see `clearer.Restorer.restore`.
        work: its result is rounded to the nearest for integer images.
        levels: black and white of images for which they hold; see `clearer.images.pixels.levels_hold`.

    Raises:
        UserError: the image is of another type or empty, or its floats are not finite or far outside [0, 1].

    >>> apply_to(np.array([[0, 100, 255]], np.uint8), lambda x: 1 - x)
    array([[255, 155,   0]], dtype=uint8)
    >>> apply_to(Image.new("L", (7, 13)), lambda x: x).size
    (7, 13)
    """
    if isinstance(image, Image.Image):
        made = Image.fromarray(_to_array(np.asarray(_in_plain_mode(image)), work, levels))
        made.info = dict(image.info)
        return made
    if isinstance(image, np.ndarray):
        return _to_array(image, work, levels)
    if isinstance(image, Tensor):
        return _to_tensor(image, work, levels)
    raise UserError(f"image: {type(image).__name__} is not a numpy array, a PIL image or a torch tensor")


def _to_array(image: npt.NDArray[Any], work: Work, levels: Span | None) -> npt.NDArray[Any]:
    if image.ndim not in (2, 3):
        raise UserError(f"image: an array of shape {image.shape} is not (H, W) or (H, W, C)")
    white = _WHITE.get(image.dtype.name)
    if white is None and image.dtype.kind != "f":
        raise UserError(f"image: an array of {image.dtype} is not uint8, uint16 or floating point in [0, 1]")
    # A copy: the caller's array may be read-only, big-endian or have negative strides.
    x = torch.from_numpy(image.astype(np.float32, order="C"))
    x = (x[None] if x.ndim == 2 else x.permute(2, 0, 1))[None]  # (1, C, H, W)
    y = _in_range(x, white, work, levels).numpy()[0]
    y = y[0] if image.ndim == 2 else y.transpose(1, 2, 0)
    return np.ascontiguousarray(y.astype(image.dtype))


def _to_tensor(image: Tensor, work: Work, levels: Span | None) -> Tensor:
    if image.ndim not in (3, 4):
        raise UserError(f"image: a tensor of shape {tuple(image.shape)} is not (C, H, W) or (B, C, H, W)")
    white = _WHITE.get(str(image.dtype).removeprefix("torch."))
    if white is None and not image.is_floating_point():
        raise UserError(f"image: a tensor of {image.dtype} is not uint8, uint16 or floating point in [0, 1]")
    x = image.detach().to(torch.float32)
    y = _in_range(x if x.ndim == 4 else x[None], white, work, levels)
    return (y if x.ndim == 4 else y[0]).to(image.dtype).contiguous()


def _in_range(x: Tensor, white: int | None, work: Work, levels: Span | None) -> Tensor:
    """Apply ``work`` to (B, C, H, W) float32: integers from 0 to ``white``, or values in [0, 1] if that is None."""
    if not x.numel():
        raise UserError(f"image: it is empty (batch, channels, height, width are {tuple(x.shape)})")
    # Floats of a part of [0, 1] are scaled by their reader: arrays are in units.
    if levels is not None and levels[1] > LARGEST_UNIT and levels_hold(levels, white, x.amin().item(), x.amax().item()):
        low, high = levels
        y = work((x - low) / (high - low)) * (high - low) + low
        return y if white is None else y.round().clamp(0, white)
    if white is not None:
        return (work(x / white) * white).round()
    largest = x.abs().amax().item()
    if not np.isfinite(largest):
        raise UserError("image: it holds values that are not finite (NaN or infinity); replace them first")
    if largest > _LARGEST_FLOAT:
        raise UserError(
            f"image: floats are expected in [0, 1] and this one reaches {largest:g}; divide it by its white level"
        )
    return work(x)


def _in_plain_mode(image: Image.Image) -> Image.Image:
    """Return the image in one of `_PIL_MODES`, if the conversion loses nothing."""
    if image.mode in _PIL_MODES and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        raise UserError(f"image: it has transparency (mode {image.mode}); remove it first, as by convert('RGB')")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P":
        return image.convert("RGB")
    raise UserError(f"image: mode {image.mode} is not one of {', '.join(_PIL_MODES)}; convert it first")
