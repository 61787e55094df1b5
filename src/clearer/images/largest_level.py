"""Levels that end where a Netpbm header says: to the whole of 8 or 16 bits when read, and back when written."""

from __future__ import annotations

import numpy as np

from clearer.core.errors import UserError
from clearer.images.types import AnyPixels


def check_top(top: float) -> None:
    """Refuse a largest level that the formats do not have.

    Raises:
        UserError: it is not one of 1 to 65535.
    """
    if not 1 <= top <= 65535:
        raise UserError(f"its levels end at {top:g}, where 1 to 65535 are possible; convert it first")


def white_of(top: int) -> int:
    """Return the largest level of the unsigned integers that hold levels up to ``top``."""
    return 255 if top < 256 else 65535


def to_whole(levels: AnyPixels, top: int) -> AnyPixels:
    """Return levels from 0 to ``top`` as uint8 or uint16 of which white is the largest.

    >>> to_whole(np.array([0, 1, 3]), 3)
    array([  0,  85, 255], dtype=uint8)
    """
    white = white_of(top)
    pixels = levels if top == white else np.rint(levels * (white / top))
    return pixels.astype(np.uint8 if white == 255 else np.uint16)


def to_stored(pixels: AnyPixels, top: int | None) -> tuple[bytes, int]:
    """Undo `to_whole`: return the bytes of a file, and its largest level.

    Args:
        pixels: uint8 or uint16.
        top: the largest level that was read; None for the usual one, which also holds where the depth has changed.

    >>> to_stored(np.array([0, 85, 255], np.uint8), 3)
    (b'\\x00\\x01\\x03', 3)
    """
    white = 65535 if pixels.dtype == np.uint16 else 255
    if top is None or white_of(top) != white:
        top = white
    levels = pixels if top == white else np.rint(pixels * (top / white))
    return levels.astype(">u2" if top > 255 else np.uint8).tobytes(), top
