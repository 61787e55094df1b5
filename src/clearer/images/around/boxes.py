"""Boxes, as HEIF, AVIF, JPEG XL and JPEG 2000 files are made of."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Box(NamedTuple):
    """A box: its kind, and where its body begins and ends in the file."""

    kind: bytes
    start: int
    end: int


def boxes_of(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two places. A size that reaches too far ends with the file."""
    end = len(data) if end is None else min(end, len(data))
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        last = end if size == 0 else min(start + size, end)
        if last < start + head:
            return
        yield Box(kind, start + head, last)
        start = last


def box_at(data: bytes, *kinds: bytes, within: Box | None = None) -> Box | None:
    """Return the first box at a path, such as ``b"meta", b"iprp"``; None if there is none."""
    found = within
    for kind in kinds:
        start, end = (0, None) if found is None else (found.start + (4 if found.kind == b"meta" else 0), found.end)
        found = next((box for box in boxes_of(data, start, end) if box.kind == kind), None)
        if found is None:
            return None
    return found
