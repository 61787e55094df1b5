"""Read and write PNG: pixels of every depth and all chunks around them.

Pillow reads and writes everything but 16 bits of gray with alpha, RGB and RGBA, of which it drops the
low bytes; imagecodecs reads and writes those. Neither preserves chunks, so they are kept as they are.
"""

# OpenCV was tried instead of imagecodecs. It neither reads nor writes 16-bit gray with alpha, returns nothing
# instead of an error for a truncated file, and is twice as large.

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from dataclasses import replace
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.exif import orientation_of, plain, with_orientation
from clearer.images.pillow import frames_of, image_of, save_frames
from clearer.images.types import GRAY, RGB, FileOwn, Header, ImageFile, ImagePage, PageOwn, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The chunks that stand before the palette and the pixels, in the order of the specification. Chunks tied to
# the sample layout (bKGD, hIST, tRNS, sBIT) are dropped: a palette becomes RGB, a transparent color becomes alpha.
_KEPT = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI", b"pHYs", b"tIME", b"tEXt", b"zTXt", b"iTXt")

Chunk = tuple[bytes, bytes]


def chunks_of(data: bytes) -> list[Chunk]:
    """Return the chunks of a PNG file as (kind, body), with their checksums verified.

    Raises:
        UserError: a checksum is wrong, or the file ends before IEND.
    """
    found: list[Chunk] = []
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        crc = data[place + 8 + length : place + 12 + length]
        if len(crc) < 4:
            break
        if zlib.crc32(kind + body) != struct.unpack(">I", crc)[0]:
            raise UserError(f"not readable as an image (broken PNG chunk {kind!r}); replace or remove it")
        found.append((kind, body))
        place += 12 + length
        if kind == b"IEND":
            return found
    raise UserError("not readable as an image (the PNG is cut short); replace or remove it")


def read_png(data: bytes, first_page: bool = False) -> ImageFile:
    """Read a PNG or APNG file.

    Args:
        data: the bytes of the file.
        first_page: decode only the first frame of an animation.

    Raises:
        UserError: the file is broken or the image too large. Decoders raise other exceptions too.
    """
    chunks = chunks_of(data)
    kind, body = chunks[0]
    width, height, bits, color_type = _header_fields(kind, body)
    check_size(width, height)
    bodies = dict(reversed(chunks))  # the first of each kind
    exif = plain(bodies.get(b"eXIf"))
    dpi = icc = None
    if len(bodies.get(b"pHYs", b"")) == 9 and bodies[b"pHYs"][8] == 1:
        across, down = struct.unpack(">II", bodies[b"pHYs"][:8])
        dpi = (across * 0.0254, down * 0.0254) if across and down else None
    if b"iCCP" in bodies:
        icc = _inflated(bodies[b"iCCP"].partition(b"\0")[2][1:])
    own: FileOwn = {}
    if bits == 16 and color_type in (2, 4, 6) and b"acTL" not in bodies:
        frames = [_deep_page(data, width, height, bodies.get(b"tRNS"))]
    else:
        with Image.open(io.BytesIO(data)) as image:
            frames, own = frames_of(image, first_page)
    kept: PageOwn = {"chunks": [c for c in chunks if c[0] in _KEPT]}
    orientation = orientation_of(exif)
    pages = tuple(
        replace(f, orientation=orientation, icc=icc, exif=exif, dpi=dpi, own={**kept, **f.own}) for f in frames
    )
    return ImageFile("PNG", pages, own)


def png_header(file: BinaryIO) -> Header:
    """Return the header of an open PNG file: nothing is decoded.

    Raises:
        UserError: the file has no header or the image is too large. Broken files raise struct.error too.
    """
    file.seek(len(SIGNATURE))
    exif = None
    kind, body = _next_chunk(file, keep=(b"IHDR",))
    width, height, _, color_type = _header_fields(kind, body)
    # EXIF may stand after the pixels: the chunks there are skipped, not read.
    while exif is None and kind != b"IEND":
        try:
            kind, body = _next_chunk(file, keep=(b"eXIf",))
        except struct.error:  # truncated, which reading the pixels reports
            break
        exif = body if kind == b"eXIf" else None
    channels = GRAY if color_type in (0, 4) else RGB
    return Header.of_stored(width, height, orientation_of(plain(exif)), channels)


def _next_chunk(file: BinaryIO, keep: tuple[bytes, ...]) -> Chunk:
    """Return the next chunk; the body is read only if it is of a kind to keep."""
    length, kind = struct.unpack(">I4s", file.read(8))
    body = file.read(length) if kind in keep else b""
    file.seek(length + 4 - len(body), 1)
    return kind, body


def _header_fields(kind: bytes, body: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits per channel and color type."""
    if kind != b"IHDR" or len(body) != 13:
        raise UserError("not readable as an image (the PNG has no header); replace or remove it")
    width, height, bits, color_type = struct.unpack(">IIBB", body[:10])
    return width, height, bits, color_type


def _deep_page(data: bytes, width: int, height: int, key: bytes | None) -> ImagePage:
    """Decode 16 bits of gray with alpha, RGB or RGBA; a transparent color, if there is one, becomes alpha."""
    pixels = imagecodecs.png_decode(data).reshape(height, width, -1)
    if key is not None and pixels.shape[2] == 3:
        opaque = np.where((pixels == np.frombuffer(key, ">u2")).all(2), 0, 65535)
        pixels = np.dstack([pixels, opaque.astype(np.uint16)])
    colors = GRAY if pixels.shape[2] <= 2 else RGB
    return ImagePage(pixels[:, :, :colors], pixels[:, :, colors:] if pixels.shape[2] > colors else None)


def write_png(file: BinaryIO, image: ImageFile) -> None:
    """Write a PNG file; of several pages, an APNG."""
    page = image.pages[0]
    data: bytes | bytearray
    if len(image.pages) > 1:
        buffer = io.BytesIO()
        save_frames(buffer, image, {})
        data = buffer.getvalue()
    elif page.color.dtype == np.uint16 and (page.alpha is not None or page.color.shape[2] == 3):
        parts = [page.color] if page.alpha is None else [page.color, page.alpha]
        data = imagecodecs.png_encode(np.ascontiguousarray(np.concatenate(parts, 2)))
    else:
        buffer = io.BytesIO()
        image_of(page).save(buffer, format="PNG")
        data = buffer.getvalue()
    end = len(SIGNATURE) + 25  # of IHDR
    file.write(data[:end])
    for kind, body in _chunks_to_write(page):
        file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    file.write(data[end:])


def _chunks_to_write(page: ImagePage) -> list[Chunk]:
    """Return the chunks between the header and the pixels: unchanged if the page was read from a PNG."""
    kept: list[Chunk] = list(page.own.get("chunks", []))
    if "chunks" not in page.own:
        if page.dpi is not None:
            across, down = (round(d / 0.0254) for d in page.dpi)
            kept.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
        if page.xmp is not None:
            kept.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + page.xmp))
        if page.icc is not None:
            kept.insert(0, (b"iCCP", b"ICC profile\0\0" + zlib.compress(page.icc)))
    elif page.icc is None:
        kept = [c for c in kept if c[0] != b"iCCP"]
    exif = with_orientation(page.exif, page.orientation)
    if exif is not None:
        kept.append((b"eXIf", exif))
    return kept


def _inflated(body: bytes) -> bytes | None:
    # A profile has kilobytes, seldom a few megabytes; a decompression bomb in its place is cut.
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(body, 1 << 26) or None
    return None
