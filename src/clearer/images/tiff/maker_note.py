"""Maker notes of cameras: directories in EXIF whose offsets may count from the start of the file."""

from __future__ import annotations

import struct

MAKER_NOTE = 37500
_HEADS = (0, 8, 10, 12)
"""Bytes before the directory: none (Canon), or the name of the maker (Olympus, Nikon, Sony, Panasonic)."""
_MOST_TAGS = 1024
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8)  # by data type


def moved_note(data: bytes, old: int, new: int) -> bytes:
    """Return a maker note for another place in the file: its offsets into itself are corrected.

    Only offsets that count from the start of the file are changed, which all lead into the note.

    Args:
        data: the note.
        old, new: where it begins.
    """
    if old == new:
        return data
    for head in _HEADS:
        for order in "<>":
            places = _offsets(data, head, order)
            found = [struct.unpack_from(order + "I", data, place)[0] for place in places]
            if found and all(old <= value < old + len(data) for value in found):
                out = bytearray(data)
                for place, value in zip(places, found, strict=True):
                    struct.pack_into(order + "I", out, place, value - old + new)
                return bytes(out)
    return data


def _offsets(data: bytes, head: int, order: str) -> list[int]:
    """Return where a directory in a note has offsets; none if there is no such directory."""
    if len(data) < head + 2:
        return []
    (count,) = struct.unpack_from(order + "H", data, head)
    if not 0 < count <= _MOST_TAGS or head + 2 + 12 * count > len(data):
        return []
    found = []
    for place in range(head + 2, head + 2 + 12 * count, 12):
        _, kind, number = struct.unpack_from(order + "HHI", data, place)
        if not 0 < kind < len(_SIZES):
            return []
        if _SIZES[kind] * number > 4:
            found.append(place + 8)
    return found
