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
from clearer.images.apng import differences, framed, read_frames
from clearer.images.around.png_chunks import SIGNATURE, Chunk, bytes_of, chunks_of
from clearer.images.exif import orientation_of, plain, with_orientation
from clearer.images.pillow import frames_of, image_of
from clearer.images.pixels import depth_of
from clearer.images.types import GRAY, RGB, AnyPixels, FileOwn, Header, ImageFile, ImagePage, PageOwn, check_size

# Kept although the specification would have unknown editors drop them: they hold for the restored pixels too.
_KEPT = (
    *(b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"pHYs", b"tIME"),
    *(b"tEXt", b"zTXt", b"iTXt", b"sPLT", b"oFFs", b"pCAL", b"sCAL", b"sTER", b"gIFg", b"gIFt", b"gIFx"),
)
# Written anew: pixels and what is tied to how they are stored, frames of an animation, EXIF.
_ANEW = (
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"),
    *(b"sBIT", b"bKGD", b"eXIf"),
)
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""Of Adam7 interlacing: first row and column, and the steps to the next ones."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_XMP = b"XML:com.adobe.xmp\0"


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
    _check_length((width, height, bits, color_type), len(data))
    bodies = dict(reversed(chunks))  # the first of each kind
    exif = plain(bodies.get(b"eXIf"))
    dpi = icc = None
    if len(bodies.get(b"pHYs", b"")) == 9 and bodies[b"pHYs"][8] == 1:
        across, down = struct.unpack(">II", bodies[b"pHYs"][:8])
        dpi = (across * 0.0254, down * 0.0254) if across and down else None
    if b"iCCP" in bodies:
        icc = inflated(bodies[b"iCCP"].partition(b"\0")[2][1:])
    xmp = next((_text_of(body) for kind, body in chunks if kind == b"iTXt" and body.startswith(_XMP)), None)
    own: FileOwn = {}
    if b"acTL" in bodies:
        frames, own = read_frames(chunks, lambda one: _pixels_of(one), first_page)
    else:
        frames = [_pixels_of(data)]
    kept = _kept(chunks, bits, color_type)
    orientation = orientation_of(exif)
    pages = tuple(
        replace(f, orientation=orientation, icc=icc, exif=exif, xmp=xmp, dpi=dpi, own={**kept, **f.own}) for f in frames
    )
    return ImageFile("PNG", pages, own)


def _pixels_of(data: bytes) -> ImagePage:
    """Decode the pixels of a file of one image."""
    chunks = chunks_of(data)
    width, height, bits, color_type = _header_fields(*chunks[0])
    if bits == 16 and color_type in (2, 4, 6):
        key = next((body for kind, body in chunks if kind == b"tRNS"), None)
        return _deep_page(data, width, height, key)
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        return frames_of(image)[0][0]


def _kept(chunks: list[Chunk], bits: int, color_type: int) -> PageOwn:
    """Return the chunks to keep, before and behind the pixels, and what is tied to how pixels are stored."""
    own: PageOwn = {"chunks": [], "chunks_behind": []}
    palette: bytes = next((body for kind, body in chunks if kind == b"PLTE"), b"")
    behind = False
    for kind, body in chunks:
        behind = behind or kind == b"IDAT"
        if kind in _KEPT or (kind not in _ANEW and kind[:1].islower() and kind[3:].islower()):
            own["chunks_behind" if behind else "chunks"].append((kind, body))
        elif kind == b"sBIT" and body:
            own["significant_bits"] = tuple(body)
        elif kind == b"bKGD":
            background = _background(body, bits, color_type, palette)
            if background is not None:
                own["background"] = background
    return own


def _background(body: bytes, bits: int, color_type: int, palette: bytes) -> tuple[float, ...] | None:
    """Return the background color in [0, 1], of one or three channels."""
    if color_type == 3:
        entry = palette[3 * body[0] : 3 * body[0] + 3] if body else b""
        return tuple(level / 255 for level in entry) if len(entry) == 3 else None
    levels = struct.unpack(f">{len(body) // 2}H", body[: len(body) // 2 * 2])
    return tuple(level / (2**bits - 1) for level in levels) if len(levels) in (1, 3) else None


def _text_of(body: bytes) -> bytes | None:
    """Return the text of an iTXt chunk."""
    rest = body.partition(b"\0")[2]
    compressed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return (inflated(text) if compressed else text) or None


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
    if body[10] or body[11] or body[12] > 1:
        raise UserError("not readable as an image (the PNG states a method that is not known); replace or remove it")
    return width, height, bits, color_type


def _deep_samples(data: bytes, width: int, height: int) -> AnyPixels:
    """Decode 16 bits of several channels; the passes of an interlaced file one by one, of which libpng would warn."""
    (_, head), *others = chunks_of(data)
    if head[12] == 0:
        return np.asarray(imagecodecs.png_decode(data)).reshape(height, width, -1)
    channels = {2: 3, 4: 2, 6: 4}[head[9]]
    size = 2 * height * width * channels + 7 * height  # a byte before each row of each pass
    packed = b"".join(body for kind, body in others if kind == b"IDAT")
    rows = zlib.decompressobj().decompress(packed, size)
    pixels = np.zeros((height, width, channels), np.uint16)
    for top, left, down, across in _PASSES:
        part = pixels[top::down, left::across]
        if part.size:
            length = part.shape[0] * (1 + 2 * part.shape[1] * channels)
            here = struct.pack(">II", part.shape[1], part.shape[0]) + head[8:12] + b"\0"
            chunks = [(b"IHDR", here), (b"IDAT", zlib.compress(rows[:length], 1)), (b"IEND", b"")]
            part[:] = np.asarray(imagecodecs.png_decode(SIGNATURE + b"".join(map(bytes_of, chunks)))).reshape(
                part.shape
            )
            rows = rows[length:]
    return pixels


def _check_length(fields: tuple[int, int, int, int], size: int) -> None:
    """Refuse a size that the file is too short for, before memory is taken for it.

    Raises:
        UserError: deflate, which makes at most 1032 bytes of one, cannot make so many.
    """
    width, height, bits, color_type = fields
    if width * height * bits * _CHANNELS.get(color_type, 1) // 8 > 1032 * size:
        raise UserError(f"truncated: {size} bytes cannot hold {width}x{height} pixels; take another copy of the file")


def _deep_page(data: bytes, width: int, height: int, key: bytes | None) -> ImagePage:
    """Decode 16 bits of gray with alpha, RGB or RGBA; a transparent color, if there is one, becomes alpha."""
    pixels = _deep_samples(data, width, height)
    if key is not None and pixels.shape[2] == 3:
        opaque = np.where((pixels == np.frombuffer(key, ">u2")).all(2), 0, 65535)
        pixels = np.dstack([pixels, opaque.astype(np.uint16)])
    colors = GRAY if pixels.shape[2] <= 2 else RGB
    return ImagePage(pixels[:, :, :colors], pixels[:, :, colors:] if pixels.shape[2] > colors else None)


def write_png(file: BinaryIO, image: ImageFile) -> None:
    """Write a PNG file; of several pages, an APNG."""
    page = image.pages[0]
    if len(image.pages) > 1:
        written = framed(image, [_encoded(page) for page in differences(image)])
    else:
        written = chunks_of(_encoded(page))
    file.write(SIGNATURE + bytes_of(written[0]))
    for chunk in _chunks_to_write(page):
        file.write(bytes_of(chunk))
    for chunk in (*written[1:-1], *page.own.get("chunks_behind", []), written[-1]):
        file.write(bytes_of(chunk))


def _encoded(page: ImagePage) -> bytes:
    """Return a PNG file of nothing but the pixels."""
    if page.color.dtype == np.uint16 and (page.alpha is not None or page.color.shape[2] == RGB):
        parts = [page.color] if page.alpha is None else [page.color, page.alpha]
        return bytes(imagecodecs.png_encode(np.ascontiguousarray(np.concatenate(parts, 2))))
    buffer = io.BytesIO()
    image_of(page).save(buffer, format="PNG")
    return buffer.getvalue()


def _chunks_to_write(page: ImagePage) -> list[Chunk]:
    """Return the chunks between the header and the pixels: unchanged if the page was read from a PNG."""
    kept: list[Chunk] = list(page.own.get("chunks", []))
    if "chunks" not in page.own:
        if page.dpi is not None:
            across, down = (round(d / 0.0254) for d in page.dpi)
            kept.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
        if page.xmp is not None:
            kept.append((b"iTXt", _XMP + b"\0\0\0\0" + page.xmp))
        if page.icc is not None:
            kept.insert(0, (b"iCCP", b"ICC profile\0\0" + zlib.compress(page.icc)))
        if "comment" in page.own:
            kept.append((b"tEXt", b"Comment\0" + page.own["comment"].replace(b"\0", b"")))
    elif page.icc is None:
        kept = [c for c in kept if c[0] != b"iCCP"]
    channels, depth = page.color.shape[2], {"1": 1, "8": 8, "16": 16}[depth_of(page.color)]
    bits = page.own.get("significant_bits", ())
    if len(bits) in (channels, channels + 1) and all(0 < count <= depth for count in bits):
        alpha = bits[channels:] or (depth,)
        kept.append((b"sBIT", bytes([*bits[:channels], *(alpha if page.alpha is not None else ())])))
    background = page.own.get("background")
    if background is not None and len(background) == channels:
        levels = [round(level * (2**depth - 1)) for level in background]
        kept.append((b"bKGD", struct.pack(f">{channels}H", *levels)))
    exif = with_orientation(page.exif, page.orientation)
    if exif is not None:
        kept.append((b"eXIf", exif))
    return kept


def inflated(body: bytes) -> bytes | None:
    """Return decompressed bytes, at most 64 MiB; None if they are broken."""
    # A profile has kilobytes, seldom a few megabytes; a decompression bomb in its place is cut.
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(body, 1 << 26) or None
    return None
