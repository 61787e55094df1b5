"""Read JPEG 2000 of more than 8 bits through imagecodecs; Pillow keeps 8 bits of color."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np

from clearer.images.around.boxes import box_at, boxes_of
from clearer.images.types import GRAY, RGB, AnyPixels, ImageFile, ImagePage, becomes_png, check_size

SIGNATURES = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_CODESTREAM = b"\xff\x4f\xff\x51"
_SYCC, _BY_PROFILE = 18, 2
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def read_deep_jpeg_2000(data: bytes) -> ImageFile | None:
    """Return the image scaled to 16 bits; None for one that Pillow reads as well.

    Raises:
        UserError: the image is too large. imagecodecs raises other exceptions too.
    """
    start = data.find(_CODESTREAM)
    if not data.startswith(SIGNATURES) or start < 0 or len(data) < start + 44:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
    (channels,) = struct.unpack_from(">H", data, start + 40)
    depths = set(data[start + 42 : start + 42 + 3 * channels : 3])
    bits = max(depths, default=0) + 1
    if len(depths) != 1 or not 8 < bits <= 16 or channels > 4:  # one that is signed has the highest bit, too
        return None
    color = _color(data)
    if color == _SYCC:
        return None
    check_size(right - left, bottom - top)
    pixels: AnyPixels = imagecodecs.jpeg2k_decode(data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if bits < 16:
        pixels = np.rint(pixels * (65535 / (2**bits - 1))).clip(0, 65535).astype(np.uint16)
    colors = GRAY if channels <= 2 else RGB
    alpha = pixels[:, :, colors:] if channels > colors else None
    profile = color if isinstance(color, bytes) else None
    page = ImagePage(pixels[:, :, :colors], alpha, icc=profile, xmp=_xmp(data))
    return ImageFile("PNG", (page,), notes=(becomes_png("JPEG2000"),))


def _color(data: bytes) -> bytes | int | None:
    """Return the color profile, or the number of a color space; None for a bare codestream."""
    box = box_at(data, b"jp2h", b"colr") if data.startswith(SIGNATURES[0]) else None
    if box is None:
        return None
    if data[box.start] == _BY_PROFILE:
        return data[box.start + 3 : box.end]
    return int.from_bytes(data[box.start + 3 : box.start + 7], "big")


def _xmp(data: bytes) -> bytes | None:
    boxes = boxes_of(data) if data.startswith(SIGNATURES[0]) else ()
    found = (data[b.start + 16 : b.end] for b in boxes if b.kind == b"uuid" and data[b.start : b.start + 16] == _XMP)
    return next(found, None)
