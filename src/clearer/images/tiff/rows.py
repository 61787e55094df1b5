"""Read an image of a TIFF file by rows, and write such files by rows, never holding a whole image in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from clearer.core.errors import UserError
from clearer.images.io import errors_named
from clearer.images.tiff.assemble import Restored, stored_samples, target_like
from clearer.images.tiff.directory import Bytes
from clearer.images.tiff.limits import extent_of
from clearer.images.tiff.plan import Plan, StoredImage
from clearer.images.tiff.rewrite import Target, write_like
from clearer.images.tiff.samples import Part
from clearer.images.tiff.segments import Geometry, Piece, geometry_of, is_direct, pieces
from clearer.images.types import LARGEST_PAGE, AnyPixels, ImagePage

_LARGEST_SEGMENT = 2**28
_WIDEST = 2**20


def refusal(plan: Plan, data: Bytes) -> str | None:
    """Return why a TIFF cannot be restored by rows; None if it can."""
    for image in plan.images:
        why = None if image.role == "kept" else _refusal_of(image, data)
        if why is not None:
            return why
    return None


def _refusal_of(image: StoredImage, data: Bytes) -> str | None:
    page, geometry = image.page, geometry_of(image.page)
    if image.role == "smaller":
        return "it has smaller versions of an image"
    if image.copies > 1 or image.layers > 1:
        return "it has several images in one directory"
    if page.jpegheader is not None:
        return "its strips are parts of one JPEG"
    if len(page.dataoffsets) < geometry.segments:
        return f"it has {len(page.dataoffsets)} strips or tiles where its size needs {geometry.segments}"
    if page.imagewidth > _WIDEST:
        return f"it is {page.imagewidth} pixels wide, more than {_WIDEST}"
    samples = geometry.shape[0] * geometry.shape[4]
    if not _is_plain(page, geometry) and geometry.high * page.imagewidth * samples * geometry.dtype.itemsize > (
        _LARGEST_SEGMENT
    ):
        return "its strips or tiles are too large to be read by rows"
    # Parts may declare more pixels than the page does.
    if extent_of(page, data).pixels - page.imagewidth * page.imagelength > LARGEST_PAGE:
        return "its strips or tiles hold more pixels than it states"
    return None


def _is_plain(page: Any, geometry: Geometry) -> bool:
    """Return whether the rows of a strip can be read without the rest of it."""
    whole_bytes = geometry.bits == geometry.dtype.itemsize * 8
    return is_direct(geometry) and geometry.predictor == 1 and whole_bytes and int(page.fillorder) == 1


class TiffRows:
    """Reader of the rows of an image of a TIFF file, as stored.

    Args:
        image: of a plan that `refusal` accepts.
        data: the bytes of the file.
        name: what errors call it.
    """

    def __init__(self, image: StoredImage, data: Bytes, name: str) -> None:
        self.page, self.data, self.name = image.page, data, name
        self.geometry = geometry_of(image.page)
        self.height, self.width = image.size
        self.plain = _is_plain(self.page, self.geometry)
        self._first = 0
        self._rows = self._empty(0)

    def read(self, top: int, bottom: int) -> AnyPixels:
        """Return rows ``top`` to ``bottom``, (separate samples, 1, rows, W, contiguous samples), native byte order.

        Rows before ``top`` are dropped from memory; a later call for them reads them again.

        Raises:
            UserError: the file is broken or truncated.
        """
        have = self._first + self._rows.shape[2]
        if top < self._first or top > have:
            self._first, self._rows, have = top, self._empty(0), top
        parts = [self._rows[:, :, top - self._first :]]
        if bottom > have:
            with errors_named(self.name):
                parts += self._decoded(have, bottom)
        self._rows, self._first = np.concatenate(parts, axis=2), top
        return self._rows[:, :, : bottom - top]

    def _empty(self, rows: int) -> AnyPixels:
        count, _, _, width, samples = self.geometry.shape
        return np.empty((count, 1, rows, width, samples), self.geometry.dtype)

    def _decoded(self, top: int, bottom: int) -> Iterator[AnyPixels]:
        """Yield consecutive bands of rows, from ``top`` to at least ``bottom``."""
        if self.plain:
            yield self._plain_rows(top, bottom)  # a strip may be the whole image
            return
        count, _, down, across = self.geometry.grid
        high = self.geometry.high
        for row in range(top // high, -(-bottom // high)):
            start = row * high
            band = self._empty(min(high, self.height - start))
            for sample in range(count):
                for column in range(across):
                    self._place(band, (sample * down + row) * across + column)
            yield band[:, :, max(0, top - start) :]

    def _place(self, band: AnyPixels, number: int) -> None:
        """Decode a strip or tile into the band."""
        page = self.page
        missing = not page.databytecounts[number] or not page.dataoffsets[number]  # of a sparse file
        data = None if missing else self._bytes_of(number, int(page.databytecounts[number]))
        segment, (sample, _, _, left, _), shape = page.decode(data, number, jpegtables=page.jpegtables)
        there = band[sample, 0, :, left : left + shape[2]]
        if segment is None:
            there[...] = page.nodata
        else:  # tiles may extend beyond the image
            part = segment[0, : there.shape[0], : there.shape[1]]
            there[: part.shape[0], : part.shape[1]] = part

    def _plain_rows(self, top: int, bottom: int) -> AnyPixels:
        count, _, down, _ = self.geometry.grid
        out = self._empty(bottom - top)
        _, _, _, width, samples = self.geometry.shape
        stride, stored = width * samples * out.dtype.itemsize, out.dtype.newbyteorder(self.geometry.order)
        for sample in range(count):
            row = top
            while row < bottom:
                strip, inside = divmod(row, self.geometry.rows)
                rows = min(self.geometry.rows - inside, bottom - row)
                data = self._bytes_of(sample * down + strip, rows * stride, inside * stride)
                out[sample, 0, row - top : row - top + rows] = np.frombuffer(data, stored).reshape(rows, width, samples)
                row += rows
        return out

    def _bytes_of(self, number: int, count: int, skip: int = 0) -> bytes:
        start = int(self.page.dataoffsets[number]) + skip
        found = bytes(self.data[start : start + count])
        if len(found) != count:
            raise UserError("not readable as an image (the file is cut short); replace or remove it")
        return found


class Band(NamedTuple):
    """Some rows of an image.

    Attributes:
        old: its samples, as stored in the source, (separate, 1, rows, W, contiguous).
        pages: the restored pixels of each part.
    """

    old: AnyPixels
    pages: Mapping[Part, ImagePage]


def write_by_rows(
    file: BinaryIO,
    data: Bytes,
    plan: Plan,
    pages: Mapping[StoredImage, ImagePage],
    bands: Callable[[StoredImage], Iterator[Band]],
) -> None:
    """Write a file like its source, see `clearer.images.tiff.rewrite`, band by band of rows.

    Args:
        file: to be written, seekable, at its beginning.
        data: the bytes of the source.
        plan: its images.
        pages: what the first page of each restored image becomes: its data type and profile are used.
        bands: yields all rows of an image, in order.
    """
    targets = [target_like(image, pages[image]) for image in plan.images if image.role == "image"]
    write_like(file, data, plan, targets, lambda target: _segments(target, bands(target.image)))


def _segments(target: Target, bands: Iterator[Band]) -> Iterator[Piece]:
    geometry = target.geometry
    step = 1 if is_direct(geometry) else geometry.high
    waiting: list[AnyPixels] = []
    first = have = 0  # first row that waits, and how many do
    for band in bands:
        count, _, _, width, samples = geometry.shape
        rows = band.old.shape[2]
        parts = (Restored(0, part, page.color, page.alpha) for part, page in band.pages.items())
        waiting.append(stored_samples(target, (count, 1, rows, width, samples), parts, partial(_same, band.old)))
        have += rows
        last = first + have == geometry.shape[2]
        ready = have if last else have // step * step
        if ready:
            pixels = np.concatenate(waiting, axis=2) if len(waiting) > 1 else waiting[0]
            yield from pieces(geometry, pixels[:, :, :ready], first)
            waiting, first, have = [pixels[:, :, ready:]], first + ready, have - ready


def _same(pixels: AnyPixels) -> AnyPixels:
    return pixels
