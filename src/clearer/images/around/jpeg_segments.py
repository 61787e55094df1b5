"""The segments of a JPEG file, and what follows its image: a gain map, a second image, the video of a motion photo.

All of it is carried over byte by byte. What follows the image is found by its distance from the end of the file
(motion photos) or in order (gain maps), which stay right; only the index of the Multi-Picture Format states
distances from the beginning, and is corrected.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO, NamedTuple

from clearer.core.errors import UserError

Segment = tuple[int, bytes]
"""A marker, such as 0xE1 for APP1, and the body without its length."""

APP0, APP1, APP2, APP11, APP13, APP14, COM = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xFE
EXIF, XMP, MORE_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC, MPF, JFIF = b"ICC_PROFILE\0", b"MPF\0", b"JFIF\0"
LONGEST = 65533
"""Bytes that a segment holds."""

_SCAN_ENDS = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_SIZE, _OFFSET, _LENGTH = 4, 8, 16  # of an entry of the index


class Around(NamedTuple):
    """What is around the pixels of a JPEG file.

    Attributes:
        segments: APPn and comments, in order.
        frame: the marker of the frame, such as 0xC0 for baseline, and its body: precision, height, width and more.
        tail: the bytes after the end of the image.
        tail_at: where the tail begins in the file.
        index_at: where the header lies that the index of further images counts from; None without an index.
    """

    segments: list[Segment]
    frame: Segment
    tail: bytes
    tail_at: int
    index_at: int | None


def around_of(data: bytes) -> Around:
    """Take a file apart without decoding it.

    Raises:
        UserError: the file is broken or cut short.
    """
    segments: list[Segment] = []
    frame: Segment = (0, b"")
    place, index_at = 2, None
    while True:
        while data[place + 1 : place + 2] == b"\xff":
            place += 1
        if data[place : place + 1] != b"\xff" or place + 2 > len(data):
            raise UserError("not readable as an image (broken segments in the JPEG); replace or remove it")
        marker = data[place + 1]
        if marker == 0xD9:
            return Around(segments, frame, data[place + 2 :], place + 2, index_at)
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            place += 2
            continue
        (length,) = struct.unpack_from(">H", data, place + 2) if place + 4 <= len(data) else (0,)
        body = data[place + 4 : place + 2 + length]
        if len(body) != length - 2:
            raise UserError("not readable as an image (the JPEG is cut short); replace or remove it")
        if 0xE0 <= marker <= 0xEF or marker == COM:
            segments.append((marker, body))
            if marker == APP2 and body.startswith(MPF) and index_at is None:
                index_at = place + 4 + len(MPF)
        elif _is_frame(marker):
            frame = (marker, body)
        place += 2 + length
        if marker == 0xDA:
            found = _SCAN_ENDS.search(data, place)
            if found is None:
                raise UserError("not readable as an image (the JPEG is cut short); replace or remove it")
            place = found.end() - 2


def frame_of(file: BinaryIO) -> Segment | None:
    """Return the frame of an open file, by its first segments alone; None if they are broken."""
    file.seek(2)
    while True:
        start = file.read(2)
        while start[1:] == b"\xff":
            start = start[1:] + file.read(1)
        size = file.read(2)
        if len(size) < 2 or start[:1] != b"\xff" or start[1] == 0xDA:
            return None
        length = int.from_bytes(size, "big") - 2
        if _is_frame(start[1]):
            return start[1], file.read(length)
        file.seek(length, 1)


def _is_frame(marker: int) -> bool:
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def joined(encoded: bytes, segments: list[Segment], before: Around) -> bytes:
    """Return a file with these segments instead of those of the encoder, and the tail of another file.

    Args:
        encoded: a file as an encoder wrote it. Its Adobe segment, which tells the color transform, stays.
        segments: in order.
        before: the file that the tail comes from.
    """
    mine = around_of(encoded)
    place = 2
    while encoded[place + 1] in range(0xE0, 0xF0) or encoded[place + 1] == COM:
        place += 2 + int.from_bytes(encoded[place + 2 : place + 4], "big")
    written = [*segments, *(segment for segment in mine.segments if segment[0] == APP14)]
    head = b"\xff\xd8" + b"".join(_bytes_of(segment) for segment in written)
    image = head + encoded[place : mine.tail_at]
    return _with_index(image, before) + before.tail


def _bytes_of(segment: Segment) -> bytes:
    marker, body = segment
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def _with_index(image: bytes, before: Around) -> bytes:
    """Return an image whose index of further images counts from where the tail is now: right behind it."""
    after = around_of(image)
    if after.index_at is None or before.index_at is None:
        return image
    changed = bytearray(image)
    for at, entry in index_entries(image, after.index_at):
        order = entry.order
        if entry.offset == 0:
            struct.pack_into(order + "I", changed, at + _SIZE, after.tail_at)
        elif before.index_at + entry.offset >= before.tail_at:
            moved = before.index_at + entry.offset - before.tail_at + after.tail_at - after.index_at
            struct.pack_into(order + "I", changed, at + _OFFSET, moved)
    return bytes(changed)


class IndexEntry(NamedTuple):
    """An image of the index: its attributes, size in bytes, and offset from the header of the index; 0 is the first."""

    order: str
    attributes: int
    size: int
    offset: int


def index_entries(data: bytes, index_at: int) -> list[tuple[int, IndexEntry]]:
    """Return the images of the index of the Multi-Picture Format, with the place of each entry; none if broken."""
    order = "<" if data[index_at : index_at + 2] == b"II" else ">"
    found: list[tuple[int, IndexEntry]] = []
    try:
        (start,) = struct.unpack_from(order + "I", data, index_at + 4)
        (count,) = struct.unpack_from(order + "H", data, index_at + start)
        for k in range(count):
            code, _, size, value = struct.unpack_from(order + "HHII", data, index_at + start + 2 + 12 * k)
            if code == 0xB002:
                for at in range(index_at + value, index_at + value + size, _LENGTH):
                    attributes, length, offset, _ = struct.unpack_from(order + "IIII", data, at)
                    found.append((at, IndexEntry(order, attributes, length, offset)))
    except struct.error:
        return []
    return found
