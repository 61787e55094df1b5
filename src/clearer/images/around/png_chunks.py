"""The chunks of a PNG file."""

from __future__ import annotations

import struct
import zlib

from clearer.core.errors import UserError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

Chunk = tuple[bytes, bytes]
"""Kind and body."""


def chunks_of(data: bytes) -> list[Chunk]:
    """Return the chunks of a PNG file as (kind, body), with their checksums verified.

    Raises:
        UserError: a checksum is wrong, or the file ends before IEND.
    """
    found: list[Chunk] = []
    place = len(SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        crc = data[place + 8 + length : place + 12 + length]
        if len(crc) < 4:
            break
        if zlib.crc32(kind + body) != struct.unpack(">I", crc)[0]:
            raise UserError(f"not readable as an image (broken PNG chunk {kind!r}); replace or remove it")
        found.append((kind, body))
        place += 12 + length
        if kind == b"IEND":
            return found
    raise UserError("not readable as an image (the PNG is cut short); replace or remove it")


def bytes_of(chunk: Chunk) -> bytes:
    """Return a chunk as it stands in a file."""
    kind, body = chunk
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
