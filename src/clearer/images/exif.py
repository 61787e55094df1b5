"""EXIF blocks: read the orientation, write a block with another one."""

from __future__ import annotations

import contextlib
import struct
from typing import NamedTuple

from PIL import ExifTags, Image

_HEAD = b"Exif\0\0"


class Directories(NamedTuple):
    """The first groups of entries of a block: of the image, and of its thumbnail.

    Attributes:
        order: of bytes, as in `struct`.
        entries: for each group, the place of the entry of each tag.
    """

    order: str
    entries: tuple[dict[int, int], ...]


def directories(block: bytes) -> Directories | None:
    """Return where the entries of a block lie; None if it is broken."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    found: list[dict[int, int]] = []
    try:
        (place,) = struct.unpack_from(order + "I", block, 4)
        while place and len(found) < 2:
            (count,) = struct.unpack_from(order + "H", block, place)
            places = range(place + 2, place + 2 + 12 * count, 12)
            found.append({struct.unpack_from(order + "H", block, at)[0]: at for at in places})
            (place,) = struct.unpack_from(order + "I", block, place + 2 + 12 * count)
    except struct.error:
        return None
    return Directories(order, tuple(found))


def plain(block: bytes | None) -> bytes | None:
    """Return the block from its TIFF header on, without the "Exif" that some formats prepend; None if empty."""
    return (block or b"").removeprefix(_HEAD) or None


def parsed(block: bytes | None) -> Image.Exif:
    """Return the entries of a block; none if it is broken, which is no reason to refuse an image."""
    found = Image.Exif()
    if block:
        try:
            found.load(_HEAD + block)
            found.get_ifd(ExifTags.IFD.Exif)
        except Exception:  # Pillow raises SyntaxError, struct.error, KeyError and more
            return Image.Exif()
    return found


def orientation_of(block: bytes | None) -> int:
    """Return the orientation, 1 to 8; 1 if it is missing or invalid.

    Only the first group of entries is read: an orientation counts even if the camera's group is broken.
    """
    if not block:
        return 1
    found = Image.Exif()
    with contextlib.suppress(Exception):
        found.load(_HEAD + block)
        return valid_orientation(found.get(ExifTags.Base.Orientation, 1))
    return 1


def valid_orientation(value: object) -> int:
    """Return an orientation found in a file as a number from 1 to 8; 1 if it is none of them.

    >>> valid_orientation(6), valid_orientation(9), valid_orientation("left")
    (6, 1, 1)
    """
    with contextlib.suppress(ValueError, TypeError):
        number = int(value)  # type: ignore[call-overload]
        return number if 1 <= number <= 8 else 1
    return 1


def _with_orientation_in_place(block: bytes, orientation: int) -> bytes | None:
    """Return the block with another number in its place, so that nothing moves; None if it states none."""
    found = directories(block)
    at = found.entries[0].get(ExifTags.Base.Orientation) if found is not None and found.entries else None
    if found is None or at is None or struct.unpack_from(found.order + "HI", block, at + 2) != (3, 1):
        return None
    return block[: at + 8] + struct.pack(found.order + "H", orientation) + block[at + 10 :]


def with_orientation(block: bytes | None, orientation: int) -> bytes | None:
    """Return the block unchanged if it has this orientation already, otherwise a new block that has it."""
    if orientation_of(block) == orientation:
        return block
    changed = None if block is None else _with_orientation_in_place(block, orientation)
    if changed is not None:
        return changed
    entries = parsed(block)
    entries[ExifTags.Base.Orientation] = orientation
    return plain(entries.tobytes())
