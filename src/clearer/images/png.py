"""PNG: pixels of every depth, and all chunks that are around them.

Pillow reads and writes all but 16 bits of gray with alpha, RGB and RGBA, of which it drops the low
bytes. imagecodecs does those: OpenCV, tried as well, neither reads nor writes 16-bit gray with alpha,
returns nothing instead of an error for a file cut short, and is twice as large. Either knows pixels
only, so what is around them is kept as the chunks themselves.
"""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.exif import orientation_of, plain, with_orientation
from clearer.images.pillow import frames_of, image_of, save_frames
from clearer.images.types import ImageFile, ImagePage, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# In the order of the specification: before the palette and the pixels. What is tied to the sample
# layout (bKGD, hIST, tRNS, sBIT) is left out, since a palette becomes RGB and a key becomes alpha.
_KEPT = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI", b"pHYs", b"tIME", b"tEXt", b"zTXt", b"iTXt")
_COLOR_SPACE = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")

Chunk = tuple[bytes, bytes]


def chunks_of(data: bytes) -> list[Chunk]:
    """Return the chunks of a PNG file as (kind, body), checked, up to its end or to where it is cut.

    Raises:
        UserError: a chunk's checksum is wrong, or the file ends before IEND.
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


def read_png(data: bytes) -> ImageFile:
    """Read a PNG or APNG file.

    Raises:
        UserError: it is broken or too large. Decoders raise exceptions of their own too.
    """
    chunks = chunks_of(data)
    if chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise UserError("not readable as an image (the PNG has no header); replace or remove it")
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    check_size(width, height)
    around: dict[str, Any] = {"own": {"chunks": [c for c in chunks if c[0] in _KEPT]}}
    bodies = dict(reversed(chunks))  # the first of each kind
    around["exif"] = plain(bodies.get(b"eXIf"))
    around["orientation"] = orientation_of(around["exif"])
    if len(bodies.get(b"pHYs", b"")) == 9 and bodies[b"pHYs"][8] == 1:
        across, down = struct.unpack(">II", bodies[b"pHYs"][:8])
        around["dpi"] = (across * 0.0254, down * 0.0254) if across and down else None
    if b"iCCP" in bodies:
        around["icc"] = _inflated(bodies[b"iCCP"].partition(b"\0")[2][1:])
    if bits == 16 and kind in (2, 4, 6) and b"acTL" not in bodies:
        pixels = imagecodecs.png_decode(data)
        pixels = pixels.reshape(height, width, -1)
        if b"tRNS" in bodies and kind == 2 and pixels.shape[2] == 3:  # one color is transparent
            key = np.frombuffer(bodies[b"tRNS"], ">u2")
            pixels = np.dstack([pixels, np.where((pixels == key).all(2), 0, 65535).astype(np.uint16)])
        colors = 1 if pixels.shape[2] <= 2 else 3
        alpha = pixels[:, :, colors:] if pixels.shape[2] > colors else None
        return ImageFile("PNG", (ImagePage(pixels[:, :, :colors], alpha, **around),))
    with Image.open(io.BytesIO(data)) as image:
        frames, own = frames_of(image)
    pages = tuple(ImagePage(f.color, f.alpha, **{**around, "own": {**around["own"], **f.own}}) for f in frames)
    return ImageFile("PNG", pages, own)


def write_png(file: BinaryIO, image: ImageFile) -> None:
    """Write a PNG file, or APNG for more than one page."""
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
    for kind, body in _around(page):
        file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    file.write(data[end:])


def _around(page: ImagePage) -> list[Chunk]:
    """Return the chunks between the header and the pixels: as they came, where they came from a PNG."""
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
    # A profile is some kilobytes, seldom a few megabytes; a bomb in its place is left alone.
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(body, 1 << 26) or None
    return None
