"""EXIF blocks with a thumbnail, and what their thumbnails show."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

PIXELS = np.kron(np.random.default_rng(0).integers(60, 200, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def small(size: tuple[int, int] = (40, 30), quality: int = 85) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).resize(size).save(file, "JPEG", quality=quality)
    return file.getvalue()


def block(order: str = "<", thumbnail: bytes = b"", behind: bytes = b"", orientation: int = 1) -> bytes:
    """Return an EXIF block of maker, orientation and a thumbnail; ``behind`` stands after that."""
    first = 8 + 2 + 2 * 12 + 4
    second = first + 12
    at = second + 2 + 3 * 12 + 4
    entry = order + "HHI4s"

    def number(code: str, value: int) -> bytes:
        return struct.pack(order + code, value).ljust(4, b"\0")

    data = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 2)
    data += struct.pack(entry, 0x10F, 2, 12, number("I", first))
    data += struct.pack(entry, 0x112, 3, 1, number("H", orientation)) + struct.pack(order + "I", second)
    data += b"Maker of it\0" + struct.pack(order + "H", 3)
    data += struct.pack(entry, 0x103, 3, 1, number("H", 6)) + struct.pack(entry, 0x201, 4, 1, number("I", at))
    data += struct.pack(entry, 0x202, 4, 1, number("I", len(thumbnail))) + bytes(4)
    return data + thumbnail + behind


def thumbnail_of(exif: bytes) -> np.ndarray:
    at = {b"II": "<", b"MM": ">"}[exif[:2]]
    place = struct.unpack_from(at + "I", exif, 8 + 2 + 24)[0] + 2 + 12
    start, length = struct.unpack_from(at + "I", exif, place + 8)[0], struct.unpack_from(at + "I", exif, place + 20)[0]
    return np.asarray(Image.open(io.BytesIO(exif[start : start + length])).convert("RGB")).astype(float)
