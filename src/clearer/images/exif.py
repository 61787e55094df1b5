"""EXIF blocks: read the orientation, write a block with another one."""

from __future__ import annotations

import contextlib

from PIL import ExifTags, Image

_HEAD = b"Exif\0\0"


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


def with_orientation(block: bytes | None, orientation: int) -> bytes | None:
    """Return the block unchanged if it has this orientation already, otherwise a new block that has it."""
    if orientation_of(block) == orientation:
        return block
    entries = parsed(block)
    entries[ExifTags.Base.Orientation] = orientation
    return plain(entries.tobytes())
