"""An image file with all that is around its pixels, so that it can be written back as it came.

`data/images.py` reads images to learn from: upright uint8, nothing else. Here nothing is lost:
depth, alpha, inks, pages, profile, EXIF, resolution. `read_file` and `write_file` are the way in and
out; each kind of file has its own module: `tiff_pages`, `png_chunks`, and `pillow_formats` for the rest.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from clearer.core.errors import UserError, nearest
from clearer.core.files import written_whole

AnyPixels = npt.NDArray[Any]

GRAY, RGB, CMYK = 1, 3, 4
"""What a page's color is, as its number of channels."""

LARGEST_PAGE = 2 * (Image.MAX_IMAGE_PIXELS or 89478485)
LARGEST_FILE = 10**9
"""Pixels of a page and of all pages; files that claim more are refused as decompression bombs."""


@dataclass(frozen=True)
class Page:
    """One image as it lies in its file: not turned, not scaled, not converted.

    Attributes:
        color: (H, W, C), C = 1 gray, 3 RGB, 4 CMYK (more is more ink); bool (bilevel, True is white),
            uint8, uint16, or floating point.
        alpha: (H, W, 1) of the same dtype, or None. It is never restored.
        orientation: 1 to 8, as in EXIF: how the page has to be turned for looking at it.
        icc: the color profile.
        exif: an EXIF block, from its TIFF header on.
        xmp: an XMP packet.
        dpi: pixels an inch, across and down.
        own: what only this kind of file has; used again when it is written as the same kind.
    """

    color: AnyPixels
    alpha: AnyPixels | None = None
    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    own: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageFile:
    """The pages of a file (of an animation: its frames), the format's name as in `FORMATS`, and notes.

    ``own`` is as in `Page`, for the whole file. ``notes`` say in words what could not be kept.
    """

    format: str
    pages: tuple[Page, ...]
    own: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """What a kind of file can hold: depths are "1", "8", "16", "float"; the first suffix is the usual one."""

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
    "TIFF": Format((".tif", ".tiff"), ("1", "8", "16", "float"), (GRAY, RGB, CMYK), pages=True),
    "WEBP": Format((".webp",), ("8",), (RGB,), pages=True, lossy=True),
    "BMP": Format((".bmp", ".dib"), ("1", "8"), orientation=False),
    "AVIF": Format((".avif",), ("8",), (RGB,), pages=True, lossy=True),
    "HEIF": Format((".heic", ".heif"), ("8", "16"), (GRAY, RGB), lossy=True),
    "PGM": Format((".pgm", ".pnm"), ("8", "16"), (GRAY,), alpha=False, orientation=False),
    "PPM": Format((".ppm",), ("8", "16"), (RGB,), alpha=False, orientation=False),
}
"""The formats that are written; others that Pillow reads come back as PNG."""


def format_named(name: str) -> str:
    """Return the key of `FORMATS` for a name such as ``jpg``, ``.tif`` or ``PNG``.

    Raises:
        UserError: there is none.
    """
    wanted = name.lower().removeprefix(".")
    for key, found in FORMATS.items():
        if wanted == key.lower() or f".{wanted}" in found.suffixes:
            return key
    names = [key.lower() for key in FORMATS]
    raise UserError(f"format: {name!r} is not one of {', '.join(names)}{nearest(wanted, names)}")


def format_of_suffix(path: Path) -> str | None:
    """Return the key of `FORMATS` for a file's suffix, or None."""
    suffix = path.suffix.lower()
    return next((key for key, found in FORMATS.items() if suffix in found.suffixes), None)


def format_of_bytes(head: bytes) -> str | None:
    """Return the key of `FORMATS` that the first 16 bytes of a file tell, or None.

    >>> format_of_bytes(b"\\x89PNG....")
    'PNG'
    """
    for key, starts in _SIGNATURES.items():
        if head.startswith(starts):
            return key
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return {b"avif": "AVIF", b"avis": "AVIF"}.get(head[8:12], "HEIF" if head[8:11] in _HEIF_BRANDS else None)
    return None


_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    "PNG": (b"\x89PNG",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
    "PGM": (b"P5", b"P2"),
    "PPM": (b"P6", b"P3"),
}
_HEIF_BRANDS = (b"hei", b"hev", b"mif", b"msf")


def read_file(source: str | Path | bytes, name: str | None = None) -> ImageFile:
    """Read a file, or the bytes of one, whole: its content and not its name tells what it is.

    Args:
        source: the path, or the bytes.
        name: what errors call it; the path by default.

    Raises:
        UserError: it is missing, empty, cut short, broken, larger than `LARGEST_PAGE` or `LARGEST_FILE`,
            or of a kind that cannot be kept.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "image")
    with _faults_named(name):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        if not data:
            raise UserError("the file is empty (0 bytes); replace or remove it")
        kind = format_of_bytes(data[:16])
        if kind == "TIFF":
            from clearer.images.tiff import read_tiff

            return read_tiff(data)
        if kind == "PNG":
            from clearer.images.png import read_png

            return read_png(data)
        from clearer.images.pillow import read_with_pillow

        return read_with_pillow(data)


def write_file(path: str | Path, image: ImageFile, quality: int | None = None) -> None:
    """Write an image that fits its format (see `data.image_fitting.fitted`), whole or not at all.

    Args:
        path: where; its suffix does not matter.
        quality: 1 to 100 for lossy formats; by default JPEG, AVIF and HEIF get 95 with full chroma, and
            WebP loses nothing.

    Raises:
        UserError: the format cannot hold the image, or the place cannot be written.
    """
    with written_whole(path) as temporary, temporary.open("wb") as file:
        encode(file, image, quality, str(path))


def encode(file: BinaryIO, image: ImageFile, quality: int | None = None, name: str = "image") -> None:
    """Write an image to an open file that can be read and sought in, as `write_file` does."""
    try:
        if image.format == "TIFF":
            from clearer.images.tiff import write_tiff

            write_tiff(file, image)
        elif image.format == "PNG":
            from clearer.images.png import write_png

            write_png(file, image)
        else:
            from clearer.images.pillow import write_with_pillow

            write_with_pillow(file, image, quality)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except OSError as error:
        if error.errno is not None:  # the disk and not the encoder
            raise
        raise UserError(f"{name}: cannot be written as {image.format} ({one_line(error)}); use .png") from error
    except (ValueError, RuntimeError, OverflowError) as error:
        raise UserError(f"{name}: cannot be written as {image.format} ({one_line(error)}); use .png") from error


def to_bytes(image: ImageFile, quality: int | None = None) -> bytes:
    """Return the file that `write_file` would write."""
    file = io.BytesIO()
    encode(file, image, quality)
    return file.getvalue()


def with_notes(image: ImageFile, *notes: str) -> ImageFile:
    return replace(image, notes=image.notes + notes)


def check_size(width: int, height: int, pages: int = 1) -> None:
    """Refuse what claims to be too large, before anything of it is decoded.

    Raises:
        UserError: it does; or a side is 0.
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


@contextlib.contextmanager
def _faults_named(name: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes a UserError of one line that begins with ``name``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; check the path") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    except MemoryError:
        raise UserError(f"{name}: needs more memory than there is; cut it into smaller files") from None
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: refused as a decompression bomb ({one_line(error)})") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not readable as an image (not a known image format); replace it") from error
    except Exception as error:
        # Decoders answer broken bytes with many kinds of exceptions, from SyntaxError to IndexError.
        raise UserError(f"{name}: not readable as an image ({one_line(error)}); replace or remove it") from error


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
