"""Mutators of files that consist of parts with lengths: the lengths stay right, so that what is inside is read.

A format splits a file into parts and joins them again; what happens to the parts is the same for all: a part is
changed inside, repeated, removed, exchanged with another, or given a wrong length after all.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from fuzz.byte_mutators import extreme, mutate_bytes, set_decimal, set_number

Split = Callable[[bytes], "list[Part]"]


@dataclass(frozen=True)
class Part:
    """A part of a file.

    Attributes:
        head: what stands before the body beside its length: a kind, or everything of a part without a length.
        body: the content.
        join: builds the bytes of the part from head, body and a stated length.
        inner: splits the body into parts of its own, or None.
    """

    head: bytes
    body: bytes
    join: Callable[[bytes, bytes, int], bytes]
    inner: Split | None = None
    packed: bool = False  # with zlib

    def encoded(self, length: int | None = None) -> bytes:
        """Return the bytes of the part, with its true length or another."""
        return self.join(self.head, self.body, len(self.body) if length is None else length)


def mutate_parts(data: bytes, chance: random.Random, split: Split, depth: int = 0) -> bytes:
    """Split a file, change one or two of its parts, and join it again."""
    parts = split(data)
    if not parts:
        return mutate_bytes(data, chance)
    made = [part.encoded() for part in parts]
    for _ in range(chance.choice((1, 1, 1, 2))):
        k = chance.randrange(len(parts))
        kind = chance.random()
        if kind < 0.6:
            made[k] = _changed_inside(parts[k], chance, depth).encoded()
        elif kind < 0.7:
            made[k] = parts[k].encoded(extreme(chance, 32))
        elif kind < 0.8:
            made[k] = made[k] * chance.choice((2, 2, 3, 300))
        elif kind < 0.9:
            made[k] = b""
        else:
            other = chance.randrange(len(parts))
            made[k], made[other] = made[other], made[k]
    return b"".join(made)


def _changed_inside(part: Part, chance: random.Random, depth: int) -> Part:
    if part.inner is not None and depth < 8 and chance.random() < 0.85:
        return replace(part, body=mutate_parts(part.body, chance, part.inner, depth + 1))
    if chance.random() < 0.1:
        return replace(part, head=mutate_bytes(part.head, chance)[: len(part.head)].ljust(len(part.head), b"x"))
    if part.packed and chance.random() < 0.7:
        try:
            return replace(part, body=zlib.compress(_changed(zlib.decompress(part.body), chance)))
        except zlib.error:
            pass
    return replace(part, body=_changed(part.body, chance))


def _changed(body: bytes, chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.4:
        return set_number(body, chance)
    if kind < 0.45:
        return set_decimal(body, chance)
    if kind < 0.5:
        return b""
    return mutate_bytes(body, chance)


def _plain(head: bytes, body: bytes, length: int) -> bytes:
    return head + body


def raw(data: bytes) -> Part:
    """Return bytes without a structure as a part."""
    return Part(b"", data, _plain)


def _png_chunk(head: bytes, body: bytes, length: int) -> bytes:
    return struct.pack(">I", length & 0xFFFFFFFF) + head + body + struct.pack(">I", zlib.crc32(head + body))


def png_parts(data: bytes) -> list[Part]:
    """Split PNG into its signature and chunks, whose checksums will be right."""
    parts, at = [Part(data[:8], b"", _plain)], 8
    while at + 12 <= len(data):
        size = min(int.from_bytes(data[at : at + 4], "big"), len(data) - at - 12)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        parts.append(Part(kind, body, _png_chunk, packed=kind == b"IDAT"))
        at += 12 + size
    return [*parts, raw(data[at:])] if at < len(data) else parts


def _jpeg_segment(head: bytes, body: bytes, length: int) -> bytes:
    return head + struct.pack(">H", (length + 2) & 0xFFFF) + body


def jpeg_parts(data: bytes) -> list[Part]:
    """Split JPEG into its segments; the coded pixels and what follows them are one part."""
    parts, at = [Part(data[:2], b"", _plain)], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        parts.append(Part(data[at : at + 2], data[at + 4 : at + 2 + size], _jpeg_segment))
        at += 2 + size
        if data[at - size - 1] == 0xDA:
            break
    return [*parts, raw(data[at:])]


_CONTAINERS = frozenset(b"moov trak mdia minf stbl dinf edts udta iprp ipco jp2h moof traf mvex ilst".split())
_FULL_CONTAINERS = {b"meta": 4, b"stsd": 8, b"iinf": 6, b"iref": 4, b"dref": 8}
"""Boxes that hold boxes after so many bytes."""


def _box(head: bytes, body: bytes, length: int) -> bytes:
    return struct.pack(">I", (length + 8) & 0xFFFFFFFF) + head + body


def box_parts(data: bytes) -> list[Part]:
    """Split the boxes of MP4, AVIF, HEIC, JPEG 2000 or JPEG XL."""
    parts, at = [], 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size < 8 or at + size > len(data):
            break
        skipped = _FULL_CONTAINERS.get(kind, 0)
        inner = _inside_full(skipped) if skipped else box_parts if kind in _CONTAINERS else None
        parts.append(Part(kind, data[at + 8 : at + size], _box, inner))
        at += size
    return [*parts, raw(data[at:])] if at < len(data) else parts


def _inside_full(skipped: int) -> Split:
    return lambda body: [raw(body[:skipped]), *box_parts(body[skipped:])]


def _riff_chunk(head: bytes, body: bytes, length: int) -> bytes:
    return head[:4] + struct.pack("<I", length & 0xFFFFFFFF) + body + b"\0" * (len(body) % 2)


def _riff_list(head: bytes, body: bytes, length: int) -> bytes:
    return head[:4] + struct.pack("<I", (length + 4) & 0xFFFFFFFF) + head[4:8] + body


def riff_parts(data: bytes) -> list[Part]:
    """Split the chunks of WebP or AVI."""
    parts, at = [], 0
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = min(at + 8 + size, len(data))
        if kind in (b"RIFF", b"LIST"):
            parts.append(Part(kind + data[at + 8 : at + 12], data[at + 12 : end], _riff_list, riff_parts))
        else:
            parts.append(Part(kind, data[at + 8 : end], _riff_chunk))
        at = end + size % 2
    return parts


_MASTERS = frozenset(bytes.fromhex(k) for k in ("1A45DFA3", "18538067", "1549A966", "1654AE6B", "AE", "E0", "1F43B675",
                                                 "1C53BB6B", "BB", "114D9B74", "1254C367", "A0", "55B0"))  # fmt: skip


def _element(head: bytes, body: bytes, length: int) -> bytes:
    return head + struct.pack(">Q", (length & (1 << 56) - 1) | 1 << 56) + body


def ebml_parts(data: bytes) -> list[Part]:
    """Split the elements of Matroska or WebM."""
    parts, at = [], 0
    while at + 2 <= len(data):
        width = 9 - data[at].bit_length()
        sized = at + width
        if width > 4 or sized >= len(data) or data[sized] == 0:
            break
        long = 9 - data[sized].bit_length()
        size = int.from_bytes(data[sized : sized + long], "big") & ((1 << 7 * long) - 1)
        start = sized + long
        end = len(data) if size == (1 << 7 * long) - 1 else min(start + size, len(data))
        key = data[at:sized]
        parts.append(Part(key, data[start:end], _element, ebml_parts if key in _MASTERS else None))
        at = end
    return [*parts, raw(data[at:])] if at < len(data) else parts


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def protobuf_parts(data: bytes) -> list[Part]:
    """Split the fields of a protobuf message, such as an ONNX file; an empty list if it is none."""
    parts, at = [], 0
    while at < len(data):
        start = at
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == 2:
            size, begun = _read_varint(data, at)
            if begun + size > len(data) or key < 8:
                return []
            parts.append(Part(data[start:at], data[begun : begun + size], _sized, protobuf_parts))
            at = begun + size
        elif kind in (0, 1, 5) and key >= 8:
            end = _read_varint(data, at)[1] if kind == 0 else at + (8 if kind == 1 else 4)
            parts.append(Part(data[start:at], data[at:end], _plain))
            at = end
        else:
            return []
    return parts


def _sized(head: bytes, body: bytes, length: int) -> bytes:
    return head + _varint(length) + body


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            break
    return value, at
