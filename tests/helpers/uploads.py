"""Image files as bytes: valid ones, corrupt ones and decompression bombs."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from clearer.web.uploads import UPLOAD, new_place


def encoded(image: np.ndarray, format: str = "PNG") -> bytes:
    """Return (H, W) or (H, W, 3) as the bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format)
    return file.getvalue()


def uploaded(folder: Path, data: bytes) -> Path:
    """Write the bytes of a file as an upload to the web page; return its place."""
    place = new_place(folder)
    (place / UPLOAD).write_bytes(data)
    return place


def tiff(image: np.ndarray, **how: object) -> bytes:
    """Return an array as the bytes of a TIFF; ``how`` are options of tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, image, **how)  # type: ignore[arg-type]
    return file.getvalue()


def packed_tiff(part: bytes, compression: int, shape: tuple[int, ...] = (16, 20, 3), **how: object) -> bytes:
    """Return an RGB TIFF whose header states ``shape`` and whose only strip is ``part``, whatever it holds."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(iter([part]), shape=shape, dtype="uint8", photometric="rgb", compression=compression, **how)  # type: ignore[arg-type]
    return file.getvalue()


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """Return a small PNG whose header states a size far larger than its data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
