"""Read and write JPEG XL through imagecodecs, with EXIF and XMP in boxes beside the image.

Files are written without loss unless a quality is asked for. imagecodecs neither reads nor writes color profiles, nor
the times of animations.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from clearer.core.errors import UserError
from clearer.images.around.boxes import boxes_of
from clearer.images.around.jxl_header import SIGNATURES, header_of
from clearer.images.exif import plain, with_orientation
from clearer.images.types import GRAY, RGB, AnyPixels, Header, ImageFile, ImagePage, check_size

_BEGINNING = SIGNATURES[1] + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
_HEADER = 1 << 20  # metadata may stand before the image


def read_jpeg_xl(data: bytes) -> ImageFile:
    """Read a JPEG XL file.

    Raises:
        UserError: it is too large, an animation, or of channels that are not supported. imagecodecs raises other
            exceptions too.
    """
    header = header_of(data)
    check_size(header.width, header.height)
    if header.animated:
        raise UserError("a JPEG XL animation, whose times cannot be read; convert it to PNG or WebP first")
    pixels: AnyPixels = imagecodecs.jpegxl_decode(data)  # upright
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    colors = GRAY if header.gray else RGB
    rest = pixels.shape[2] - colors
    if rest not in (0, 1) or pixels.dtype.name not in ("uint8", "uint16", "float16", "float32"):
        raise UserError(f"has {pixels.shape[2]} channels of {pixels.dtype}, which cannot be kept; convert it first")
    found = {kind: body for kind, body in _metadata(data) if body}
    exif = None
    if len(found.get(b"Exif", b"")) > 4:
        block = found[b"Exif"]
        exif = with_orientation(plain(block[4 + int.from_bytes(block[:4], "big") :]), 1)
    alpha = pixels[:, :, colors:] if rest else None
    page = ImagePage(pixels[:, :, :colors], alpha, exif=exif, xmp=found.get(b"xml "))
    return ImageFile("JXL", (page,))


def jpeg_xl_header(file: BinaryIO) -> Header:
    """Return the header of an open file: nothing is decoded.

    Raises:
        UserError: see `read_jpeg_xl`.
    """
    found = header_of(file.read(_HEADER))
    return Header.of_stored(found.width, found.height, found.orientation, GRAY if found.gray else RGB)


def _metadata(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return EXIF and XMP, decompressed."""
    found = []
    for box in boxes_of(data) if data.startswith(SIGNATURES[1]) else ():
        kind, body = box.kind, data[box.start : box.end]
        if kind == b"brob" and body[:4] in (b"Exif", b"xml "):
            kind, body = body[:4], bytes(imagecodecs.brotli_decode(body[4:]))
        if kind in (b"Exif", b"xml "):
            found.append((kind, body))
    return found


def write_jpeg_xl(file: BinaryIO, image: ImageFile, quality: int | None = None) -> None:
    """Write a JPEG XL file, without loss if ``quality`` is None."""
    page = image.pages[0]
    pixels = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    pixels = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if quality is None:
        data = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    else:
        data = bytes(imagecodecs.jpegxl_encode(pixels, quality))
    more = b""
    exif = with_orientation(page.exif, 1)
    if exif is not None:
        more += _box(b"Exif", bytes(4) + exif)
    if page.xmp is not None:
        more += _box(b"xml ", page.xmp)
    if more and data.startswith(SIGNATURES[0]):
        data = _BEGINNING + _box(b"jxlc", data)
    elif more:  # its last box may reach to the end of the file, whatever that is
        data = b"".join(_box(box.kind, data[box.start : box.end]) for box in boxes_of(data))
    file.write(data + more)


def _box(kind: bytes, body: bytes) -> bytes:
    if len(body) + 8 >= 1 << 32:
        return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body
