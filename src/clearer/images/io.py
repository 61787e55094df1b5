"""Read and write image files without loss: the content of a file, not its name, selects the reader.

Depth, alpha, CMYK channels, pages, color profile, EXIF and resolution survive a round trip. Each kind of
file has its own module: `tiff`, `png`, and `pillow` for the rest.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from clearer.core.errors import UserError, one_line
from clearer.core.files import written_whole
from clearer.images.types import ImageFile, format_of_bytes


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
