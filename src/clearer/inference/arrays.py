"""Apply a network to an image of any Python type: NumPy, PIL or torch, as a batch and back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from clearer.core.callers import level_of_user
from clearer.core.errors import UserError
from clearer.images.exif import valid_orientation
from clearer.images.pixels import LARGEST_UNIT, WHOLE, Span, camera_levels, levels_hold, turned_back, upright
from clearer.images.transparent import extended

_ORIENTATION = 274  # the tag of EXIF
_PIL_MODES = ("L", "RGB", "I;16", "I;16B", "I", "F")
_WITH_ALPHA = {
    "LA": "LA",
    "La": "LA",
    "L": "LA",
    "PA": "RGBA",
    "P": "RGBA",
    "RGB": "RGBA",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
}
"""Modes of images with transparency, and the mode that has it as a channel."""
_WHITE = {"uint8": 255, "uint16": 65535}
_USUAL = [(0, white) for white in _WHITE.values()]
_LARGEST_FLOAT = 16.0
"""Noise may leave [0, 1]; larger floats are gray levels that were not divided by 255."""
_BLOCK, _MARGIN, _SHARE = 16, 0.1, 0.01
"""Noise leaves [0, 1], but not the mean of a block of pixels by more than a margin, nor in more than a few blocks."""
_FAR, _FAR_SHARE = 0.5, 0.15
"""Nor is so large a share of the pixels so far outside, even on black with a noise level of 120 gray levels."""
_SPOT, _SPOT_MEAN, _SPOT_PIXEL = 3, 1.0, 3.0
"""Nor is the mean of 9 pixels so far outside, or a single pixel, by 6 times that noise level: bright spots are."""

Work = Callable[[Tensor], Tensor]
"""Maps (B, C, H, W) float32 in [0, 1] to the same shape and range."""
Warn = Callable[[float, float], None]
"""Takes the least and the largest value of an image that is not in its range."""


def apply_to(
    image: Any, work: Work, levels: Span | None = None, span: Span | None = None, warn: Warn | None = None
) -> Any:
    """Return the result of ``work`` on an image, in the image's type, dtype, shape and (torch) device.

    Args:
        image: NumPy, PIL or torch; see `clearer.Restorer.restore`.
        work: its result is rounded to the nearest for integer images.
        levels: black and white of images for which they hold; see `clearer.images.pixels.levels_hold`.
        span: black and white of this image.
        warn: called if whole regions of the image are not between black and white: ``work`` clips them.

    Raises:
        UserError: the image is of another type or empty, or its floats are not finite or far outside [0, 1].

    >>> apply_to(np.array([[0, 100, 255]], np.uint8), lambda x: 1 - x)
    array([[255, 155,   0]], dtype=uint8)
    >>> apply_to(Image.new("L", (7, 13)), lambda x: x).size
    (7, 13)
    """
    convert = _Conversion(work, levels, span, warn)
    if isinstance(image, Image.Image):
        made = _to_pil(image, _Upright(convert, valid_orientation(image.getexif().get(_ORIENTATION))))
        made.info = {key: value for key, value in image.info.items() if key != "transparency"}
        return made
    if isinstance(image, np.ma.MaskedArray):
        return _to_masked(image, convert)
    if isinstance(image, np.ndarray):
        return convert.array(image)
    if isinstance(image, Tensor):
        return convert.tensor(image)
    raise UserError(f"image: {type(image).__name__} is not a numpy array, a PIL image or a torch tensor")


@dataclass(frozen=True)
class _Upright:
    """``work`` on arrays (H, W) or (H, W, C) of an image with an EXIF orientation: it is seen as it is shown."""

    convert: _Conversion
    orientation: int

    def array(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        result = self.convert.array(upright(image, self.orientation))
        return np.ascontiguousarray(turned_back(result, self.orientation))


class _Conversion:
    """``work`` on arrays and tensors; see `apply_to`."""

    def __init__(self, work: Work, levels: Span | None, span: Span | None, warn: Warn | None) -> None:
        self.work, self.levels, self.span, self.warn = work, levels, span, warn

    def array(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if image.ndim not in (2, 3):
            raise UserError(f"image: an array of shape {image.shape} is not (H, W) or (H, W, C)")
        kind, name = image.dtype.kind, image.dtype.name
        limits = self._limits(name, kind == "f", kind in "iu", f"an array of {image.dtype}")
        wide = self._needs_float64(limits, image.dtype.itemsize)
        # A copy: the caller's array may be read-only, big-endian or have negative strides.
        x = torch.from_numpy(image.astype(np.float64 if wide else np.float32, order="C"))
        x = (x[None] if x.ndim == 2 else x.permute(2, 0, 1))[None]  # (1, C, H, W)
        y = self._in_range(x, limits).numpy()[0]
        y = y[0] if image.ndim == 2 else y.transpose(1, 2, 0)
        return np.ascontiguousarray(y.astype(image.dtype))

    def tensor(self, image: Tensor) -> Tensor:
        if image.ndim not in (3, 4):
            raise UserError(f"image: a tensor of shape {tuple(image.shape)} is not (C, H, W) or (B, C, H, W)")
        if image.layout != torch.strided or image.is_meta:
            raise UserError("image: a sparse or meta tensor; pass a dense one that holds values, as by to_dense()")
        name, floating = str(image.dtype).removeprefix("torch."), image.is_floating_point()
        integer = not (floating or image.is_complex() or image.dtype == torch.bool)
        limits = self._limits(name, floating, integer, f"a tensor of {image.dtype}")
        wide = self._needs_float64(limits, image.itemsize)
        x = image.detach().to(_widest(image.device) if wide else torch.float32)
        y = self._in_range(x if x.ndim == 4 else x[None], limits)
        return (y if x.ndim == 4 else y[0]).to(image.dtype).contiguous()

    def _limits(self, dtype: str, floating: bool, integer: bool, what: str) -> tuple[int, int] | None:
        """Return the least and the largest level of an integer type; None for floats."""
        if floating:
            return None
        if dtype not in _WHITE and (not integer or self.span is None):
            hint = "state black and white with range=(low, high)" if integer else "convert it first"
            raise UserError(f"image: {what} is not uint8, uint16 or floating point in [0, 1]; {hint}")
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)

    def _needs_float64(self, limits: tuple[int, int] | None, itemsize: int) -> bool:
        """Return whether float32 does not hold the levels, or not when they are scaled to [0, 1] and back."""
        return itemsize > 4 or (self.span is not None and limits not in _USUAL)

    def _in_range(self, x: Tensor, limits: tuple[int, int] | None) -> Tensor:
        """Apply ``work`` to (B, C, H, W): integers within ``limits``, or floats if that is None."""
        white = None if limits is None else limits[1]
        if not x.numel():
            raise UserError(f"image: it is empty (batch, channels, height, width are {tuple(x.shape)})")
        least, most = x.amin().item(), x.amax().item()
        if white is None and not (np.isfinite(least) and np.isfinite(most)):
            raise UserError("image: it holds values that are not finite (NaN or infinity); replace them first")
        span, levels = self.span, self.levels
        # Floats of a part of [0, 1] are scaled by their reader: arrays are in units.
        if span is None and levels is not None and levels[1] > LARGEST_UNIT and levels_hold(levels, white, least, most):
            span = levels
        if span is None and white == _WHITE["uint16"]:
            span = camera_levels(least, most)
        if span is not None:
            if limits in _USUAL:
                low, high = span
                y = self._checked((x - low) / (high - low), least, most) * (high - low) + low
                return y.round().clamp(0, white)
            y = self._moved(x, span, least, most)
            return y if limits is None else y.round().clamp(*limits)
        if white is not None:
            return (self.work(x / white) * white).round()
        largest = max(-least, most)
        if largest > _LARGEST_FLOAT:
            raise UserError(
                f"image: floats are expected in [0, 1] and this one reaches {largest:g}; divide it by its white level, "
                "or state black and white with range=(low, high)"
            )
        return self._checked(x, least, most) if x.dtype == torch.float32 else self._moved(x, WHOLE, least, most)

    def _moved(self, x: Tensor, span: Span, least: float, most: float) -> Tensor:
        """Add what ``work`` changes, so that levels that do not change stay bit for bit."""
        low, high = span
        unit = ((x - low) / (high - low)).float()
        change = self._checked(unit, least, most) - unit.clamp(0, 1)
        return (x.clamp(low, high) + change.to(x.dtype) * (high - low)).clamp(low, high)

    def _checked(self, x: Tensor, least: float, most: float) -> Tensor:
        if self.warn is not None and is_beyond(x):
            self.warn(least, most)
        return self.work(x)


def is_beyond(x: Tensor) -> bool:
    """Return whether more of (B, C, H, W) leaves [0, 1] than noise would: the means of whole blocks do."""
    if x.amin().item() >= 0 and x.amax().item() <= 1:
        return False
    means = F.avg_pool2d(x, (min(_BLOCK, x.shape[-2]), min(_BLOCK, x.shape[-1])))
    beyond = (means < -_MARGIN) | (means > 1 + _MARGIN)
    far = (x < -_FAR) | (x > 1 + _FAR)
    if beyond.float().mean().item() > _SHARE or far.float().mean().item() > _FAR_SHARE:
        return True
    spots = (
        F.avg_pool2d(x, (min(_SPOT, x.shape[-2]), min(_SPOT, x.shape[-1])), 1) if min(x.shape[-2:]) >= _SPOT else x[:0]
    )
    return any(
        part.numel() > 0 and (part.amin().item() < -margin or part.amax().item() > 1 + margin)
        for part, margin in ((spots, _SPOT_MEAN), (x, _SPOT_PIXEL))
    )


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64  # which MPS lacks


class RangeWarning:
    """Warns once for each end of the range."""

    def __init__(self) -> None:
        self._said: set[tuple[bool, bool]] = set()

    def __call__(self, least: float, most: float) -> None:
        kind = (least < 0, most > 1)
        if kind not in self._said:
            self._said.add(kind)
            warnings.warn(
                f"image: its values reach from {least:g} to {most:g}, and what is not between black and white (by "
                "default 0 and 1) is clipped; state both, as by restore(image, range=(low, high))",
                stacklevel=level_of_user(),
            )


def axes_hint(x: Tensor) -> str:
    """Return what to do about the number of channels of (B, C, H, W): it may be a side of the image."""
    channels, height, width = x.shape[1:]
    if channels > 4 and height in (1, 3, 4):
        return "arrays are (H, W, C): if this one is (C, H, W), pass numpy.moveaxis(image, 0, -1)"
    if channels > 4 and width in (1, 3, 4):
        return "tensors are (C, H, W): if this one is (H, W, C), pass image.movedim(-1, -3)"
    return "convert it or choose another model"


def _to_masked(image: np.ma.MaskedArray[Any, Any], convert: _Conversion) -> np.ma.MaskedArray[Any, Any]:
    """Restore what is not masked, with the image continued beneath the mask; masked values stay."""
    data, mask = np.ma.getdata(image), np.ma.getmaskarray(image)
    pixels = data if data.ndim == 3 else data[..., None]
    if data.ndim in (2, 3) and data.size and mask.any():
        seen = np.asarray(~(mask if mask.ndim == 2 else mask.any(axis=2)))
        result = convert.array(extended(pixels, seen).reshape(data.shape)) if seen.any() else data.copy()
        result[mask] = data[mask]
    else:
        result = convert.array(data)
    kept = np.ma.getmask(image)
    mask_of = np.ma.nomask if kept is np.ma.nomask else kept.copy()
    return np.ma.MaskedArray(result, mask=mask_of, fill_value=image.fill_value)


def _to_pil(image: Image.Image, convert: _Upright) -> Image.Image:
    if image.mode == "CMYK":  # C, M and Y as the light that they let through, and K by itself, as files are
        light = 255 - np.asarray(image)
        parts = [convert.array(light[:, :, :3]), convert.array(light[:, :, 3:])]
        return Image.frombytes("CMYK", image.size, (255 - np.concatenate(parts, 2)).tobytes())
    if image.has_transparency_data:
        return _beside_alpha(image, convert)
    return Image.fromarray(convert.array(np.asarray(_in_plain_mode(image))))


def _beside_alpha(image: Image.Image, convert: _Upright) -> Image.Image:
    """Restore the colors of an image with transparency; alpha and the colors under alpha 0 stay."""
    mode = _WITH_ALPHA.get(image.mode)
    if mode is None:
        raise UserError(f"image: it has transparency in mode {image.mode}; convert it to RGBA first")
    pixels = np.asarray(image.convert(mode))
    color, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    seen = alpha[:, :, 0] > 0
    restored = convert.array(extended(color, seen)) if seen.any() else color
    restored = np.where(alpha > 0, restored, color)
    return Image.frombytes(mode, image.size, np.concatenate([restored, alpha], 2).tobytes())


def _in_plain_mode(image: Image.Image) -> Image.Image:
    """Return the image in one of `_PIL_MODES`, if the conversion loses nothing."""
    if image.mode in _PIL_MODES:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "RGBX"):
        return image.convert("RGB")
    known = ", ".join((*_PIL_MODES, "LA", "RGBA", "CMYK"))
    raise UserError(f"image: mode {image.mode} is not one of {known}; convert it first")
