"""Read and write the plain formats of Netpbm: PBM, PGM, PPM and, of floating point, PFM.

Any largest level up to 65535 is read: the levels are scaled to 8 or 16 bits, and back when the file is written.
"""

from __future__ import annotations

import re
from typing import BinaryIO, NamedTuple

import numpy as np

from clearer.core.errors import UserError
from clearer.images.largest_level import check_top, to_stored, to_whole, white_of
from clearer.images.types import (
    GRAY,
    RGB,
    AnyPixels,
    Header,
    ImageFile,
    ImagePage,
    PageOwn,
    check_size,
)

_KINDS = {
    b"P1": "PBM",
    b"P2": "PGM",
    b"P3": "PPM",
    b"P4": "PBM",
    b"P5": "PGM",
    b"P6": "PPM",
    b"Pf": "PFM",
    b"PF": "PFM",
}
_PLAIN = (b"P1", b"P2", b"P3")  # levels written as digits
_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([0-9.eE+-]+)")
_LONGEST_HEADER = 1 << 16


class _Head(NamedTuple):
    """The header of a file: ``top`` is the largest level, of PFM the scale; the pixels begin at ``end``."""

    magic: bytes
    width: int
    height: int
    top: float
    end: int
    comments: tuple[bytes, ...]

    @property
    def channels(self) -> int:
        return RGB if self.magic in (b"P3", b"P6", b"PF") else GRAY


def _head_of(data: bytes) -> _Head:
    """Read a header.

    Raises:
        UserError: it is broken, or the image is too large.
    """
    magic, place, numbers = data[:2], 2, []
    for _ in range(2 if _KINDS[magic] == "PBM" else 3):
        found = _TOKEN.match(data, place)
        if found is None or len(found[1]) > 40:
            raise UserError("not readable as an image (broken header); replace or remove it")
        numbers.append(float(found[1]))
        place = found.end()
    comments = tuple(re.findall(rb"#[^\n\r]*", data[2:place]))
    width, height, top = (*numbers, 1)[:3]
    check_size(int(width), int(height))
    if _KINDS[magic] == "PFM" and not (top and np.isfinite(top)):
        raise UserError("not readable as an image (a PFM of scale 0); replace or remove it")
    if _KINDS[magic] != "PFM":
        check_top(top)
    return _Head(magic, int(width), int(height), top, place + 1, comments)


def netpbm_header(file: BinaryIO) -> Header:
    """Return the header of an open file: nothing is decoded.

    Raises:
        UserError: see `read_netpbm`.
    """
    head = _head_of(file.read(_LONGEST_HEADER))
    return Header.of_stored(head.width, head.height, 1, head.channels)


def read_netpbm(data: bytes) -> ImageFile:
    """Read a file of any kind but PAM.

    Raises:
        UserError: the file is broken, cut short or too large.
    """
    head = _head_of(data[:_LONGEST_HEADER])
    kind = _KINDS[head.magic]
    own: PageOwn = {"header_comments": head.comments} if head.comments else {}
    if kind == "PFM":
        order = "<" if head.top < 0 else ">"
        pixels = _stored(data, head, np.dtype(order + "f4"))[::-1].astype(np.float32)
        own["scale"] = head.top
    elif kind == "PBM":
        pixels = ~_bits(data, head)
    else:
        pixels = _levels(data, head)
        top = int(head.top)
        if pixels.max(initial=0) > top or pixels.min(initial=0) < 0:
            raise UserError(f"not readable as an image (levels that are not in 0..{top}); replace or remove it")
        if top != white_of(top):
            own["top"] = top
        pixels = to_whole(pixels, top)
    return ImageFile(kind, (ImagePage(np.ascontiguousarray(pixels), own=own),))


def end_of(data: bytes) -> int | None:
    """Return where the first image of a file ends; None of levels written as digits.

    Raises:
        UserError: see `read_netpbm`.
    """
    head = _head_of(data[:_LONGEST_HEADER])
    if head.magic in _PLAIN:
        return None
    across = (head.width + 7) // 8 if head.magic == b"P4" else head.width * head.channels
    sample = 4 if _KINDS[head.magic] == "PFM" else 2 if head.top > 255 else 1
    return head.end + head.height * across * sample


def _stored(data: bytes, head: _Head, dtype: np.dtype) -> AnyPixels:
    count = head.height * head.width * head.channels
    if len(data) < head.end + count * dtype.itemsize:
        raise UserError("not readable as an image (the file is cut short); replace or remove it")
    found: AnyPixels = np.frombuffer(data, dtype, count, head.end)
    return found.reshape(head.height, head.width, head.channels)


def _levels(data: bytes, head: _Head) -> AnyPixels:
    if head.magic not in _PLAIN:
        return _stored(data, head, np.dtype("u1" if head.top < 256 else ">u2"))
    words = re.sub(rb"#[^\n\r]*", b"", data[head.end - 1 :]).split()
    count = head.height * head.width * head.channels
    if len(words) < count:
        raise UserError("not readable as an image (the file is cut short); replace or remove it")
    return np.array(words[:count]).astype(np.int64).reshape(head.height, head.width, head.channels)


def _bits(data: bytes, head: _Head) -> AnyPixels:
    """Return where a PBM is black, (H, W, 1)."""
    if head.magic == b"P1":
        digits = np.frombuffer(re.sub(rb"#[^\n\r]*|\s", b"", data[head.end - 1 :]), np.uint8)
        if len(digits) < head.height * head.width or not np.isin(digits[: head.height * head.width], (48, 49)).all():
            raise UserError("not readable as an image (the file is cut short); replace or remove it")
        black: AnyPixels = digits[: head.height * head.width] == ord("1")
        return black.reshape(head.height, head.width, 1)
    across = (head.width + 7) // 8
    packed = _stored(data, head._replace(width=across), np.dtype("u1"))
    return np.unpackbits(packed[:, :, 0], axis=1)[:, : head.width, None].astype(bool)


def write_netpbm(file: BinaryIO, image: ImageFile) -> None:
    """Write one page as the format of the image says, always in the binary variant."""
    page = image.pages[0]
    pixels, own = page.color, page.own
    height, width, channels = pixels.shape
    comments = b"".join(comment + b"\n" for comment in own.get("header_comments", ()))
    if image.format == "PFM":
        scale = own.get("scale", -1.0)
        magic, last = (
            (b"PF" if channels == RGB else b"Pf"),
            b"%g\n" % scale if scale != int(scale) else b"%.1f\n" % scale,
        )
        body = np.ascontiguousarray(pixels[::-1], "<f4" if scale < 0 else ">f4").tobytes()
    elif image.format == "PBM":
        magic, last, body = b"P4", b"", np.packbits(~pixels[:, :, 0], axis=1).tobytes()
    else:
        body, top = to_stored(pixels, own.get("top"))
        magic, last = (b"P6" if channels == RGB else b"P5"), b"%d\n" % top
    file.write(magic + b"\n" + comments + b"%d %d\n" % (width, height) + last + body)
