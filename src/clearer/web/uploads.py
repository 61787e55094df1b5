"""The store of uploads: a temporary folder with a sub-folder for each image, removed at the end.

Nothing that a client sends becomes part of a path: the sub-folder's name is 32 random hexadecimal
digits, and the file is always called ``upload``.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image, UnidentifiedImageError

from clearer.core.errors import UserError
from clearer.images.pillow import register_heif
from clearer.images.tiff.read import count_pages, extents_of
from clearer.images.types import HEAD, format_of_bytes

UPLOAD = "upload"
_NAME = re.compile(r"[0-9a-f]{32}")
GONE = "The image is no longer here: upload it again."
MOST_PAGES = 100
LARGEST_MEGAPIXELS = 178  # Pillow itself refuses larger images
# A subset of what Pillow reads: some of its readers call other programs, and few were tested with hostile files.
FORMATS = ("PNG", "JPEG", "TIFF", "HEIC", "WEBP", "AVIF", "BMP", "PPM")
# TIFF is read without Pillow, in more variants; HEIC needs a library beside it.
_OF_PILLOW = tuple(name for name in FORMATS if name not in ("TIFF", "HEIC"))


@dataclass(frozen=True)
class Limits:
    """Limits of uploads.

    Args:
        megapixels: largest image, in millions of pixels.
        files: number of images kept at a time, of all visitors; the least recently used one is removed.
        minutes: an image unused for longer is removed.
    """

    megapixels: float = 24
    files: int = 16
    minutes: float = 60

    @property
    def bytes(self) -> int:
        """The largest upload: four channels of 16 bits, uncompressed, and 1 MiB for metadata."""
        return int(8e6 * self.megapixels) + 2**20


def new_place(folder: Path, mark: str = "") -> Path:
    """Make and return a sub-folder for an image, with a name that cannot be guessed, after a mark."""
    place = folder / f"{mark}{secrets.token_hex(16)}"
    place.mkdir(mode=0o700)
    return place


def place_of(folder: Path, name: object) -> Path:
    """Return the sub-folder of an image by its name, 32 hexadecimal digits, and mark it as used now.

    Raises:
        UserError: the name is invalid, or the image was removed.
    """
    place = folder / str(name)
    if not _NAME.fullmatch(str(name)) or not (place / UPLOAD).is_file():
        raise UserError(GONE)
    os.utime(place)
    return place


def check_image(path: Path, limits: Limits) -> tuple[int, int]:
    """Return width and height of an upload's first page, after checking the upload by its headers.

    Raises:
        UserError: it is empty, not of a known format (regardless of its name), or larger than the limit.
    """
    if path.stat().st_size == 0:
        raise UserError("The file is empty (0 bytes): choose another.")
    try:
        with path.open("rb") as file:
            format = _format(file)
            if format == "HEIF":
                register_heif(required=True)
            claims = _claims_of_tiff(path.read_bytes()) if format == "TIFF" else _claims(file, format)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(
            f"The image is too large: more than {LARGEST_MEGAPIXELS} megapixels; this page takes up to "
            f"{limits.megapixels:g}. Crop it, or make it smaller."
        ) from None
    except UnidentifiedImageError:
        raise UserError(f"This is not an image that can be read here ({', '.join(FORMATS)}).") from None
    except UserError as error:
        raise UserError(
            f"{str(error).partition(';')[0]}: run pip install 'clearer[heif]' where this page is served."
        ) from None
    except Exception as error:  # decoders answer broken headers with many kinds of exceptions
        raise UserError("The image is damaged: its header cannot be read. Take another copy.") from error
    width, height, pages, pixels, opaque = claims
    if pages > MOST_PAGES:
        raise UserError(f"The file has {pages} pages; this page takes up to {MOST_PAGES}. Split it into smaller files.")
    if width < 1 or height < 1:
        raise UserError("The image has no pixels: choose another.")
    if opaque:
        raise UserError(
            f"The image cannot be used: it is compressed as {opaque}, which hides its size until it is decoded. "
            "Save it with another compression, or use clearer restore."
        )
    if pixels > limits.megapixels * 1e6:
        size = f"{width} × {height} is" if pages == 1 else f"{pages} pages are"
        if pages == 1 and pixels > width * height:
            size = f"the parts of {width} × {height} are"
        raise UserError(
            f"The image is too large: {size} {pixels / 1e6:,.1f} megapixels; this page "
            f"takes up to {limits.megapixels:g}. Crop it, or make it smaller."
        )
    return width, height


class _Claims(NamedTuple):
    """The claims in the headers of a file: size of the first page, pages, pixels of all pages; see `Extent` of TIFF."""

    width: int
    height: int
    pages: int
    pixels: int
    opaque: str = ""


def _format(file: BinaryIO) -> str | None:
    head = file.read(HEAD)
    file.seek(0)
    return format_of_bytes(head)


def _claims(file: BinaryIO, format: str | None) -> _Claims:
    # Opening reads the header only.
    with Image.open(file, formats=("HEIF",) if format == "HEIF" else _OF_PILLOW) as image:
        pages = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        return _Claims(*image.size, pages, image.width * image.height * pages)


def _claims_of_tiff(data: bytes) -> _Claims:
    pages = count_pages(data)
    if pages > MOST_PAGES:  # refused by number alone: reading each would take memory
        return _Claims(0, 0, pages, 0)
    extents = extents_of(data)
    opaque = next((extent.opaque for extent in extents if extent.opaque), "")
    return _Claims(*extents[0][:2], len(extents), sum(extent.pixels for extent in extents), opaque)


_HELD: Counter[Path] = Counter()
_HOLDING = threading.Lock()


@contextlib.contextmanager
def held(*places: Path) -> Iterator[None]:
    """Keep sub-folders from `remove_old` while the block runs, however long; they count as used at its end."""
    with _HOLDING:
        _HELD.update(places)
    try:
        yield
    finally:
        for place in places:
            with contextlib.suppress(OSError):  # the visitor has left
                os.utime(place)
        with _HOLDING:
            _HELD.subtract(places)
            for place in places:
                if not _HELD[place]:
                    del _HELD[place]


def remove_old(folder: Path, limits: Limits, now: float | None = None) -> None:
    """Remove images unused beyond the limit of time, then those unused for longest beyond the limit of number.

    Those that are `held` stay, and count.

    Args:
        folder: of the server; files whose names begin with a dot stay.
        limits: limits of time and number.
        now: seconds since the epoch; the default is the current time.
    """
    entries = []
    for entry in folder.iterdir():
        if not entry.name.startswith("."):
            with contextlib.suppress(FileNotFoundError):  # another thread was first
                entries.append((entry.stat().st_mtime, entry))
    oldest_kept = (time.time() if now is None else now) - 60 * limits.minutes
    images = 0
    for used, entry in sorted(entries, key=lambda pair: pair[0], reverse=True):
        if _NAME.fullmatch(entry.name):
            images += 1
            too_many = images > limits.files
        else:
            too_many = False  # the zip of a visit, which goes with its images
        if used < oldest_kept or too_many:
            with _HOLDING:  # no work on it begins meanwhile
                if not _HELD[entry]:
                    remove(entry)


def remove(entry: Path) -> None:
    """Remove a file or a folder with its content, if it exists."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
