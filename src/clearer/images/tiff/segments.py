"""The strips and tiles of a TIFF page: how an image is cut into them, and how each is encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import tifffile

from clearer.images.tiff.directory import Order
from clearer.images.types import AnyPixels

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
LOSSLESS = (NONE, LZW, DEFLATE, 32946, 50013, PACKBITS, 34925, 34926, 50000)
"""Codecs that a page is written with again; other pages are written with deflate."""
_STRIP_BYTES = 2**18


class Geometry(NamedTuple):
    """How a page is stored.

    Attributes:
        shape: (separate samples, layers, height, width, contiguous samples).
        tile: (layers, height, width) of a tile; None for strips.
        rows: of a strip.
        dtype: in native byte order.
        bits: of a sample.
        compression: code of the codec.
        predictor: its code; 1 is none.
        order: byte order of the file.
    """

    shape: tuple[int, int, int, int, int]
    tile: tuple[int, int, int] | None
    rows: int
    dtype: Any
    bits: int
    compression: int
    predictor: int
    order: Order

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """Number of segments along separate samples, layers, rows and columns."""
        count, layers, height, width, _ = self.shape
        if self.tile is None:
            return count, layers, -(-height // self.rows), 1
        deep, high, wide = self.tile
        return count, -(-layers // deep), -(-height // high), -(-width // wide)

    @property
    def high(self) -> int:
        """Rows of a segment."""
        return self.rows if self.tile is None else self.tile[1]

    @property
    def segments(self) -> int:
        """Number of segments."""
        return int(np.prod(self.grid))


def geometry_of(page: Any) -> Geometry:
    """Return how a tifffile page is stored."""
    tile = (max(1, page.tiledepth), page.tilelength, page.tilewidth) if page.is_tiled else None
    high = int(page.shaped[2])
    rows = high if page.is_tiled else max(1, min(int(page.rowsperstrip or high), high))
    return Geometry(
        tuple(int(side) for side in page.shaped),  # type: ignore[arg-type]
        tile,
        rows,
        np.dtype(page.dtype).newbyteorder("="),
        int(page.bitspersample),
        int(page.compression),
        int(page.predictor),
        page.parent.byteorder,
    )


def usual_rows(shape: tuple[int, int, int, int, int], dtype: Any) -> int:
    """Return the rows of a strip of about 256 KiB."""
    row_bytes = shape[3] * shape[4] * np.dtype(dtype).itemsize
    return int(max(1, min(shape[2], _STRIP_BYTES // max(1, row_bytes))))


class Piece(NamedTuple):
    """A segment, or some rows of an uncompressed strip.

    Attributes:
        number: of the segment, in the order of the file.
        skip: bytes of the segment before the piece.
        data: encoded.
    """

    number: int
    skip: int
    data: bytes


def is_direct(geometry: Geometry) -> bool:
    """Return whether each row has a place of its own: in strips that are not compressed."""
    return geometry.tile is None and geometry.compression == NONE


def row_bytes(geometry: Geometry) -> int:
    """Return the bytes of a row of a strip, uncompressed."""
    return -(-geometry.shape[3] * geometry.shape[4] * geometry.bits // 8)


def pieces(geometry: Geometry, pixels: AnyPixels, first: int = 0) -> Iterator[Piece]:
    """Yield the segments of an image, or of some of its rows, in file order.

    Tiles that extend beyond the image repeat its last pixels.

    Args:
        geometry: of the image.
        pixels: (separate samples, layers, rows, width, contiguous samples).
        first: where the rows begin in the image: at a segment's edge, unless `is_direct`.
    """
    count, layers, height, width, _ = pixels.shape
    _, down, rows, across = geometry.grid
    deep, high, wide = geometry.tile or (1, geometry.rows, width)
    for sample in range(count):
        for layer in range(0, layers, deep):
            before = (sample * down + layer // deep) * rows
            top = 0
            while top < height:
                row, inside = divmod(first + top, high)
                below = min(top + high - inside, height)
                for column, left in enumerate(range(0, width, wide)):
                    part = pixels[sample, layer : layer + deep, top:below, left : left + wide]
                    data = encoded(geometry, _padded(part, geometry.tile) if geometry.tile else part)
                    skip = inside * row_bytes(geometry) if inside else 0
                    yield Piece((before + row) * across + column, skip, data)
                top = below


def _padded(part: AnyPixels, tile: tuple[int, int, int]) -> AnyPixels:
    missing = [(0, side - have) for side, have in zip(tile, part.shape[:3], strict=True)]
    return np.pad(part, [*missing, (0, 0)], mode="edge") if any(more for _, more in missing) else part


def encoded(geometry: Geometry, segment: AnyPixels) -> bytes:
    """Return the bytes of a segment (layers, height, width, samples)."""
    data = np.ascontiguousarray(segment, geometry.dtype)
    if geometry.bits != geometry.dtype.itemsize * 8:
        data = _packed(data, geometry.bits)
    elif geometry.predictor == 2:
        data = np.asarray(tifffile.TIFF.PREDICTORS[2](data, axis=-2))
        data = data.astype(geometry.dtype.newbyteorder(geometry.order), copy=False)
    elif geometry.predictor != 1:
        # The floating-point predictor orders the bytes itself.
        return _compressed(geometry, np.asarray(tifffile.TIFF.PREDICTORS[geometry.predictor](data, axis=-2)))
    else:
        data = data.astype(geometry.dtype.newbyteorder(geometry.order), copy=False)
    return _compressed(geometry, data)


def _packed(data: AnyPixels, bits: int) -> AnyPixels:
    """Return samples of few bits as bytes, each row filled up to whole bytes: (rows, bytes)."""
    rows = data.reshape(-1, data.shape[2] * data.shape[3])
    if bits == 1:
        return np.packbits(rows.astype(bool), axis=1)
    flat = np.ascontiguousarray(rows)
    found = imagecodecs.packints_encode(flat, bits, runlen=rows.shape[1])
    return np.frombuffer(found, np.uint8).reshape(len(rows), -1)


def _compressed(geometry: Geometry, data: AnyPixels) -> bytes:
    if geometry.compression == NONE:
        return data.tobytes()
    if geometry.compression == PACKBITS:  # no run crosses the end of a row
        across = data.shape[-1] if data.ndim == 2 else data.shape[2] * data.shape[3] * data.dtype.itemsize
        rows = np.ascontiguousarray(data).view(np.uint8).reshape(-1, across)
        return b"".join(bytes(imagecodecs.packbits_encode(row.tobytes())) for row in rows)
    return bytes(tifffile.TIFF.COMPRESSORS[geometry.compression](data.tobytes()))
