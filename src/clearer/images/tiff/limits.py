"""Find out how many pixels decoding a TIFF page would make, without decoding it.

The page declares one size; its parts (strips or tiles) may declare another. A tile may be larger than its
page, and JPEG, JPEG 2000, PNG and WebP parts have headers of their own. tifffile decodes each part whole,
then cuts the page's share out of it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from mmap import mmap
from typing import Any, NamedTuple

BOUNDED = {
    *(1, 2, 3, 4, 5, 32773),  # none, CCITT, LZW, PackBits
    *(8, 32946, 50013),  # deflate
    *(34925, 34926, 50000),  # LZMA, Zstandard
}
"""Codecs whose decoders are given the size of the output and never exceed it."""

_MARKERS = 200  # searched for the frame of a JPEG; real files have fewer before it (tables, profile, texts)
_PADDING = 4  # padding at the edges counts only if all tiles have more than this many times the page's pixels


class Extent(NamedTuple):
    """The declared size of a page.

    Attributes:
        width, height: in pixels.
        pixels: upper limit of what decoding makes, in pixels: those of the page and any surplus of its parts.
        opaque: the compression of a part whose size is unknown until it is decoded, or "".
    """

    width: int
    height: int
    pixels: int
    opaque: str


def extent_of(page: Any, data: bytes | mmap) -> Extent:
    """Return the extent of a tifffile page, given the bytes of its file. Broken tags raise any exception."""
    width, height, depth = page.imagewidth, page.imagelength, max(1, page.imagedepth)
    pixels, part = width * height * depth, (page.rowsperstrip or height) * width
    if page.is_tiled:
        part = page.tilewidth * page.tilelength * max(1, page.tiledepth)
        padded = part * math.prod(
            math.ceil(side / tile)
            for side, tile in ((width, page.tilewidth), (height, page.tilelength), (depth, max(1, page.tiledepth)))
        )
        pixels = max(pixels, part, padded // _PADDING)
    if page.compression in BOUNDED:
        return Extent(width, height, pixels, "")
    opaque = getattr(page.compression, "name", str(page.compression))
    header, samples = _HEADERS.get(int(page.compression)), page.samplesperpixel if page.planarconfig == 1 else 1
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if not length or start + length > len(data):  # empty, or truncated, which the reader reports
            continue
        if header is None:
            return Extent(width, height, pixels, opaque)
        try:
            across, down, channels = header(memoryview(data)[start : start + length])
        except (ValueError, LookupError, struct.error):
            return Extent(width, height, pixels, opaque)
        pixels += max(0, -(-across * down * channels // samples) - part)
    return Extent(width, height, pixels, "")


StreamHeader = Callable[[memoryview], tuple[int, int, int]]
"""Returns the width, height and channels that a stream declares; without any, raises struct.error, ValueError or
LookupError."""


def _jpeg(stream: memoryview) -> tuple[int, int, int]:
    if bytes(stream[:2]) != b"\xff\xd8":
        raise ValueError
    at = 2
    for _ in range(_MARKERS):
        if stream[at] != 0xFF:
            raise ValueError
        marker, at = stream[at + 1], at + 2
        if marker == 0xFF:  # a fill byte before the marker
            at -= 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame of any process
            height, width, channels = struct.unpack_from(">HHB", stream, at + 3)
            return width, height, channels
        elif marker == 0xFE or 0xC0 <= marker <= 0xCF or 0xDB <= marker <= 0xEF:  # a segment with a length
            (length,) = struct.unpack_from(">H", stream, at)
            at += length
        else:
            break
    raise ValueError


def _jpeg_2000(stream: memoryview) -> tuple[int, int, int]:
    # TIFF holds the bare codestream. In a JP2 file a palette could add channels.
    if bytes(stream[:4]) != b"\xff\x4f\xff\x51":
        raise ValueError
    right, bottom, left, top = struct.unpack_from(">IIII", stream, 8)
    (channels,) = struct.unpack_from(">H", stream, 40)
    return max(0, right - left), max(0, bottom - top), channels


def _png(stream: memoryview) -> tuple[int, int, int]:
    if bytes(stream[:8]) != b"\x89PNG\r\n\x1a\n" or bytes(stream[12:16]) != b"IHDR":
        raise ValueError
    width, height, _, kind = struct.unpack_from(">IIBB", stream, 16)
    return width, height, {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[kind]


def _webp(stream: memoryview) -> tuple[int, int, int]:
    if bytes(stream[:4]) != b"RIFF" or bytes(stream[8:12]) != b"WEBP":
        raise ValueError
    kind = bytes(stream[12:16])
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", stream, 24)
        return (high_width << 16 | low_width) + 1, (high_height << 16 | low_height) + 1, 3
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", stream, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 3
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", stream, 26)
        return width & 0x3FFF, height & 0x3FFF, 3
    raise ValueError


_HEADERS: dict[int, StreamHeader] = {
    **dict.fromkeys((6, 7, 33007, 34892), _jpeg),
    **dict.fromkeys((33003, 33004, 33005, 34712), _jpeg_2000),
    34933: _png,
    **dict.fromkeys((34927, 50001), _webp),
}
