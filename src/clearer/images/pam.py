"""Read and write PAM, the Netpbm format with alpha: gray or RGB, with any largest level up to 65535."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np

from clearer.core.errors import UserError
from clearer.images.largest_level import check_top, to_stored, to_whole, white_of
from clearer.images.types import GRAY, RGB, AnyPixels, Header, ImageFile, ImagePage, PageOwn, check_size

_LONGEST_HEADER = 1 << 16
_END = b"ENDHDR"


class _Head(NamedTuple):
    """The header: sizes, the largest level, the kind of samples, comments, and where the samples begin."""

    width: int
    height: int
    depth: int
    top: int
    kind: str
    comments: tuple[bytes, ...]
    end: int


def _head_of(data: bytes) -> _Head:
    """Read a header.

    Raises:
        UserError: it is broken, of channels that are not supported, or the image is too large.
    """
    numbers: dict[bytes, int] = {}
    kinds: list[str] = []
    comments: list[bytes] = []
    place = data.find(b"\n") + 1
    while place > 0:
        end = data.find(b"\n", place)
        line, place = data[place : max(end, place)].strip(), end + 1
        name, _, value = line.partition(b" ")
        if line.startswith(b"#"):
            comments.append(line)
        elif name == b"TUPLTYPE":
            kinds.append(value.strip().decode("latin-1"))
        elif name == _END:
            break
        elif line:
            if name not in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL") or not value.strip().isdigit() or len(value) > 20:
                raise UserError("not readable as an image (broken header); replace or remove it")
            numbers[name] = int(value)
    if place <= 0 or len(numbers) < 4:
        raise UserError("not readable as an image (broken header); replace or remove it")
    width, height, depth, top = (numbers[name] for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    check_size(width, height)
    check_top(top)
    if not 1 <= depth <= 4:
        raise UserError(f"has {depth} channels, which cannot be kept; convert it to TIFF first")
    return _Head(width, height, depth, top, " ".join(kinds), tuple(comments), place)


def pam_header(file: BinaryIO) -> Header:
    """Return the header of an open file: nothing is decoded.

    Raises:
        UserError: see `read_pam`.
    """
    head = _head_of(file.read(_LONGEST_HEADER))
    return Header.of_stored(head.width, head.height, 1, GRAY if head.depth <= 2 else RGB)


def read_pam(data: bytes) -> ImageFile:
    """Read a file of gray or RGB, with or without alpha, which is the last of 2 or 4 channels.

    Raises:
        UserError: the file is broken, cut short, too large or of other channels.
    """
    head = _head_of(data[:_LONGEST_HEADER])
    stored = np.dtype("u1" if head.top < 256 else ">u2")
    count = head.height * head.width * head.depth
    if len(data) < head.end + count * stored.itemsize:
        raise UserError("not readable as an image (the file is cut short); replace or remove it")
    levels: AnyPixels = np.frombuffer(data, stored, count, head.end).reshape(head.height, head.width, head.depth)
    if levels.max(initial=0) > head.top:
        raise UserError(f"not readable as an image (levels above its largest, {head.top}); replace or remove it")
    pixels = to_whole(levels, head.top)
    own: PageOwn = {"tuple_type": head.kind}
    if head.top != white_of(head.top):
        own["top"] = head.top
    if head.comments:
        own["header_comments"] = head.comments
    colors = GRAY if head.depth <= 2 else RGB
    alpha = np.ascontiguousarray(pixels[:, :, colors:]) if head.depth > colors else None
    return ImageFile("PAM", (ImagePage(np.ascontiguousarray(pixels[:, :, :colors]), alpha, own=own),))


def write_pam(file: BinaryIO, image: ImageFile) -> None:
    """Write one page, with the largest level and the comments that it was read with."""
    page = image.pages[0]
    pixels = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
    height, width, depth = pixels.shape
    body, top = to_stored(pixels, page.own.get("top"))
    usual = {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}[depth]
    kind = page.own.get("tuple_type", usual)
    comments = b"".join(comment + b"\n" for comment in page.own.get("header_comments", ()))
    head = f"WIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL {top}\n" + (f"TUPLTYPE {kind}\n" if kind else "")
    file.write(b"P7\n" + comments + head.encode("latin-1") + _END + b"\n" + body)
