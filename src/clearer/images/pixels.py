"""Levels of every depth as floats in [0, 1] and back, and pages turned upright and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clearer.core.errors import UserError
from clearer.images.types import AnyPixels

Floats = npt.NDArray[np.float32]
Span = tuple[float, float]

_TOPS = {"bool": 1, "uint8": 255, "uint16": 65535}
WHOLE: Span = (0.0, 1.0)
"""Floats as they are, and of levels all that there are."""
_SLACK = 1.0  # how far noise may leave the span, in spans


def depth_of(pixels: AnyPixels) -> str:
    """Return "1", "8", "16" or "float"."""
    return {"bool": "1", "uint8": "8", "uint16": "16"}.get(pixels.dtype.name, "float")


def dtype_of(depth: str) -> np.dtype:
    return np.dtype({"1": "bool", "8": "uint8", "16": "uint16", "float": "float32"}[depth])


def to_unit(pixels: AnyPixels, span: Span = WHOLE) -> Floats:
    """Return float32, where 0 is black and 1 is white; ``span`` says which floats, or levels, these are.

    Raises:
        UserError: floats are not finite; floats, or levels, are far outside of the span.
    """
    top = _TOPS.get(pixels.dtype.name)
    if top is not None and (span == WHOLE or top == 1):
        return pixels.astype(np.float32) / np.float32(top)
    low, high = span
    least, most = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise UserError("it holds values that are not finite (NaN or infinity); replace them first")
    if most > high + _SLACK * (high - low) or least < low - _SLACK * (high - low):
        what = "floats" if top is None else "levels"
        raise UserError(
            f"its {what} reach from {least:g} to {most:g}, where {low:g} is taken as black and {high:g} as white; "
            "say which they are: --range LOW,HIGH"
        )
    scaled = pixels if span == WHOLE else (pixels.astype(np.float64) - low) / (high - low)
    return scaled.astype(np.float32)


def from_unit(x: Floats, dtype: np.dtype, span: Span = WHOLE) -> AnyPixels:
    """Return what `to_unit` made: rounded to the nearest level; bilevel is white from one half on."""
    if dtype.kind == "b":
        return x >= 0.5
    if dtype.kind == "f":
        low, high = span
        return (x if span == WHOLE else x.astype(np.float64) * (high - low) + low).astype(dtype)
    top = _TOPS[dtype.name]
    low, high = (0, top) if span == WHOLE else span
    levels: AnyPixels = np.rint(x.clip(0, 1) * np.float32(high - low) + np.float32(low)).clip(0, top).astype(dtype)
    return levels


def upright(pixels: AnyPixels, orientation: int) -> AnyPixels:
    """Turn (H, W, C) as EXIF orientation 1 to 8 says."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def turned_back(pixels: AnyPixels, orientation: int) -> AnyPixels:
    """Undo `upright`."""
    # A mirror or half turn undoes itself, as do both diagonals; the quarter turns undo each other.
    return upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))
