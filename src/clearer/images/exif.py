"""EXIF blocks: bytes from the TIFF header on, read for the orientation and written with another."""

from __future__ import annotations

import contextlib

from PIL import ExifTags, Image

_HEAD = b"Exif\0\0"


def plain(block: bytes | None) -> bytes | None:
    """Return the block without the "Exif" that some formats put before it; None for nothing."""
    return (block or b"").removeprefix(_HEAD) or None


def parsed(block: bytes | None) -> Image.Exif:
    """Return the entries of a block; of a broken one, none: that is no reason to refuse an image."""
    found = Image.Exif()
    if block:
        try:
            found.load(_HEAD + block)
            found.get_ifd(ExifTags.IFD.Exif)
        except Exception:  # Pillow raises SyntaxError, struct.error, KeyError and more
            return Image.Exif()
    return found


def orientation_of(block: bytes | None) -> int:
    """Return the orientation, 1 to 8; 1 where none is given or it makes no sense."""
    with contextlib.suppress(Exception):
        value = int(parsed(block).get(ExifTags.Base.Orientation, 1))
        return value if 1 <= value <= 8 else 1
    return 1


def with_orientation(block: bytes | None, orientation: int) -> bytes | None:
    """Return the block as it is where it says so already, else one made anew that does."""
    if orientation_of(block) == orientation:
        return block
    entries = parsed(block)
    entries[ExifTags.Base.Orientation] = orientation
    return plain(entries.tobytes())
