"""The thumbnail in an EXIF block: made anew from restored pixels, which it would otherwise show as they were."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from clearer.images.exif import directories
from clearer.images.pixels import rgb_of_cmyk, to_uint8
from clearer.images.types import CMYK, ImageFile, ImagePage, with_notes

_START, _LENGTH = 0x201, 0x202  # tags of the second directory
_LONGEST = 65527  # of a block in a JPEG segment
_QUALITIES = (85, 60, 30)
_SAME = 0.02  # relative difference of aspects up to which no black bars are drawn, as cameras have them
_BESIDE = ("further image", "video of the motion photo", "thumbnail of Photoshop", "thumbnail in JFIF")
"""Parts of a JPEG file that show what the image shows."""
_OLD = "its thumbnail still shows it as it was"


class _Slot(NamedTuple):
    """Where a thumbnail lies in a block, and where its start and length are stated."""

    start: int
    length: int
    order: str
    start_at: int
    length_at: int


def _slot_of(block: bytes) -> _Slot | None:
    found = directories(block)
    if found is None or len(found.entries) < 2:
        return None
    entries = found.entries[1]
    if _START not in entries or _LENGTH not in entries:
        return None
    at = entries[_START] + 8, entries[_LENGTH] + 8
    start, length = (struct.unpack_from(found.order + "I", block, place)[0] for place in at)
    return _Slot(start, length, found.order, *at) if length > 0 and start + length <= len(block) else None


def without_thumbnail(block: bytes) -> bytes:
    """Return what a block says beside its thumbnail, to compare blocks; it is no block any more."""
    slot = _slot_of(block)
    if slot is None:
        return block
    bare = bytearray(block)
    bare[slot.start : slot.start + slot.length] = bytes(slot.length)
    bare[slot.start_at : slot.start_at + 4] = bare[slot.length_at : slot.length_at + 4] = bytes(4)
    return bytes(bare).rstrip(b"\0")


def beside_restored(before: ImageFile, after: ImageFile) -> ImageFile:
    """Return a restored file whose thumbnails show it, with notes on what still shows the image as it was.

    Nothing changes where no pixel did.
    """
    notes: list[str] = []
    pages = list(after.pages)
    for number, (old, new) in enumerate(zip(before.pages, pages, strict=False)):
        if new.exif is not None and _slot_of(new.exif) is not None and not np.array_equal(old.color, new.color):
            pages[number], note = with_thumbnail(new)
            notes += [] if note is None else [note]
    beside = [part.name for part in before.parts if part.name in _BESIDE]
    same = before.source == after.format == "JPEG"
    if same and beside and not np.array_equal(before.pages[0].color, pages[0].color):
        notes.append(f"kept as it was, not restored: {', '.join(dict.fromkeys(beside))}")
    return with_notes(replace(after, pages=tuple(pages)), *notes)


def with_thumbnail(page: ImagePage) -> tuple[ImagePage, str | None]:
    """Return a page whose EXIF thumbnail, if it has one, shows its pixels; and a note if that cannot be done."""
    slot = None if page.exif is None else _slot_of(page.exif)
    if page.exif is None or slot is None:
        return page, None
    try:
        with Image.open(io.BytesIO(page.exif[slot.start : slot.start + slot.length]), formats=("JPEG",)) as old:
            size = old.size
    except Exception:  # Pillow raises many kinds on broken bytes
        return page, _OLD
    small = _reduced(page, size)
    for quality in _QUALITIES:
        file = io.BytesIO()
        small.save(file, "JPEG", quality=quality)
        block = _replaced(page.exif, slot, file.getvalue())
        if len(block) <= max(_LONGEST, len(page.exif)):
            return replace(page, exif=block), None
    return page, _OLD


def _reduced(page: ImagePage, size: tuple[int, int]) -> Image.Image:
    color = rgb_of_cmyk(page.color) if page.color.shape[2] == CMYK else page.color
    if color.dtype.kind == "f":
        color = np.nan_to_num(color, nan=0.0).clip(0, 1)
    levels = to_uint8(color)
    whole = Image.fromarray(np.ascontiguousarray(levels[:, :, 0] if levels.shape[2] == 1 else levels))
    aspect = whole.width * size[1] / (whole.height * size[0])
    if abs(aspect - 1) <= _SAME:
        return whole.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return ImageOps.pad(whole, size)


def _replaced(block: bytes, slot: _Slot, jpeg: bytes) -> bytes:
    """Return a block with another thumbnail; nothing else in it moves."""
    end = slot.start + slot.length
    fits = len(jpeg) <= slot.length
    if end == len(block):
        start, block = slot.start, block[: slot.start] + jpeg
    elif fits:
        start, block = slot.start, block[: slot.start] + jpeg.ljust(slot.length, b"\0") + block[end:]
    else:
        start, block = len(block), block[: slot.start] + bytes(slot.length) + block[end:] + jpeg
    changed = bytearray(block)
    struct.pack_into(slot.order + "I", changed, slot.start_at, start)
    struct.pack_into(slot.order + "I", changed, slot.length_at, len(jpeg))
    return bytes(changed)
