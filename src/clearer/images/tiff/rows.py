"""Read TIFF by bands of rows and write it by strips, never holding the whole image in memory."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from clearer.core.errors import UserError, one_line
from clearer.images.types import AnyPixels

_DEPTHS = ("uint8", "uint16", "float32")
_COLORS = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3}
_STRIP_BYTES = 2**18
_ALPHA, _SUBIFDS = (1, 2), 330
_LARGEST_SEGMENT = 2**28
_WIDEST = 2**20
# Tags of the storage layout, which the writer sets itself. 34665, 34853, 40965 and 330 point into the file.
_STRUCTURE = {
    *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 297, 317, 320),
    *(322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532, 34665, 34853, 40965),
    *(270, 282, 283, 296, 305, 34675),  # passed to the writer by name
}


class TiffRows:
    """Reader of the rows of a TIFF with one page.

    Args:
        path: the file.

    Raises:
        UserError: the file is not a TIFF, broken, or of a kind that cannot be read by rows (see `refusal`).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._errors_named():
            self.file = tifffile.TiffFile(self.path)
        try:
            with self._errors_named():
                why = refusal(self.file)
                if why is not None:
                    raise UserError(f"{self.path}: {why}; convert it, or cut it into smaller files")
                self.page: Any = self.file.pages[0].aspage()
        except BaseException:
            self.close()
            raise
        self.height, self.width = int(self.page.imagelength), int(self.page.imagewidth)
        self.samples = int(self.page.samplesperpixel)
        photometric = str(getattr(self.page.photometric, "name", ""))
        self.channels = _COLORS[photometric]
        self.dtype = np.dtype(self.page.dtype).newbyteorder("=")
        self.inverted = photometric == "MINISWHITE"
        self._first = 0
        self._rows: AnyPixels = np.empty((0, self.width, self.samples), self.dtype)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def read(self, top: int, bottom: int) -> AnyPixels:
        """Return rows ``top`` to ``bottom``, (rows, W, samples), native byte order.

        Rows before ``top`` are dropped from memory; a later call for them reads them again.

        Raises:
            UserError: the file is broken or truncated.
        """
        have = self._first + len(self._rows)
        if top < self._first or top > have:
            self._first, self._rows = top, self._rows[:0]
            have = top
        parts = [self._rows[top - self._first :]]
        if bottom > have:
            with self._errors_named():
                parts += self._decoded(have, bottom)
        self._rows = np.concatenate(parts)
        self._first = top
        return self._rows[: bottom - top]

    def text(self, code: int) -> bytes:
        """Return the text of a tag as the bytes of the file, in any encoding; empty if there is none."""
        tag = self.page.tags.get(code)
        if tag is None or int(tag.dtype) != 2:
            return b""
        handle = self.file.filehandle
        handle.seek(tag.valueoffset)
        data: bytes = handle.read(tag.count)
        return data.rstrip(b"\0")

    @property
    def groups(self) -> list[str]:
        """The groups of tags in the file that `write_rows` drops: "EXIF", "GPS"."""
        return [name for code, name in ((34665, "EXIF"), (34853, "GPS")) if code in self.page.tags]

    def _decoded(self, top: int, bottom: int) -> Iterator[AnyPixels]:
        """Yield consecutive bands of rows, from ``top`` to at least ``bottom``."""
        page = self.page
        if not page.is_tiled and page.compression == 1 and page.predictor == 1:
            yield self._plain_rows(top, bottom)  # a strip may be the whole image
            return
        high = int(page.tilelength if page.is_tiled else page.rowsperstrip)
        across = -(-self.width // int(page.tilewidth)) if page.is_tiled else 1
        for row in range(top // high, -(-bottom // high)):
            start = row * high
            band: AnyPixels = np.zeros((min(high, self.height - start), self.width, self.samples), self.dtype)
            for column in range(across):
                self._place(band, row * across + column)
            yield band[max(0, top - start) :]

    def _place(self, band: AnyPixels, number: int) -> None:
        """Decode a strip or tile into the band."""
        data = self._bytes_of(number, int(self.page.databytecounts[number]))
        segment, index, _ = self.page.decode(data, number)
        left = int(index[-2])
        # Tiles may extend beyond the image.
        part = segment.reshape(segment.shape[-3:])[: band.shape[0], : self.width - left]
        band[: part.shape[0], left : left + part.shape[1]] = part

    def _plain_rows(self, top: int, bottom: int) -> AnyPixels:
        stride = self.width * self.samples * self.dtype.itemsize
        high = int(self.page.rowsperstrip)
        chunks = []
        row = top
        while row < bottom:
            strip, inside = divmod(row, high)
            rows = min(high - inside, bottom - row)
            chunks.append(self._bytes_of(strip, rows * stride, inside * stride))
            row += rows
        stored = np.dtype(self.page.dtype).newbyteorder(self.file.byteorder)
        flat = np.frombuffer(b"".join(chunks), stored).astype(self.dtype, copy=False)
        return flat.reshape(bottom - top, self.width, self.samples)

    def _bytes_of(self, number: int, count: int, skip: int = 0) -> bytes:
        handle = self.file.filehandle
        handle.seek(int(self.page.dataoffsets[number]) + skip)
        data: bytes = handle.read(count)
        if len(data) != count:
            raise UserError(f"{self.path}: not readable as an image (the file is cut short); replace or remove it")
        return data

    @contextlib.contextmanager
    def _errors_named(self) -> Iterator[None]:
        """Turn any exception of a broken file into a UserError; decoders raise many kinds."""
        try:
            yield
        except (UserError, MemoryError):
            raise
        except FileNotFoundError:
            raise UserError(f"{self.path}: no such file; check the path") from None
        except Exception as error:
            reason = one_line(error)
            raise UserError(f"{self.path}: not readable as an image ({reason}); replace or remove it") from error


def refusal(file: tifffile.TiffFile) -> str | None:
    """Return why a TIFF cannot be read by rows; None if it can."""
    if len(file.pages) != 1:
        return f"it has {len(file.pages)} pages, and reading by rows needs a single one"
    page: Any = file.pages[0].aspage()
    colors = _COLORS.get(getattr(page.photometric, "name", ""))
    if colors is None or page.samplesperpixel not in (colors, colors + 1):
        return f"its colors ({getattr(page.photometric, 'name', page.photometric)}) are not gray or RGB"
    if (
        any(int(value) not in _ALPHA for value in page.extrasamples)
        or len(page.extrasamples) < page.samplesperpixel - colors
    ):
        return "it has a band that is neither color nor alpha"
    if _SUBIFDS in page.tags:
        return "it has smaller versions below its page (SubIFDs)"
    if page.dtype is None or page.dtype.name not in _DEPTHS or page.bitspersample != page.dtype.itemsize * 8:
        return f"its pixels ({page.bitspersample}-bit {page.dtype}) are not one of {', '.join(_DEPTHS)}"
    if page.dtype.kind == "f" and page.photometric.name == "MINISWHITE":
        return "it is floating point with white as zero"
    if page.samplesperpixel > 1 and page.planarconfig != 1:
        return "its channels are stored separately (planar)"
    if page.is_volumetric or page.is_subsampled:
        return "it is a volume, or its colors are subsampled"
    if page.imagewidth > _WIDEST:
        return f"it is {page.imagewidth} pixels wide, more than {_WIDEST}"
    plain = not page.is_tiled and page.compression == 1 and page.predictor == 1
    high = page.tilelength if page.is_tiled else page.rowsperstrip
    if not plain and high * page.imagewidth * page.samplesperpixel * page.dtype.itemsize > _LARGEST_SEGMENT:
        return "its strips or tiles are too large to be read by rows"
    return None


def write_rows(target: Path, like: TiffRows, bands: Iterator[AnyPixels]) -> None:
    """Write a TIFF with the shape, depth and tags of another, band by band.

    Compressed files are written with deflate, tiles as strips. The groups EXIF and GPS are dropped; other
    tags are kept.

    Args:
        target: the file to write.
        like: the file that gives shape, depth and tags.
        bands: all rows in order, (n, W, samples).
    """
    page = like.page
    compressed = page.compression != 1
    row_bytes = like.width * like.samples * like.dtype.itemsize
    rows = max(1, min(like.height, _STRIP_BYTES // row_bytes))
    keys: dict[str, Any] = {}
    if page.resolutionunit is not None and 282 in page.tags and 283 in page.tags:
        keys["resolution"] = (page.tags[282].value, page.tags[283].value)
        keys["resolutionunit"] = int(page.resolutionunit)
    if like.samples > like.channels:
        keys["extrasamples"] = [int(value) for value in page.extrasamples] or [0]
    if like.samples > 1:
        keys["planarconfig"] = "CONTIG"
    if compressed:
        keys["compression"] = "ADOBE_DEFLATE"
        if like.dtype.kind == "u":
            keys["predictor"] = 2
    # Classic TIFF reaches 4 GiB; compression may enlarge data slightly.
    big = like.file.is_bigtiff or like.height * row_bytes > 4 * 10**9
    with tifffile.TiffWriter(target, bigtiff=big, byteorder=like.file.byteorder) as writer:
        writer.write(
            _strips(bands, rows, like, compressed),
            shape=(like.height, like.width) + ((like.samples,) if like.samples > 1 else ()),
            dtype=like.dtype,
            photometric=page.photometric.name,
            rowsperstrip=rows,
            iccprofile=page.iccprofile,
            description=like.text(270) or None,
            software=like.text(305) or False,
            extratags=[
                (tag.code, int(tag.dtype), tag.count, like.text(tag.code) if int(tag.dtype) == 2 else tag.value, True)
                for tag in page.tags
                if tag.code not in _STRUCTURE
            ],
            metadata=None,
            **keys,
        )


def _strips(bands: Iterator[AnyPixels], rows: int, like: TiffRows, compressed: bool) -> Iterator[bytes]:
    """Yield the bytes of strips of ``rows`` rows, in the file's byte order."""
    stored = like.dtype.newbyteorder(like.file.byteorder)
    waiting: AnyPixels = np.empty((0, like.width, like.samples), like.dtype)
    done = 0
    for band in bands:
        waiting = np.concatenate([waiting, band])
        done += len(band)
        start = 0
        while len(waiting) - start >= rows or (done == like.height and start < len(waiting)):
            strip = waiting[start : start + rows]
            start += rows
            if compressed and like.dtype.kind == "u":  # the predictor: differences along a row
                strip = np.diff(strip, axis=1, prepend=np.zeros_like(strip[:, :1]))
            data = strip.astype(stored, copy=False).tobytes()
            yield zlib.compress(data, 6) if compressed else data
        waiting = waiting[start:]
