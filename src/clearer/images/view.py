"""Images in and out of files: uint8 arrays (H, W, C), C = 1 gray or 3 color."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from clearer.core.errors import UserError, one_line
from clearer.core.files import written_whole
from clearer.images.types import SUFFIXES, Uint8Pixels

# Without these a restored image would be degraded again by its encoder.
_ENCODING: dict[str, dict[str, int | bool]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
}
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Header(NamedTuple):
    """What an image's header says: height and width in pixels as displayed, and channels (1 or 3)."""

    height: int
    width: int
    channels: int


def read_header(path: str | Path) -> Header:
    """Return height, width (after EXIF orientation) and channels without decoding the pixels.

    Raises:
        UserError: the file is missing, empty or not an image.
    """
    path = Path(path)
    with _opened(path) as image:
        width, height = image.size
        # Pillow already turns the size of a TIFF when it opens it.
        if image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, _channels(image))


def native_channels(path: str | Path) -> int:
    """Return 1 for a gray file and 3 for a color one, from the header only.

    Palette files count as color, whatever their palette holds; alpha is not counted.

    Raises:
        UserError: the file is missing, empty or not an image.
    """
    return read_header(path).channels


def read_image(path: str | Path, channels: int | None = None) -> Uint8Pixels:
    """Return the pixels of a file as uint8 (H, W, C), turned as its EXIF orientation says.

    Alpha is dropped. Sixteen-bit gray is brought to 8 bits as ``round(value / 257)``; sixteen-bit
    color loses its low bytes (Pillow reads no more). Of an animation, the first frame is read.

    Args:
        path: a file that Pillow can read.
        channels: None keeps gray as C = 1 and color as C = 3. 1 makes ITU-R BT.601 luma of color
            (Pillow's mode "L"); 3 repeats gray three times.

    Raises:
        UserError: the file is missing, empty, cut short, broken, larger than Pillow's limit against
            decompression bombs, or of 32-bit pixels, whose range is not known.
    """
    path = Path(path)
    if channels not in (None, 1, 3):
        raise UserError(f"{path}: cannot be read as {channels} channels; 1 (gray) and 3 (color) are possible")
    with _opened(path) as image:
        image.load()
        turn = _TURNS.get(_orientation(image))
        upright: Image.Image = image if turn is None else image.transpose(turn)
        if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
            pixels = _from_deep_gray(upright, image.format, path)
        else:
            pixels = np.array(_as_gray_or_color(upright, channels), dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if channels == 3 and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return pixels


def write_image(path: str | Path, array: Uint8Pixels) -> None:
    """Write uint8 (H, W), (H, W, 1) or (H, W, 3), whole or not at all.

    The suffix chooses the format: JPEG is written at quality 95 without chroma subsampling, WebP
    without loss.

    Raises:
        UserError: the suffix is not one of a format that can be written, the image is too large
            for the format, or the place cannot be written.
        ValueError: the array is not of this type and shape.
    """
    path = Path(path)
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise ValueError(f"an image is uint8 (H, W), (H, W, 1) or (H, W, 3), not {array.dtype} {array.shape}")
    known = Image.registered_extensions()
    possible = [s for s in SUFFIXES if known.get(s) in Image.SAVE]
    if path.suffix.lower() not in possible:
        raise UserError(f"{path}: cannot be written as {path.suffix!r}; end the name in {', '.join(possible)}")
    name = known[path.suffix.lower()]
    with written_whole(path) as temporary:
        try:
            Image.fromarray(np.ascontiguousarray(array)).save(temporary, format=name, **_ENCODING.get(name, {}))
        except ValueError as error:
            raise UserError(f"{path}: cannot be written as {name} ({one_line(error)}); use .png") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open ``path``; whatever goes wrong inside the block becomes a UserError that names it."""
    try:
        # A file object and not the name: given a name, Pillow maps uncompressed TIFFs into memory
        # and garbles those whose orientation swaps height and width.
        with path.open("rb") as file, Image.open(file) as image:
            yield image
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6} million pixels"
        raise UserError(f"{path}: refused as a decompression bomb ({limit}); cut it into smaller files") from error
    except Exception as error:
        # Decoders answer broken bytes with many kinds of exceptions, from SyntaxError to IndexError.
        with contextlib.suppress(OSError):
            if path.stat().st_size == 0:
                raise UserError(f"{path}: the file is empty (0 bytes); replace or remove it") from None
        reason = "not a known image format" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise UserError(f"{path}: not readable as an image ({reason}); replace or remove it") from error


def _orientation(image: Image.Image) -> int:
    # The method of the base class: that of PNG decodes the whole image first. Broken EXIF is no
    # reason to refuse an image.
    with contextlib.suppress(Exception):
        return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
    return 1


def _channels(image: Image.Image) -> int:
    return 1 if image.mode in _GRAY_MODES or image.mode.startswith("I;16") else 3


def _as_gray_or_color(image: Image.Image, channels: int | None) -> Image.Image:
    if _channels(image) == 1:
        return image if image.mode == "L" else image.convert("L")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # straight to RGB, Pillow warns of a palette with alpha
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image.convert("L") if channels == 1 else image


def _from_deep_gray(image: Image.Image, format: str | None, path: Path) -> Uint8Pixels:
    # Older Pillow opens 16-bit PNG and PGM files in the 32-bit mode "I".
    if image.mode == "F" or (image.mode == "I" and format not in ("PNG", "PPM")):
        raise UserError(f"{path}: has 32-bit pixels of unknown range; convert it to 8 or 16 bits")
    deep = np.asarray(image).astype(np.uint32)
    return ((deep + 128) // 257).astype(np.uint8)  # 257 is odd, so this rounds without ties
