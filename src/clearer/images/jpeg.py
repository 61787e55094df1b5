"""Read and write JPEG: the pixels, and everything around them as it was (see `around.jpeg_segments`).

Pillow decodes and encodes 8 bits; imagecodecs does so for 12 bits and for lossless JPEG of up to 16 bits, which are
scaled to 16 bits, and back to their own when they are written.
"""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from clearer.core.errors import UserError
from clearer.images.around import jpeg_segments as parts
from clearer.images.exif import orientation_of, plain, with_orientation
from clearer.images.pillow import BEST, header_with_pillow, image_of, read_with_pillow
from clearer.images.types import GRAY, RGB, AnyPixels, Header, ImageFile, ImagePage, PageOwn, check_size

_LOSSLESS = 0xC3  # marker of the frame
_HUFFMAN = (0xC0, 0xC1, 0xC2, 0xC3)
_FULL_CHROMA = 90  # least quality at which chroma is not subsampled


def read_jpeg(data: bytes) -> ImageFile:
    """Read a JPEG file.

    Raises:
        UserError: the image is too large or of a kind that is not supported. Decoders raise other exceptions too.
    """
    try:
        around = parts.around_of(data)
    except UserError:
        return read_with_pillow(data)  # which reads some broken files, and says what is wrong with the others
    _check_length(around.frame, len(data))
    own: PageOwn = {"segments": around.segments, "tail": around}
    if is_deep(around.frame):
        return _read_deep(data, around, own)
    found = read_with_pillow(data)
    page = found.pages[0]
    return replace(found, pages=(replace(page, own={**page.own, **own}),))


def jpeg_header(file: BinaryIO) -> Header:
    """Return the header of an open file: nothing is decoded.

    Raises:
        UserError: the image is too large. Pillow raises other exceptions too.
    """
    frame = parts.frame_of(file)
    file.seek(0)
    if frame is None or not is_deep(frame):
        return header_with_pillow(file, "JPEG")
    data = file.read()
    height, width, channels = struct.unpack_from(">HHB", frame[1], 1)
    exif = _of_kind(parts.around_of(data), parts.APP1, parts.EXIF)
    return Header.of_stored(width, height, orientation_of(exif), GRAY if channels == 1 else RGB)


def is_deep(frame: parts.Segment) -> bool:
    """Return whether a frame is of more than 8 bits or without loss, which Pillow does not read or not write."""
    marker, body = frame
    return len(body) >= 6 and (marker == _LOSSLESS or body[0] > 8)


def _check_length(frame: parts.Segment, size: int) -> None:
    """Refuse a size that the file is too short for: decoders would fill it with gray.

    Raises:
        UserError: Huffman coding, whose shortest code has one bit, cannot hold so many blocks.
    """
    marker, body = frame
    if marker not in _HUFFMAN or len(body) < 6:
        return
    height, width = struct.unpack_from(">HH", body, 1)
    block = 1 if marker == _LOSSLESS else 8
    if -(-height // block) * -(-width // block) > 8 * size:
        raise UserError(f"truncated: {size} bytes cannot hold {width}x{height} pixels; take another copy of the file")


def _read_deep(data: bytes, around: parts.Around, own: PageOwn) -> ImageFile:
    marker, body = around.frame
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    check_size(width, height)
    if channels not in (GRAY, RGB):
        raise UserError(f"its {channels} channels of {bits} bits cannot be kept; convert it to TIFF first")
    pixels: AnyPixels = imagecodecs.jpeg8_decode(data).reshape(height, width, channels)
    if bits > 8:
        pixels = np.rint(pixels * (65535 / (2**bits - 1))).astype(np.uint16)
    elif bits < 8:
        raise UserError(f"its {bits} bits a sample are not supported; convert it to 8 bits")
    own |= {"precision": bits, "lossless": marker == _LOSSLESS}
    exif = plain(_of_kind(around, parts.APP1, parts.EXIF))
    icc = b"".join(s[14:] for m, s in around.segments if m == parts.APP2 and s.startswith(parts.ICC)) or None
    xmp = _of_kind(around, parts.APP1, parts.XMP)
    page = ImagePage(pixels, None, orientation_of(exif), icc, exif, xmp, _dpi(around), own)
    return ImageFile("JPEG", (page,))


def _of_kind(around: parts.Around, marker: int, start: bytes) -> bytes | None:
    """Return the body of the first segment of a kind, without what it starts with."""
    found = (body for code, body in around.segments if code == marker and body.startswith(start))
    return next((body[len(start) :] for body in found), None)


def _dpi(around: parts.Around) -> tuple[float, float] | None:
    body = _of_kind(around, parts.APP0, parts.JFIF)
    if body is None or len(body) < 7 or body[2] not in (1, 2):
        return None
    across, down = struct.unpack_from(">HH", body, 3)
    scale = 1.0 if body[2] == 1 else 2.54
    return (across * scale, down * scale) if across and down else None


def write_jpeg(file: BinaryIO, image: ImageFile, quality: int | None = None) -> None:
    """Write a JPEG file, with the segments and the tail of the file that it was read from."""
    page = image.pages[0]
    own = page.own
    level = BEST if quality is None else quality
    around = own.get("tail")
    if page.color.dtype == np.uint16 or (own.get("lossless") and quality is None):
        encoded = _encoded_deep(page, quality)
    else:
        keys: dict[str, Any] = {"quality": level, "subsampling": 0 if level >= _FULL_CHROMA else 2}
        keys |= {"progressive": own["progressive"]} if "progressive" in own else {}
        if around is None:
            keys |= {"icc_profile": page.icc, "exif": _exif(page), "xmp": page.xmp, "dpi": page.dpi}
            keys |= {"comment": own["comment"]} if "comment" in own else {}
        buffer = io.BytesIO()
        image_of(page).save(buffer, "JPEG", **{key: value for key, value in keys.items() if value is not None})
        encoded = buffer.getvalue()
    if around is not None:
        encoded = parts.joined(encoded, _segments(page), around)
    file.write(encoded)


def _exif(page: ImagePage) -> bytes | None:
    block = with_orientation(page.exif, page.orientation)
    return None if block is None else parts.EXIF + block


def _segments(page: ImagePage) -> list[parts.Segment]:
    """Return the segments to write: as read, but for what the encoder or the page states anew."""
    found: list[parts.Segment] = []
    for marker, body in page.own["segments"]:
        if marker == parts.APP14 or marker == parts.APP11:  # the color transform; signatures of the old pixels
            continue
        if marker == parts.APP2 and body.startswith(parts.ICC) and page.icc is None:
            continue
        if marker == parts.APP1 and body.startswith(parts.EXIF):
            block = _exif(page)
            if block is None or len(block) > parts.LONGEST:
                continue
            body = block
        found.append((marker, body))
    return found


def _encoded_deep(page: ImagePage, quality: int | None) -> bytes:
    """Encode without loss, or as 12 bits."""
    pixels = page.color
    lossless = bool(page.own.get("lossless")) and quality is None
    bits = 8 if pixels.dtype == np.uint8 else page.own.get("precision", 12) if lossless else 12
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels * ((2**bits - 1) / 65535)).astype(np.uint16)
    pixels = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == GRAY else pixels)
    if lossless:
        return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits))
    level = BEST if quality is None else quality
    chroma = "444" if level >= _FULL_CHROMA or pixels.ndim == 2 else "420"
    return bytes(imagecodecs.jpeg8_encode(pixels, level, bitspersample=bits, subsampling=chroma))
