"""What the samples of a TIFF page mean: color, alpha and bands; from stored samples to pixels and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.tiff.limits import BOUNDED
from clearer.images.types import CMYK, GRAY, RGB, WIDE, AnyPixels

_COLORS = {"MINISWHITE": GRAY, "MINISBLACK": GRAY, "RGB": RGB, "YCBCR": RGB, "SEPARATED": CMYK, "PALETTE": GRAY}
_RAW_OF_CAMERAS = ("CFA", "LINEAR_RAW")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = ("bool", *_INTEGERS, "float16", "float32", "float64")
_ALPHA = (1, 2)  # ExtraSamples: associated (color is multiplied by it) and unassociated
_EXTREMES = (340, 341)  # SMinSampleValue, SMaxSampleValue
_NOT_CMYK = 2  # InkSet
_MOST_BANDS = 4096


class Part(NamedTuple):
    """Samples that are restored together: one gray, three of RGB or four of CMYK, perhaps with an alpha.

    Attributes:
        color: the numbers of the samples.
        alpha: the number of the sample, or None.
    """

    color: tuple[int, ...]
    alpha: int | None = None


def parts_of(page: Any, where: str = "") -> tuple[Part, ...]:
    """Return the parts of a tifffile page: its color, then each band that is neither color nor alpha.

    Raises:
        UserError: the page is of a kind that is not supported; the message begins with ``where``.
    """
    check_kind(page, where)
    count = samples_of(page)
    colors = 1 if _is_only_bands(page) else _COLORS[photometric_of(page)]
    if count < colors:
        raise UserError(f"{where}has {count} channels, where its colors need {colors}; convert it")
    if count > _MOST_BANDS:
        raise UserError(f"{where}has {count} channels, more than {_MOST_BANDS}; cut it into smaller files")
    meanings = tuple(int(value) for value in page.extrasamples or ())
    alphas = [k for k in range(colors, count) if _meaning(meanings, k - colors) in _ALPHA]
    main = Part(tuple(range(colors)), alphas[0] if alphas else None)
    return (main, *(Part((k,)) for k in range(colors, count) if k not in alphas))


def is_premultiplied(page: Any) -> bool:
    """Return whether the color of a page is multiplied by its alpha."""
    found = next((value for value in page.extrasamples or () if int(value) in _ALPHA), 0)
    return int(found) == 1


def samples_of(page: Any) -> int:
    """Return the number of samples of a pixel."""
    return int(page.shaped[0] * page.shaped[4])


def _meaning(meanings: tuple[int, ...], number: int) -> int:
    return meanings[number] if number < len(meanings) else 0


def _is_only_bands(page: Any) -> bool:
    """Return whether the inks of a page are not those of CMYK."""
    inks = page.tags.valueof(332, 1)
    return photometric_of(page) == "SEPARATED" and (samples_of(page) < CMYK or inks == _NOT_CMYK)


def check_kind(page: Any, where: str = "") -> None:
    """Check that the colors and the depth of a page are supported.

    Raises:
        UserError: they are not; the message begins with ``where``.
    """
    photometric, dtype = photometric_of(page), page.dtype
    if photometric in _RAW_OF_CAMERAS:
        raise UserError(f"{where}holds the values of a camera's sensor ({photometric}); develop it first")
    if photometric not in _COLORS:
        raise UserError(f"{where}its colors are of a kind that cannot be kept ({photometric}); convert it to RGB")
    bits = page.bitspersample
    kind = f"{bits}-bit {dtype or 'pixels'}"
    if dtype is None or dtype.name not in _DTYPES or not isinstance(bits, int):
        raise UserError(f"{where}{kind} are not supported; convert it to 8 or 16 bits or floating point")
    if few_bits(page) and dtype.kind != "u":
        raise UserError(f"{where}{kind} are not supported; convert it to 8 or 16 bits or floating point")
    if photometric == "MINISWHITE" and dtype.kind == "f":
        raise UserError(f"{where}floating point with white as zero is not supported; convert it")
    if is_raw_ycbcr(page) and (dtype.name != "uint8" or page.is_subsampled or samples_of(page) != 3):
        raise UserError(f"{where}its colors are of a kind that cannot be kept (YCBCR); convert it to RGB")
    if photometric == "PALETTE" and page.colormap is None:
        raise UserError(f"{where}not readable as an image (its palette is missing); replace or remove it")


def photometric_of(page: Any) -> str:
    """Return the color space of a page by its name in tifffile."""
    return str(getattr(page.photometric, "name", page.photometric))


def few_bits(page: Any) -> bool:
    """Return whether samples have fewer bits than their data type, apart from bilevel images."""
    return bool(page.dtype is not None and page.bitspersample not in (1, page.dtype.itemsize * 8))


def is_raw_ycbcr(page: Any) -> bool:
    """Return whether YCbCr comes out of the decoder; those of JPEG and of its successors return RGB."""
    return photometric_of(page) == "YCBCR" and page.compression in BOUNDED


def is_indexed(page: Any) -> bool:
    """Return whether a page is read as the RGB of its palette.

    The palettes of ImageJ are lookup tables: its samples are intensities, and the table says how to show them.
    """
    return photometric_of(page) == "PALETTE" and not page.parent.is_imagej


def levels_of(page: Any) -> tuple[float, float] | None:
    """Return the levels that are black and white by the bits of a sample or by tags; None if these say nothing."""
    if is_indexed(page) or _is_scaled(page):
        return None
    if few_bits(page):
        return 0.0, 2.0**page.bitspersample - 1
    return _stated_levels(page) if page.dtype.name in WIDE else None


def _stated_levels(page: Any) -> tuple[float, float] | None:
    """Return the levels of the tags SMinSampleValue and SMaxSampleValue, if they say any."""
    found = [np.ravel(page.tags.valueof(code, ())) for code in _EXTREMES]
    if not all(one.size for one in found) or photometric_of(page) == "MINISWHITE":
        return None
    low, high = float(found[0].min()), float(found[1].max())
    return (low, high) if np.isfinite(low) and np.isfinite(high) and low < high else None


def _is_scaled(page: Any) -> bool:
    """Return whether samples of 2 or 4 bits are read as 8."""
    return few_bits(page) and page.bitspersample in (2, 4)


def flat(stored: AnyPixels, layer: int) -> AnyPixels:
    """Return the samples of one layer, (H, W, samples), of an array (samples, layers, H, W, samples): a view."""
    found = stored[:, layer]
    return np.moveaxis(found, 0, -1)[:, :, 0] if len(found) > 1 else found[0]


def pixels_of(page: Any, samples: AnyPixels, part: Part) -> AnyPixels:
    """Return the color (H, W, C) of a part of the stored samples (H, W, samples).

    Black is zero (of CMYK, no ink), palettes and YCbCr become RGB, 2 and 4 bits become 8.
    """
    color = samples[:, :, list(part.color)]
    if part.color[0] == 0 and is_indexed(page):
        return _through_palette(np.asarray(page.colormap), color[:, :, 0])
    if is_raw_ycbcr(page):
        height, width = color.shape[:2]
        return np.array(Image.frombytes("YCbCr", (width, height), color.tobytes()).convert("RGB"))
    return np.ascontiguousarray(_as_light(page, color))


def alpha_of(page: Any, samples: AnyPixels, part: Part) -> AnyPixels | None:
    """Return the alpha (H, W, 1) of a part; None if it has none."""
    if part.alpha is None:
        return None
    found = samples[:, :, part.alpha : part.alpha + 1]
    return np.ascontiguousarray(_scaled(page, found))


def samples_from(page: Any, color: AnyPixels) -> AnyPixels:
    """Undo `pixels_of` for pixels of the page's own data type and colors."""
    if photometric_of(page) == "MINISWHITE":
        color = _inverted(page, color) if not _is_scaled(page) else np.invert(color)
    return unscaled(page, color)


def unscaled(page: Any, pixels: AnyPixels) -> AnyPixels:
    """Return samples of 2 or 4 bits as they are stored, of pixels with 8; other pixels as they are."""
    if not _is_scaled(page):
        return pixels
    step = 255 // (2**page.bitspersample - 1)
    return np.asarray((pixels.astype(np.uint16) + step // 2) // step, np.uint8)


def _scaled(page: Any, pixels: AnyPixels) -> AnyPixels:
    return pixels * np.uint8(255 // (2**page.bitspersample - 1)) if _is_scaled(page) else pixels


def _as_light(page: Any, pixels: AnyPixels) -> AnyPixels:
    if photometric_of(page) != "MINISWHITE":
        return _scaled(page, pixels)
    return np.invert(_scaled(page, pixels)) if _is_scaled(page) else _inverted(page, pixels)


def _inverted(page: Any, pixels: AnyPixels) -> AnyPixels:
    if few_bits(page):
        return np.asarray(pixels.dtype.type(2**page.bitspersample - 1) - pixels, pixels.dtype)
    return np.invert(pixels)


def _through_palette(table: AnyPixels, indices: AnyPixels) -> AnyPixels:
    """Return the RGB of indices (H, W), given a palette (3, colors) of 16 bits."""
    rgb = np.moveaxis(table[:, indices.astype(np.intp)], 0, -1)
    # Some programs write 257 times the 8-bit level, some 256 times; other palettes have 16 bits indeed.
    low = table & 0xFF
    if bool(((low == 0) | (low == table >> 8)).all()):
        return np.asarray(rgb >> 8, np.uint8)
    return np.asarray(rgb, np.uint16)
