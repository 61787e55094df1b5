"""Read and write image files without loss: the content of a file, not its name, selects the reader.

Depth, alpha, CMYK channels, pages, color profile, EXIF and resolution survive a round trip. Each kind of
file has its own module: `tiff`, `png`, and `pillow` for the rest.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from clearer.core.errors import UserError, one_line
from clearer.core.files import is_no_file, written_whole
from clearer.images.around.parts import lost, parts_of
from clearer.images.camera_raw import refuse_raw
from clearer.images.types import HEAD, LARGEST_PAGE, NETPBM, Header, ImageFile, format_of_bytes
from clearer.images.unsupported import refuse_unsupported

_EMPTY = "the file is empty (0 bytes); replace or remove it"


def read_file(source: str | Path | bytes, name: str | None = None, *, first_page: bool = False) -> ImageFile:
    """Decode a file, or the bytes of one; its content, not its name, selects the reader.

    Args:
        source: the path, or the bytes.
        name: what error messages call it; by default the path.
        first_page: decode only the first page, or the first frame of an animation.

    Raises:
        UserError: the file is missing, empty, truncated, broken, larger than `LARGEST_PAGE` or
            `LARGEST_FILE`, or of a kind that is not supported.
    """
    name = name or (str(source) if not isinstance(source, bytes) else "image")
    with errors_named(name):
        data = source if isinstance(source, bytes) else checked_path(source).read_bytes()
        if not data:
            raise UserError(_EMPTY)
        refuse_raw(data[:HEAD], io.BytesIO(data))
        kind = format_of_bytes(data[:HEAD])
        if kind is None:
            refuse_unsupported(data[:HEAD])
        found = _read(data, kind, first_page)
        return found if first_page else replace(found, source=kind, parts=parts_of(data, kind))


def checked_path(path: str | Path) -> Path:
    """Return a path that leads to no device and no pipe, whose reading may never end.

    Raises:
        UserError: it does.
    """
    if is_no_file(Path(path)):
        raise UserError("a device or a pipe, not a file; pass what it holds to standard input (-)")
    return Path(path)


def _read(data: bytes, kind: str | None, first_page: bool) -> ImageFile:
    if kind == "TIFF":
        from clearer.images.tiff.read import read_tiff

        return read_tiff(data, first_page)
    if kind == "PNG":
        from clearer.images.png import read_png

        return read_png(data, first_page)
    if kind == "JPEG":
        from clearer.images.jpeg import read_jpeg

        return read_jpeg(data)
    if kind in NETPBM:
        from clearer.images.netpbm import read_netpbm

        return read_netpbm(data)
    if kind == "PAM":
        from clearer.images.pam import read_pam

        return read_pam(data)
    if kind == "JXL":
        from clearer.images.jpeg_xl import read_jpeg_xl

        return read_jpeg_xl(data)
    from clearer.images.jpeg_2000 import read_deep_jpeg_2000

    deep = read_deep_jpeg_2000(data)
    if deep is not None:
        return deep
    from clearer.images.pillow import read_with_pillow

    return read_with_pillow(data, first_page)


def read_header(path: str | Path) -> Header:
    """Return the size, as displayed, and the channels of the first page of a file; no pixel is decoded.

    Raises:
        UserError: the file is missing, empty, not an image, too large, or of a kind that is not supported.
    """
    with errors_named(str(path)), checked_path(path).open("rb") as file:
        head = file.read(HEAD)
        if not head:
            raise UserError(_EMPTY)
        file.seek(0)
        refuse_raw(head, file)
        file.seek(0)
        kind = format_of_bytes(head)
        if kind is None:
            refuse_unsupported(head)
        if kind in NETPBM:
            from clearer.images.netpbm import netpbm_header

            return netpbm_header(file)
        if kind == "PAM":
            from clearer.images.pam import pam_header

            return pam_header(file)
        if kind == "JXL":
            from clearer.images.jpeg_xl import jpeg_xl_header

            return jpeg_xl_header(file)
        if kind == "TIFF":
            from clearer.images.tiff.read import tiff_header

            return tiff_header(file)
        if kind == "PNG":
            from clearer.images.png import png_header

            return png_header(file)
        if kind == "JPEG":
            from clearer.images.jpeg import jpeg_header

            return jpeg_header(file)
        from clearer.images.pillow import header_with_pillow

        return header_with_pillow(file, kind)


def write_file(path: str | Path, image: ImageFile, quality: int | None = None) -> tuple[str, ...]:
    """Write an image atomically. It must fit its format (see `clearer.images.convert.fitted`).

    The written file is read back: what was around the pixels of the source and is not there is returned as a note.

    Args:
        path: the file to write; its suffix is ignored.
        image: the image, whose ``format`` is written.
        quality: 1 to 100 for lossy formats; by default JPEG, AVIF and HEIF have 95 with full chroma, and
            WebP is lossless.

    Raises:
        UserError: the format cannot hold the image, or the file cannot be written.
    """
    with written_whole(path) as temporary, temporary.open("w+b") as file:
        encode(file, image, quality, str(path))
        file.seek(0)
        return not_kept(image, file.read() if image.parts or "source" in image.own else b"", str(path))


def encode(file: BinaryIO, image: ImageFile, quality: int | None = None, name: str = "image") -> None:
    """Write an image, as `write_file` does, to an open file that can be read and seeked."""
    try:
        if image.format == "TIFF":
            from clearer.images.tiff.write import write_tiff

            write_tiff(file, image)
        elif image.format == "PNG":
            from clearer.images.png import write_png

            write_png(file, image)
        elif image.format == "JPEG":
            from clearer.images.jpeg import write_jpeg

            write_jpeg(file, image, quality)
        elif image.format == "JXL":
            from clearer.images.jpeg_xl import write_jpeg_xl

            write_jpeg_xl(file, image, quality)
        elif image.format == "PAM":
            from clearer.images.pam import write_pam

            write_pam(file, image)
        elif image.format in NETPBM:
            from clearer.images.netpbm import write_netpbm

            write_netpbm(file, image)
        else:
            from clearer.images.pillow import write_with_pillow

            write_with_pillow(file, image, quality)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except OSError as error:
        if error.errno is not None:  # raised by the disk, not by the encoder
            raise
        raise UserError(f"{name}: cannot be written as {image.format} ({one_line(error)}); use .png") from error
    except MemoryError:
        raise UserError(f"{name}: needs more memory than is free; cut it into smaller files") from None
    except (ImportError, NameError):
        raise  # a fault of the installation or of this program
    except Exception as error:  # encoders raise many kinds on strange metadata, from struct.error to TypeError
        raise UserError(f"{name}: cannot be written as {image.format} ({one_line(error)}); use .png") from error


def not_kept(image: ImageFile, written: bytes, name: str = "image") -> tuple[str, ...]:
    """Return a note if a written file lacks what was around the pixels of the image's source.

    Raises:
        UserError: the written file cannot be read: something strange was copied from the source.
    """
    try:
        return _not_kept(image, written)
    except (ImportError, NameError, MemoryError):
        raise
    except Exception as error:
        raise UserError(
            f"{name}: with what the source holds around its pixels, it cannot be read back as {image.format} "
            f"({one_line(error)}); use --format png"
        ) from error


def _not_kept(image: ImageFile, written: bytes) -> tuple[str, ...]:
    same = image.source == image.format
    if same and "source" in image.own:
        from clearer.images.tiff.compare import check_readable, differences

        check_readable(written, image.pages)
        return differences(image.own["source"], written, image.pages)
    if not image.parts or (same and image.format == "TIFF"):
        return ()
    names = lost(image.parts, parts_of(written, image.format), same)
    return (f"not kept: {', '.join(names)}",) if names else ()


def to_bytes(image: ImageFile, quality: int | None = None) -> bytes:
    """Return the bytes of the file that `write_file` would write."""
    file = io.BytesIO()
    encode(file, image, quality)
    return file.getvalue()


@contextlib.contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Turn any exception of the block into a UserError of one line that begins with ``name``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except FileNotFoundError:
        raise UserError(f"{name}: no such file; check the path") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from error
    except MemoryError:
        raise UserError(f"{name}: needs more memory than is free; cut it into smaller files") from None
    except Image.DecompressionBombError as error:
        limit = f"the limit is {LARGEST_PAGE // 10**6} million pixels a page"
        raise UserError(f"{name}: refused as a decompression bomb ({limit}); cut it into smaller files") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{name}: not readable as an image (not a known image format); replace it") from error
    except (ImportError, NameError):
        raise  # a fault of the installation or of this program, not of the file
    except Exception as error:
        # Decoders raise many kinds of exceptions on broken bytes, from SyntaxError to IndexError.
        raise UserError(f"{name}: not readable as an image ({one_line(error)}); replace or remove it") from error
