"""Pixels of every depth: to floats in [0, 1] and back, gray from color, RGB from CMYK, orientation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.types import AnyPixels, Uint8Pixels, UnitPixels

Span = tuple[float, float]
"""The values that stand for black and white."""

_WHITE = {"bool": 1, "uint8": 255, "uint16": 65535}
WHOLE: Span = (0.0, 1.0)
"""The default span: 0 to 1 for floating point, all gray levels for integers."""
LARGEST_UNIT = 2.0
"""Larger floats are levels of a camera, not units of [0, 1] with noise."""
CAMERA_BITS = (12, 14)
"""Bits of cameras whose levels are stored in 16 bits; fewer are taken for a dim image of these."""
_FEWEST_LEVELS = 64  # from the least to the most of an image, not of a mask or labels
_SLACK = 1.0  # how far noise may exceed the span, in spans
_OFFSET = 0.05  # how far the noise of a camera falls below its black, in spans
_FEW_LEVELS = 16  # floats below are units of [0, 1] with peaks of noise, or counts, not the levels of 8 bits
BT601 = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the luma of ITU-R BT.601."""


def depth_of(pixels: AnyPixels) -> str:
    """Return "1", "8", "16", "float", or the data type of other integers."""
    usual = {"bool": "1", "uint8": "8", "uint16": "16"}
    return "float" if pixels.dtype.kind == "f" else usual.get(pixels.dtype.name, pixels.dtype.name)


def dtype_of(depth: str) -> np.dtype:
    """Return the data type of a depth, float32 for "float"."""
    return np.dtype({"1": "bool", "8": "uint8", "16": "uint16", "float": "float32"}.get(depth, depth))


def levels_hold(levels: Span, white: int | None, least: float, most: float) -> bool:
    """Return whether a model's levels hold for an image from ``least`` to ``most``.

    Levels of a camera, such as 0 and 4095, hold for integers that reach as far and for floats that are not units of
    [0, 1]; a part of [0, 1] holds for floats.

    Args:
        levels: black and white in the training images.
        white: the largest level of an integer image; None for floating point.
        least, most: the extremes of the image.
    """
    if levels[1] <= LARGEST_UNIT:
        return white is None
    if white is None:
        return not -1 <= least <= most <= LARGEST_UNIT
    return levels[1] <= white


def are_levels(pixels: AnyPixels, levels: Span) -> bool:
    """Return whether the levels of a model hold for an image; see `levels_hold`."""
    white = None if pixels.dtype.kind == "f" else {"uint16": 65535, "uint8": 255}.get(pixels.dtype.name, 1)
    return levels_hold(levels, white, float(pixels.min()), float(pixels.max()))


def camera_levels(least: float, most: float) -> Span | None:
    """Return black and white of a camera of 12 or 14 bits, if an image of 16 bits from ``least`` to ``most`` is by one.

    None for masks and labels, which have few levels, and where the 16 bits are used.
    """
    if most - least + 1 < _FEWEST_LEVELS:
        return None
    return next(((0.0, 2.0**bits - 1) for bits in CAMERA_BITS if most < 2**bits), None)


def white_above(value: float) -> float:
    """Return the highest level of the camera that reaches a value; of less than 4 bits, a white near the value itself.

    >>> white_above(3000.0), white_above(2.3), white_above(9.0)
    (4095.0, 1.2, 9.0)
    """
    if value >= _FEW_LEVELS:
        return next((2.0**bits - 1 for bits in (8, 10, 12, 14, 16) if value < 2**bits), value)
    # Peaks of noise in units of [0, 1] reach as far beyond white as `to_unit` lets them, so that white stays near 1.
    return _rounded_up(value / (1 + _SLACK) if value <= (1 + _SLACK) * LARGEST_UNIT else value)


def span_above(least: float, most: float) -> Span:
    """Return black and white that hold for floats or levels from ``least`` to ``most``; black is 0 where it can be."""
    white = white_above(most)
    beyond = _SLACK if white <= LARGEST_UNIT else _OFFSET
    return (0.0 if least >= -beyond * white else -_rounded_up(-least)), white


def _rounded_up(value: float) -> float:
    """Return a positive value, to two digits or to integers, not below what it was."""
    step = 1.0 if value >= 10 else 10.0 ** (math.floor(math.log10(value)) - 1) if value > 0 else 1.0
    return float(f"{math.ceil(value / step - 1e-9) * step:.12g}")


def to_unit(pixels: AnyPixels, span: Span = WHOLE) -> UnitPixels:
    """Scale pixels of any depth to float32, 0 black and 1 white.

    Raises:
        UserError: a value is not finite, or exceeds the span by more than the length of the span.
    """
    white = _WHITE.get(pixels.dtype.name)
    if white is not None and (span == WHOLE or white == 1):
        return pixels.astype(np.float32) / np.float32(white)
    if span == WHOLE and pixels.dtype.kind in "iu":
        span = float(np.iinfo(pixels.dtype).min), float(np.iinfo(pixels.dtype).max)
    low, high = span
    least, most = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise UserError("it holds values that are not finite (NaN or infinity); replace them first")
    if most > high + _SLACK * (high - low) or least < low - _SLACK * (high - low):
        what = "floats" if pixels.dtype.kind == "f" else "levels"
        wide = ",".join(f"{level:.10g}" for level in span_above(least, most))
        raise UserError(
            f"its {what} reach from {least:g} to {most:g}, where {low:g} is taken as black and {high:g} as white; "
            f"rescale them, or state both with --range LOW,HIGH, such as {wide}"
        )
    scaled = pixels if span == WHOLE else (pixels.astype(np.float64) - low) / (high - low)
    return scaled.astype(np.float32)


def from_unit(x: UnitPixels, dtype: npt.DTypeLike, span: Span = WHOLE) -> AnyPixels:
    """Undo `to_unit`: clip and round to the nearest gray level; bilevel is white from 0.5 up."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return x >= 0.5
    if dtype.kind == "f":
        low, high = span
        return (x if span == WHOLE else x.astype(np.float64) * (high - low) + low).astype(dtype)
    if dtype.name not in _WHITE:
        limits = np.iinfo(dtype)
        low, high = (float(limits.min), float(limits.max)) if span == WHOLE else span
        return in_range(x.clip(0, 1).astype(np.float64) * (high - low) + low, dtype)
    white = _WHITE[dtype.name]
    low, high = (0, white) if span == WHOLE else span
    levels: AnyPixels = np.rint(x.clip(0, 1) * np.float32(high - low) + np.float32(low)).clip(0, white).astype(dtype)
    return levels


def moved(pixels: AnyPixels, change: UnitPixels, span: Span) -> AnyPixels:
    """Return pixels with a change in units of the span added: those that do not change stay bit for bit.

    float32 holds neither the levels of 32 bits nor float64, so these do not pass through `to_unit` and back. Levels
    beyond the span stay beyond it, and others do not leave it.
    """
    low, high = span
    by = change.astype(np.float64) * (high - low)
    if pixels.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # NaN stays NaN, also one of the kind that signals
            return (pixels.astype(np.float64) + by).astype(pixels.dtype)
    if pixels.dtype.itemsize < 8:
        old = pixels.astype(np.float64)
        return in_range((old + by).clip(np.minimum(old, low), np.maximum(old, high)), pixels.dtype)
    # Of 64 bits, float64 holds the change and not the level. Levels count from the lowest one, without a sign.
    turn = np.uint64(1 << 63 if pixels.dtype.kind == "i" else 0)
    levels, steps = pixels.view(np.uint64) ^ turn, np.rint(by).clip(-(2.0**62), 2.0**62).astype(np.int64)
    up, down = steps.clip(0).astype(np.uint64), (-steps.clip(None, 0)).astype(np.uint64)
    levels = levels + np.minimum(up, ~levels) - np.minimum(down, levels)
    return np.asarray((levels ^ turn).view(pixels.dtype))


def is_exact_in_units(dtype: npt.DTypeLike, span: Span) -> bool:
    """Return whether `from_unit` undoes `to_unit` bit for bit."""
    dtype = np.dtype(dtype)
    return dtype.name in _WHITE or (dtype.name in ("float16", "float32") and span == WHOLE)


def in_range(values: npt.NDArray[np.float64], dtype: npt.DTypeLike) -> AnyPixels:
    """Return values in a data type: integers rounded and clipped to what it holds, bilevel white from 0.5 up."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    # The largest of 64 bits has no float; one below it has.
    most = float(limits.max) if limits.bits < 64 else float(np.nextafter(float(limits.max), 0))
    clipped: AnyPixels = np.rint(values).clip(float(limits.min), most).astype(dtype)
    return clipped


def to_uint8(pixels: AnyPixels) -> Uint8Pixels:
    """Return 8-bit gray levels, rounded to the nearest: of 16 bits, round(value / 257).

    Raises:
        UserError: as for `to_unit`.
    """
    return pixels if pixels.dtype == np.uint8 else from_unit(to_unit(pixels), np.uint8)


def in_one_depth(images: Sequence[AnyPixels], span: Span = WHOLE) -> Sequence[AnyPixels]:
    """Return images of 8 and 16 bits as 16 bits, without loss, and all as float32 in [0, 1] if any has floating point.

    Floats are in [0, 1] already; ``span`` is that of the integers.
    """
    kinds = {image.dtype.name for image in images}
    if len(kinds) <= 1:
        return images
    if kinds == {"uint8", "uint16"}:
        return [image if image.dtype == np.uint16 else image * np.uint16(257) for image in images]
    return [image if image.dtype.kind == "f" else to_unit(image, span) for image in images]


def gray_of(rgb: AnyPixels) -> AnyPixels:
    """Return the BT.601 luma (H, W, 1) of RGB, in the same dtype; of 8 bits, exactly that of Pillow's mode L."""
    if rgb.dtype == np.uint8:
        return np.array(Image.fromarray(rgb).convert("L"))[:, :, None]
    return luma_of(rgb)


def luma_of(rgb: AnyPixels) -> AnyPixels:
    """Return the BT.601 luma (H, W, 1) of RGB, in the same dtype, computed in float32."""
    return from_unit((to_unit(rgb) @ np.array(BT601, np.float32))[:, :, None], rgb.dtype)


def rgb_of_cmyk(cmyk: AnyPixels) -> AnyPixels:
    """Return RGB in the same dtype: each of C, M and Y takes its share of light, then K of what is left."""
    light = 1 - to_unit(cmyk)
    return from_unit(light[:, :, :3] * light[:, :, 3:], cmyk.dtype)


def unmultiplied(color: AnyPixels, alpha: AnyPixels) -> AnyPixels:
    """Divide color by the alpha it was multiplied with; integers are rounded down, as Pillow rounds them."""
    if color.dtype.kind == "f":
        return np.divide(color, alpha, out=np.zeros_like(color), where=alpha > 0)
    white = _WHITE[color.dtype.name]
    divided = color.astype(np.uint32) * np.uint32(white) // np.maximum(alpha, 1).astype(np.uint32)
    color = np.where(alpha > 0, divided.clip(0, white), 0).astype(color.dtype)
    return color


def center_crop(pixels: AnyPixels, height: int, width: int) -> AnyPixels:
    """Return the center of (H, W, ...), at most this high and wide: a view.

    If the number of rows or columns to remove is odd, the odd one is removed at the bottom or on the right.

    >>> center_crop(np.zeros((481, 321, 1)), 448, 512).shape
    (448, 321, 1)
    """
    top, left = max(0, pixels.shape[0] - height) // 2, max(0, pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]


def crop_to_multiple(pixels: AnyPixels, multiple: int) -> AnyPixels:
    """Return the center of (H, W, ...) whose sides are the largest multiples of ``multiple``: a view.

    A side shorter than ``multiple`` becomes 0; callers refuse such images.

    >>> crop_to_multiple(np.zeros((481, 321, 1)), 64).shape
    (448, 320, 1)
    """
    height, width = (side - side % multiple for side in pixels.shape[:2])
    return center_crop(pixels, height, width)


def upright(pixels: AnyPixels, orientation: int) -> AnyPixels:
    """Rotate or mirror (H, W, C) for display, by its EXIF orientation, 1 to 8."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def turned_back(pixels: AnyPixels, orientation: int) -> AnyPixels:
    """Undo `upright`."""
    # Mirroring, a half turn and both transpositions undo themselves; the quarter turns undo each other.
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))
