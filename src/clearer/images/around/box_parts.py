"""The inventory of a file of boxes: HEIF, AVIF, JPEG XL, JPEG 2000."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from clearer.images.around.boxes import Box, box_at, boxes_of
from clearer.images.around.part import EXIF, FRAMES, PROFILE, TIMES, XMP, Part, digest, whole_milliseconds

_MOST_FRAMES = 1_000_000  # of which the times are listed; a damaged file may state any number
_UNSTATED, _SRGB_TRANSFER = 2, 13
_EXIF_ID = b"JpgTiffExif->JP2"
_XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_NAMES = {
    b"Exif": EXIF,
    b"xml ": XMP,
    b"jumb": "content credentials",
    b"jbrd": "data that makes the JPEG again that it was",
    b"jhgm": "gain map",
    b"mpvd": "video of the motion photo",
}


def parts_of_boxes(data: bytes) -> Iterator[Part]:
    """Yield what is beside the pixels. Broken files raise struct.error or IndexError."""
    for box in boxes_of(data):
        kind = box.kind
        if kind == b"brob":
            kind = data[box.start : box.start + 4]
        if kind in _NAMES:
            yield Part(_NAMES[kind])
        elif kind == b"uuid":
            names = {_EXIF_ID: EXIF, _XMP_ID: XMP}
            yield Part(names.get(data[box.start : box.start + 16], "private data (uuid)"))
        elif kind == b"meta":
            yield from _of_items(data, box)
        elif kind == b"moov":
            yield from _of_tracks(data, box)
        elif kind == b"jp2h":
            for inner in boxes_of(data, box.start, box.end):
                if inner.kind == b"colr" and data[inner.start] == 2:
                    yield Part(PROFILE, digest(data[inner.start + 3 : inner.end]))


class _Item(NamedTuple):
    kind: bytes
    content: bytes


def _of_items(data: bytes, meta: Box) -> Iterator[Part]:
    items = _items(data, meta)
    primary = _primary(data, meta)
    references = list(_references(data, meta))
    properties = _properties(data, meta)
    tiles = {to for kind, _, targets in references if kind == b"dimg" for to in targets}
    thumbnails = {source for kind, source, _ in references if kind == b"thmb"}
    for number, item in items.items():
        owned = properties.get(number, [])
        auxiliary = next((data[b.start + 4 : b.end].rstrip(b"\0") for b in owned if b.kind == b"auxC"), None)
        if item.kind == b"Exif":
            yield Part(EXIF)
        elif item.kind == b"mime":
            yield Part(XMP if b"rdf+xml" in item.content else f"metadata {item.content.decode('latin-1')}")
        elif item.kind == b"uri ":
            yield Part("metadata")
        elif item.kind == b"tmap":
            yield Part("gain map")
        elif auxiliary is not None:
            yield from _of_auxiliary(auxiliary.decode("latin-1"))
        elif number in thumbnails:
            yield Part("thumbnail")
        elif number != primary and number not in tiles:
            yield Part("further image")
    has_profile = False
    for box in properties.get(primary, []):
        body = data[box.start : box.end]
        if box.kind == b"colr" and body[:4] in (b"prof", b"rICC"):
            has_profile = True
            yield Part(PROFILE, digest(body[4:]))
        elif box.kind in (b"clli", b"mdcv"):
            yield Part("levels of brightness", digest(body))
    coding = coding_of(data)
    if coding is not None and not has_profile:
        yield Part("color coding", digest(coding))


def coding_of(data: bytes) -> bytes | None:
    """Return primaries and transfer of the main image, two numbers of 2 bytes; None for sRGB and for none stated."""
    found = _coding_box(data)
    if found is None:
        return None
    primaries, transfer = struct.unpack_from(">HH", data, found.start + 4)
    usual = primaries in (1, _UNSTATED) and transfer in (_SRGB_TRANSFER, _UNSTATED)
    return None if usual else data[found.start + 4 : found.start + 8]


def with_coding(data: bytes, coding: bytes) -> bytes:
    """Return a file that states other primaries and another transfer; unchanged if it states none."""
    found = _coding_box(data)
    return data if found is None else data[: found.start + 4] + coding + data[found.start + 8 :]


def _coding_box(data: bytes) -> Box | None:
    try:
        meta = box_at(data, b"meta")
        owned = [] if meta is None else _properties(data, meta).get(_primary(data, meta), [])
    except (struct.error, IndexError):  # broken, which the decoder says
        return None
    kinds = (box for box in owned if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx")
    return next((box for box in kinds if box.end - box.start >= 8), None)


def _of_auxiliary(kind: str) -> Iterator[Part]:
    if "alpha" in kind or kind.endswith("auxid:1"):
        return
    if "depth" in kind or "disparity" in kind or kind.endswith("auxid:2"):
        yield Part("depth map")
    elif "gainmap" in kind.lower():
        yield Part("gain map")
    else:
        yield Part(f"further image ({kind.rpartition(':')[2]})")


def _items(data: bytes, meta: Box) -> dict[int, _Item]:
    found: dict[int, _Item] = {}
    table = box_at(data, b"iinf", within=meta)
    if table is None:
        return found
    skip = 6 if data[table.start] == 0 else 8
    for box in boxes_of(data, table.start + skip, table.end):
        version = data[box.start]
        if box.kind != b"infe" or version < 2:
            continue
        layout = ">HH4s" if version == 2 else ">IH4s"
        number, _, kind = struct.unpack_from(layout, data, box.start + 4)
        rest = data[box.start + 4 + struct.calcsize(layout) : box.end]
        found[number] = _Item(kind, rest.partition(b"\0")[2].partition(b"\0")[0])
    return found


def _primary(data: bytes, meta: Box) -> int:
    box = box_at(data, b"pitm", within=meta)
    if box is None:
        return 0
    layout = ">H" if data[box.start] == 0 else ">I"
    return int(struct.unpack_from(layout, data, box.start + 4)[0])


def _references(data: bytes, meta: Box) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """Yield the kind of each reference, the item that it starts from, and those that it leads to."""
    table = box_at(data, b"iref", within=meta)
    if table is None:
        return
    letter = "H" if data[table.start] == 0 else "I"
    for box in boxes_of(data, table.start + 4, table.end):
        source, count = struct.unpack_from(f">{letter}H", data, box.start)
        place = box.start + struct.calcsize(f">{letter}H")
        yield box.kind, source, struct.unpack_from(f">{count}{letter}", data, place)


def _properties(data: bytes, meta: Box) -> dict[int, list[Box]]:
    """Return the properties of each item."""
    group = box_at(data, b"iprp", within=meta)
    if group is None:
        return {}
    store = box_at(data, b"ipco", within=group)
    owned = [] if store is None else list(boxes_of(data, store.start, store.end))
    found: dict[int, list[Box]] = {}
    for box in boxes_of(data, group.start, group.end):
        if box.kind != b"ipma":
            continue
        version, wide = data[box.start], data[box.start + 3] & 1
        (count,) = struct.unpack_from(">I", data, box.start + 4)
        place = box.start + 8
        for _ in range(count):
            number, many = struct.unpack_from(">HB" if version < 1 else ">IB", data, place)
            place += 3 if version < 1 else 5
            size, mask = (2, 0x7FFF) if wide else (1, 0x7F)
            numbers = struct.unpack_from(f">{many}{'H' if wide else 'B'}", data, place)
            place += size * many
            found[number] = [owned[(n & mask) - 1] for n in numbers if 0 < n & mask <= len(owned)]
    return found


def _of_tracks(data: bytes, moov: Box) -> Iterator[Part]:
    """Yield the number of frames of a sequence, and their times."""
    for track in boxes_of(data, moov.start, moov.end):
        if track.kind == b"trak":
            handler = box_at(data, b"mdia", b"hdlr", within=track)
            sizes = box_at(data, b"mdia", b"minf", b"stbl", b"stsz", within=track)
            if handler is not None and sizes is not None and data[handler.start + 8 : handler.start + 12] == b"pict":
                yield Part(FRAMES, str(struct.unpack_from(">I", data, sizes.start + 8)[0]), exact=True)
                if times := whole_milliseconds(_times(data, track)):
                    yield Part(TIMES, " ".join(map(str, times)), exact=True)


def frame_times(data: bytes) -> list[float]:
    """Return the time of each frame of an AVIF sequence in milliseconds, as exact as the file states it; else none."""
    try:
        moov = next((box for box in boxes_of(data) if box.kind == b"moov"), None)
        tracks = [] if moov is None else [box for box in boxes_of(data, moov.start, moov.end) if box.kind == b"trak"]
        return next((times for track in tracks if (times := _times(data, track))), [])
    except (struct.error, IndexError):  # broken, which the decoder says
        return []


def _times(data: bytes, track: Box) -> list[float]:
    """Return the time of each frame in milliseconds; none where the file does not state them."""
    head = box_at(data, b"mdia", b"mdhd", within=track)
    table = box_at(data, b"mdia", b"minf", b"stbl", b"stts", within=track)
    if head is None or table is None:
        return []
    scale: int = struct.unpack_from(">I", data, head.start + (12 if data[head.start] == 0 else 20))[0]
    (runs,) = struct.unpack_from(">I", data, table.start + 4)
    found: list[float] = []
    for number in range(runs):
        frames, units = struct.unpack_from(">II", data, table.start + 8 + 8 * number)
        if len(found) + frames > _MOST_FRAMES:
            return []
        found += [1000 * units / (scale or 1)] * frames
    return found
