"""Refuse undeveloped raw files of cameras: they hold a mosaic of one color a pixel, beside a small preview.

Most are TIFF files, which a reader of TIFF would take for their preview.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from clearer.core.errors import UserError

_SIGNATURES = (
    (0, b"FUJIFILMCCD-RAW", "Fujifilm RAF"),
    (0, b"IIRO", "Olympus ORF"),
    (0, b"IIRS", "Olympus ORF"),
    (0, b"MMOR", "Olympus ORF"),
    (0, b"IIU\0", "Panasonic RW2"),
    (0, b"\0MRM", "Minolta MRW"),
    (0, b"FOVb", "Sigma X3F"),
    (4, b"ftypcrx ", "Canon CR3"),
    (8, b"CR\x02\0", "Canon CR2"),
)
_MAKERS = {b"NIKON": "Nikon NEF", b"SONY": "Sony ARW", b"PENTAX": "Pentax PEF", b"SAMSUNG": "Samsung SRW"}
_PHOTOMETRIC, _MAKE, _SUBIFDS, _DNG_VERSION = 262, 271, 330, 50706
_MOSAIC, _LINEAR_RAW = 32803, 34892
_MOST_IFDS = 64  # a broken chain may be a circle


def refuse_raw(head: bytes, file: BinaryIO) -> None:
    """Raise a UserError if a file is undeveloped; anything else, broken files included, passes.

    Args:
        head: the first 16 bytes or more.
        file: the whole file, of which the tags of a TIFF are read.
    """
    kind = next((name for at, start, name in _SIGNATURES if head[at : at + len(start)] == start), None)
    if kind is None and head[:4] in (b"II*\0", b"MM\0*"):
        kind = _kind_of_tiff(file)
    if kind is not None:
        raise UserError(f"an undeveloped raw file ({kind}); develop it first, to TIFF or PNG of 16 bits")


def _kind_of_tiff(file: BinaryIO) -> str | None:
    """Return what a TIFF is called if one of its images is a mosaic or linear raw data."""
    maker, is_dng, is_raw = b"", False, False
    try:
        for tags in _groups_of_tags(file):
            maker = maker or next(iter(tags.get(_MAKE, [])), b"")
            is_dng = is_dng or _DNG_VERSION in tags
            is_raw = is_raw or any(value in (_MOSAIC, _LINEAR_RAW) for value in tags.get(_PHOTOMETRIC, []))
    except (struct.error, OSError):  # broken: the reader of TIFF says so
        return None
    if not is_raw:
        return None
    known = (name for start, name in _MAKERS.items() if maker.upper().startswith(start))
    return "DNG" if is_dng else next(known, "a mosaic of one color a pixel")


def _groups_of_tags(file: BinaryIO) -> Iterator[dict[int, list[Any]]]:
    """Yield the needed tags of each image of a TIFF: those of its chain and those below them."""
    order = "<" if _at(file, 0, 2) == b"II" else ">"
    (start,) = struct.unpack(order + "I", _at(file, 4, 4))
    waiting: list[int] = [start]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_IFDS:
        start = waiting.pop(0)
        if not start or start in seen:
            continue
        seen.add(start)
        (count,) = struct.unpack(order + "H", _at(file, start, 2))
        entries = _at(file, start + 2, 12 * count)
        found: dict[int, list[Any]] = {}
        for k in range(count):
            code, kind, many = struct.unpack_from(order + "HHI", entries, 12 * k)
            if code in (_PHOTOMETRIC, _MAKE, _SUBIFDS, _DNG_VERSION):
                found[code] = _values(file, order, kind, min(many, 64), entries[12 * k + 8 : 12 * k + 12])
        yield found
        waiting += found.get(_SUBIFDS, [])
        waiting += struct.unpack(order + "I", _at(file, start + 2 + 12 * count, 4))


def _values(file: BinaryIO, order: str, kind: int, count: int, field: bytes) -> list[Any]:
    letter = {1: "B", 2: "s", 3: "H", 4: "I", 13: "I"}.get(kind)
    if letter is None:
        return []
    layout = order + (f"{count}s" if letter == "s" else letter * count)
    size = struct.calcsize(layout)
    if size > 4:
        (place,) = struct.unpack(order + "I", field)
        field = _at(file, place, size)
    return list(struct.unpack(layout, field[:size]))


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
