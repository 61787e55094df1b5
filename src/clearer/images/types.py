"""Value types of an image file: its pages, the formats and what each can hold, and the size limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from PIL import Image

from clearer.core.errors import UserError, nearest
from clearer.images.around.jpeg_segments import Around, Segment
from clearer.images.around.part import Part
from clearer.images.around.png_chunks import Chunk

AnyPixels = npt.NDArray[Any]
"""(H, W, C) of any depth: bool (True is white), uint8, uint16, floating point, or of TIFF other integers."""
Uint8Pixels = npt.NDArray[np.uint8]
"""(H, W, C) gray levels, 0 to 255."""
UnitPixels = npt.NDArray[np.float32]
"""(H, W, C), 0 is black and 1 is white."""
HiddenPixels = npt.NDArray[np.bool_]
"""(H, W): True where there is no value."""

GRAY, RGB, CMYK = 1, 3, 4
"""The color space of a page, named by its number of channels."""

LARGEST_PAGE = 2 * (Image.MAX_IMAGE_PIXELS or 89478485)
LARGEST_FILE = 10**9
"""Limits in pixels, for one page and for all pages of a file; larger files are refused as decompression bombs."""


Resolution = tuple[tuple[int, int], tuple[int, int], int]
"""Of a TIFF page: horizontal and vertical as fractions, and the code of their unit."""


class PageOwn(TypedDict, total=False):
    """Values of one page that only its format has, used when it is written in the same format again."""

    duration: float  # of a frame of an animation, in milliseconds
    chunks: list[Chunk]  # PNG: kind and body
    chunks_behind: list[Chunk]  # PNG: behind the pixels
    significant_bits: tuple[int, ...]  # PNG: of each channel
    background: tuple[float, ...]  # PNG: in [0, 1]
    delay: tuple[int, int]  # PNG: how long a frame is shown, a fraction of seconds
    hidden: bool  # PNG: the default image of an animation, which is no frame
    place: tuple[int, int]  # PNG: of the part of a frame that changes
    comment: bytes  # JPEG, GIF
    progressive: int  # JPEG
    segments: list[Segment]  # JPEG
    tail: Around  # JPEG: with what follows the image
    precision: int  # JPEG: bits of a sample, if not 8 or without loss
    lossless: bool  # JPEG
    quality: int  # JPEG: as read, 1 to 100; a file is written with the quality that is asked for
    bits: int  # HEIF: 10 or 12
    coding: bytes  # AVIF, HEIF: primaries and transfer, where they are not those of sRGB
    top: int  # PGM, PPM, PAM: the largest level, if not 255 or 65535
    scale: float  # PFM: as in its header; a negative one means little-endian
    header_comments: tuple[bytes, ...]  # PBM, PGM, PPM, PFM, PAM
    tuple_type: str  # PAM: what its channels are
    photometric: str | None  # TIFF, as all below: "MINISWHITE" or None
    compression: str
    predictor: bool
    extrasample: int  # 1: color is multiplied by alpha
    subfiletype: int
    tags: list[tuple[int, int, int, Any, bool]]  # code, type, count, value, write once
    resolution: Resolution
    levels: tuple[float, float]  # the values that are black and white, if not those of the data type
    band: bool  # TIFF: samples that are neither color nor alpha
    bands: tuple[int, ...]  # the number of each channel, from 1, if not 1, 2, 3 ...
    nodata: float  # the value of pixels that have none


class FileOwn(TypedDict, total=False):
    """Values of a whole file that only its format has."""

    loop: int  # how often an animation is played; 0 is forever
    background: tuple[int, ...]  # WebP: the color around the frames of an animation
    byteorder: Literal[">", "<"]  # TIFF
    bigtiff: bool  # TIFF
    source: bytes  # TIFF: the file as read; what is around the pixels is copied from it


@dataclass(frozen=True)
class ImagePage:
    """One page exactly as stored: not rotated, not scaled, not converted.

    Attributes:
        color: (H, W, C), C = 1 gray, 3 RGB, 4 CMYK (higher is more ink); bool (bilevel, True is white),
            uint8, uint16, or floating point.
        alpha: (H, W, 1) of the same dtype, or None. Alpha is never restored.
        orientation: 1 to 8, as in EXIF: how to rotate or mirror the page for display.
        icc: the color profile.
        exif: the EXIF block, beginning with its TIFF header.
        xmp: the XMP packet.
        dpi: pixels per inch, horizontal and vertical.
        own: values that only its format has.
    """

    color: AnyPixels
    alpha: AnyPixels | None = None
    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    own: PageOwn = field(default_factory=PageOwn)


@dataclass(frozen=True)
class ImageFile:
    """A decoded image file.

    Attributes:
        format: the key of `FORMATS`.
        pages: the pages, or the frames of an animation.
        own: values that only its format has.
        notes: what could not be preserved, one phrase each.
        source: the format of the file that it was read from, which ``format`` may not be; None if it is not known.
        parts: what was around the pixels of that file.
    """

    format: str
    pages: tuple[ImagePage, ...]
    own: FileOwn = field(default_factory=FileOwn)
    notes: tuple[str, ...] = ()
    source: str | None = None
    parts: tuple[Part, ...] = ()


class Header(NamedTuple):
    """The facts in the header of a file: the size in pixels as displayed, and the channels (1 gray, 3 color).

    CMYK and palettes count as color; alpha is not counted.
    """

    height: int
    width: int
    channels: int

    @classmethod
    def of_stored(cls, width: int, height: int, orientation: int, channels: int) -> Header:
        """Return the header of an image that is stored with this size and orientation.

        Raises:
            UserError: the size is above a limit, or a side is 0.
        """
        check_size(width, height)
        return cls(width, height, channels) if orientation >= 5 else cls(height, width, channels)


WIDE = ("int8", "int16", "int32", "int64", "uint32", "uint64")
"""Depths of integers, by their data type, that TIFF has beside the usual ones: those of measurements."""


class Format(NamedTuple):
    """The abilities of a file format. The first suffix is the usual one; depths are "1", "8", "16", "float", `WIDE`."""

    suffixes: tuple[str, ...]
    depths: tuple[str, ...]
    colors: tuple[int, ...] = (GRAY, RGB)
    alpha: bool = True
    pages: bool = False
    orientation: bool = True
    lossy: bool = False


FORMATS = {
    "PNG": Format((".png", ".apng"), ("1", "8", "16"), pages=True),
    "JPEG": Format((".jpg", ".jpeg", ".jpe", ".jfif"), ("8",), (GRAY, RGB, CMYK), alpha=False, lossy=True),
    "TIFF": Format((".tif", ".tiff"), ("1", "8", "16", "float", *WIDE), (GRAY, RGB, CMYK), pages=True),
    "WEBP": Format((".webp",), ("8",), (RGB,), pages=True, lossy=True),
    "BMP": Format((".bmp", ".dib"), ("1", "8"), orientation=False),
    "AVIF": Format((".avif",), ("8",), (RGB,), pages=True, lossy=True),
    "HEIF": Format((".heic", ".heif", ".hif"), ("8", "16"), (GRAY, RGB), lossy=True),
    "PGM": Format((".pgm", ".pnm"), ("8", "16"), (GRAY,), alpha=False, orientation=False),
    "PPM": Format((".ppm",), ("8", "16"), (RGB,), alpha=False, orientation=False),
    "JXL": Format((".jxl",), ("8", "16", "float"), orientation=False, lossy=True),
    "PBM": Format((".pbm",), ("1",), (GRAY,), alpha=False, orientation=False),
    "PFM": Format((".pfm",), ("float",), (GRAY, RGB), alpha=False, orientation=False),
    "PAM": Format((".pam",), ("8", "16"), orientation=False),
}
"""The formats that can be written. Other formats that Pillow reads are written as PNG."""

SUFFIXES = tuple(suffix for format in FORMATS.values() for suffix in format.suffixes)
"""Files in a folder with one of these suffixes, in upper or lower case, are images; others are ignored."""

NETPBM = ("PBM", "PGM", "PPM", "PFM")

_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
    "PGM": (b"P5", b"P2"),
    "PPM": (b"P6", b"P3"),
    "PBM": (b"P4", b"P1"),
    "PFM": (b"Pf", b"PF"),
    "PAM": (b"P7\n",),
    "JXL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
}
_NOT_WRITTEN = "is not written; without --format or a suffix it becomes PNG"
_HEIF_BRANDS = (b"hei", b"hev", b"mif", b"msf")
HEAD = 256
"""Bytes at the beginning of a file that tell its format."""


def format_named(name: str) -> str:
    """Return the key of `FORMATS` for a name such as ``jpg``, ``.tif`` or ``PNG``.

    Raises:
        UserError: no format has this name.
    """
    wanted = name.lower().removeprefix(".")
    for key, found in FORMATS.items():
        if wanted == key.lower() or f".{wanted}" in found.suffixes:
            return key
    names = [key.lower() for key in FORMATS]
    raise UserError(f"format: {name!r} is not one of {', '.join(names)}{nearest(wanted, names)}")


def becomes_png(name: str) -> str:
    """Return the note on an image of a kind that is only read."""
    return f"{name} {_NOT_WRITTEN}"


def without_becomes_png(notes: Iterable[str]) -> tuple[str, ...]:
    """Return the notes on an image whose output has a format that the user chose."""
    return tuple(note for note in notes if not note.endswith(_NOT_WRITTEN))


def format_of_suffix(path: Path) -> str | None:
    """Return the key of `FORMATS` for the suffix of a path, or None."""
    suffix = path.suffix.lower()
    return next((key for key, found in FORMATS.items() if suffix in found.suffixes), None)


def format_of_bytes(head: bytes) -> str | None:
    """Return the key of `FORMATS` for the first `HEAD` bytes of a file, or None.

    >>> format_of_bytes(b"\\x89PNG....")
    'PNG'
    """
    for key, starts in _SIGNATURES.items():
        if head.startswith(starts):
            return key
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _format_of_brands(head)
    return None


def _format_of_brands(head: bytes) -> str | None:
    """Return AVIF, HEIF or None for a file of boxes: general brands such as mif1 leave it to the list of brands."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    if any(brand in (b"avif", b"avis") for brand in brands) and brands[0][:3] not in (b"hei", b"hev"):
        return "AVIF"
    return "HEIF" if brands[0][:3] in _HEIF_BRANDS else None


def with_notes(image: ImageFile, *notes: str) -> ImageFile:
    """Return the image with further notes."""
    return replace(image, notes=image.notes + notes)


def check_size(width: int, height: int, pages: int = 1) -> None:
    """Check a declared size against `LARGEST_PAGE` and `LARGEST_FILE`, before anything is decoded.

    Raises:
        UserError: the size is above a limit, or a side is 0.
    """
    if width <= 0 or height <= 0:
        raise UserError("not readable as an image (it has no pixels); replace or remove it")
    if width * height > LARGEST_PAGE or width * height * pages > LARGEST_FILE:
        count = f"{pages} pages of " if pages > 1 else ""
        limit = f"{LARGEST_PAGE // 10**6} million pixels a page, {LARGEST_FILE // 10**6} million in all"
        raise UserError(
            f"refused as a decompression bomb ({count}{width}x{height}; the limit is {limit}); "
            "cut it into smaller files"
        )


def stated_white(page: ImagePage) -> int | None:
    """Return the white that a file states for integers, if they were scaled from it to their type when it was read."""
    if "top" in page.own:
        return page.own["top"]
    bits = page.own.get("bits", page.own.get("precision"))
    return 2**bits - 1 if bits is not None and page.color.dtype == np.uint16 and bits < 16 else None
