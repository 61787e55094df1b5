"""Write the shape of pixels into a finished Matroska or WebM file, which PyAV cannot hand to FFmpeg's muxer.

The display size belongs to the header of a track. The header grows at the cost of the empty space that FFmpeg leaves
before it, so that nothing behind it moves.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

_SEGMENT, _CLUSTER, _VOID, _CRC = 0x18538067, 0x1F43B675, 0xEC, 0xBF
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_TRACKS, _ENTRY, _VIDEO, _WIDTH, _HEIGHT = 0x1654AE6B, 0xAE, 0xE0, 0xB0, 0xBA
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_IN_PIXELS, _AS_RATIO = 0, 3
_STEREO = 0x53B8
_HALVES = {1: Fraction(1, 2), 11: Fraction(1, 2), 2: Fraction(2), 3: Fraction(2)}
"""What a stereo mode makes of the shape: frames that hold two views have the display size of one."""
_HEAD_BYTES = 1 << 24


def write_pixel_shapes(path: str, shapes: dict[int, Fraction]) -> bool:
    """State the shape of pixels of tracks in a file that FFmpeg wrote; return whether its header had room for it.

    Args:
        shapes: width by height of a pixel, by the place of the track among the tracks.
    """
    with Path(path).open("r+b") as file:
        head = file.read(_HEAD_BYTES)
        try:
            start, made = _patched(head, shapes)
        except (ValueError, IndexError, StopIteration):
            return False
        file.seek(start)
        file.write(made)
    return True


def _patched(head: bytes, shapes: dict[int, Fraction]) -> tuple[int, bytes]:
    """Return where the first element of the segment starts, and the new bytes up to the end of the tracks.

    Raises:
        ValueError: the header has another order or no room.
    """
    start = next(body for key, _, body, _ in _spans(head) if key == _SEGMENT)
    elements: dict[int, bytes] = {}
    stop = start
    for key, begin, body, end in _spans(head, start):
        if key in elements or key == _CLUSTER or end > len(head):
            raise ValueError("an unusual header")
        elements[key] = head[begin:end]
        stop = end
        if key == _TRACKS:
            tracks = _with_shapes(head[body:end], shapes)
            break
    order = list(elements)
    behind = order[order.index(_VOID) + 1 :]
    grown = len(tracks) - len(elements[_TRACKS])
    room = len(elements[_VOID]) - grown
    if order[0] != _SEEK_HEAD or room < 9:
        raise ValueError("no room")
    elements[_TRACKS] = tracks
    elements[_VOID] = bytes([_VOID]) + (room - 9 | 1 << 56).to_bytes(8, "big") + bytes(room - 9)
    elements[_SEEK_HEAD] = _moved(elements[_SEEK_HEAD], set(behind), -grown)
    made = b"".join(elements.values())
    if len(made) != stop - start:
        raise ValueError("another length")
    return start, made


def _with_shapes(tracks: bytes, shapes: dict[int, Fraction]) -> bytes:
    """Return the element of all tracks, of whose content ``tracks`` is, with the sizes at which they are shown."""
    made, place = [], 0
    for key, begin, body, end in _spans(tracks):
        if key != _ENTRY:
            made.append((key, tracks[begin:end]))
            continue
        entry = [
            _element(_VIDEO, _with_display(tracks[a:c], shapes[place])) if kind == _VIDEO and place in shapes
            else tracks[start:c]
            for kind, start, a, c in _spans(tracks, body, end)
        ]  # fmt: skip
        made.append((key, _element(_ENTRY, b"".join(entry))))
        place += 1
    return _element(_TRACKS, _with_checksum(made))


def _with_display(video: bytes, shape: Fraction) -> bytes:
    values = {key: int.from_bytes(video[body:end], "big") for key, _, body, end in _spans(video)}
    shape *= _HALVES.get(values.get(_STEREO, 0), 1)
    width, height = values[_WIDTH] * shape, Fraction(values[_HEIGHT])
    unit = _IN_PIXELS
    if width.denominator != 1 and (height / shape).denominator == 1:
        width, height = width / shape, height / shape
    elif width.denominator != 1:
        unit, (width, height) = _AS_RATIO, map(Fraction, (width / height).as_integer_ratio())
    own = (_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT)
    kept = b"".join(video[begin:end] for key, begin, _, end in _spans(video) if key not in own)
    numbers = zip(own, (int(width), int(height), unit), strict=True)
    return kept + b"".join(_element(key, number.to_bytes(4, "big"), 1) for key, number in numbers)


def _moved(seek_head: bytes, keys: set[int], by: int) -> bytes:
    """Return the table of places with those of some elements moved."""
    made = bytearray(seek_head)
    body = next(_spans(seek_head))[2]
    inside = list(_spans(seek_head, body))
    for key, _, start, end in inside:
        if key == _SEEK:
            fields = {k: (a, b) for k, _, a, b in _spans(seek_head, start, end)}
            a, b = fields[_SEEK_ID]
            if int.from_bytes(seek_head[a:b], "big") in keys:
                a, b = fields[_SEEK_POSITION]
                made[a:b] = (int.from_bytes(seek_head[a:b], "big") + by).to_bytes(b - a, "big")
    checked = _with_checksum([(key, bytes(made[begin:end])) for key, begin, _, end in inside])
    return bytes(made[:body]) + checked


def _with_checksum(elements: list[tuple[int, bytes]]) -> bytes:
    """Return elements joined; the checksum of the others is made anew if there is one."""
    rest = b"".join(data for key, data in elements if key != _CRC)
    crc = _element(_CRC, zlib.crc32(rest).to_bytes(4, "little"), 1)
    return crc + rest if any(key == _CRC for key, _ in elements) else rest


def _element(key: int, data: bytes, size_bytes: int = 4) -> bytes:
    size = len(data) | 1 << (7 * size_bytes)
    return key.to_bytes((key.bit_length() + 7) // 8, "big") + size.to_bytes(size_bytes, "big") + data


def _spans(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield the key, the start, the start of the content and the end of each element."""
    stop = len(data) if stop is None else stop
    while start < stop:
        key, place = _number(data, start)
        size, body = _number(data, place)
        size &= (1 << (7 * (body - place))) - 1
        yield key, start, body, body + size
        start = body + size


def _number(data: bytes, start: int) -> tuple[int, int]:
    """Return a number of variable length with its mark, and where it ends."""
    length = 9 - data[start].bit_length()
    if length > 8 or start + length > len(data):
        raise ValueError("no number")
    return int.from_bytes(data[start : start + length], "big"), start + length
