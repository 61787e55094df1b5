"""Read TIFF through tifffile: pages of every depth, each with its own tags.

Codecs that tifffile does not have itself (LZW, JPEG, Zstandard and more) come from imagecodecs.
"""

from __future__ import annotations

import io
import struct
from mmap import mmap
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clearer.core.errors import UserError
from clearer.images.exif import plain, valid_orientation
from clearer.images.tiff_limits import BOUNDED, Extent, extent_of
from clearer.images.types import (
    CMYK,
    GRAY,
    RGB,
    AnyPixels,
    Header,
    ImageFile,
    ImagePage,
    PageOwn,
    Resolution,
    check_size,
)

TEXTS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432)
"""Tags that hold text: title, maker, software, date and more."""
XMP, ICC, EXIF, GPS = 700, 34675, int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
"""Tags that hold, or point to, what their names say."""

_COLORS = {"MINISWHITE": GRAY, "MINISBLACK": GRAY, "RGB": RGB, "YCBCR": RGB, "SEPARATED": CMYK, "PALETTE": RGB}
_DTYPES = ("bool", "uint8", "uint16", "float16", "float32", "float64")
_KEPT_CODECS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "ZSTD", "PACKBITS", "LZMA")
# IPTC, Photoshop and georeferencing (GeoTIFF, GDAL): copied unchanged.
_CARRIED = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_PER_UNIT = {2: 1.0, 3: 2.54}  # inch, centimeter


def read_tiff(data: bytes, first_page: bool = False) -> ImageFile:
    """Read all pages, or only the first.

    Raises:
        UserError: a page is too large, truncated or of a kind that is not supported. tifffile and its
            codecs raise other exceptions too.
    """
    if not count_pages(data):
        raise UserError("not readable as an image (the TIFF has no page); replace or remove it")
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        pages = [page.aspage() for page in ([tiff.pages[0]] if first_page else tiff.pages)]
        total = 0
        for page in pages:
            check_size(page.imagewidth, page.imagelength)
            pixels = extent_of(page, data).pixels
            check_size(1, pixels)
            total += pixels
        check_size(1, 1, total)
        found = tuple(read_page(page, data, number) for number, page in enumerate(pages, start=1))
        bits = sorted({page.bitspersample for page in pages if _few_bits(page)})
        notes = tuple(f"{count} bits a sample are written as 8" for count in bits)
        return ImageFile("TIFF", found, {"byteorder": tiff.byteorder, "bigtiff": tiff.is_bigtiff}, notes)


def tiff_header(file: BinaryIO) -> Header:
    """Return the header of the first page of an open TIFF file: nothing is decoded.

    Raises:
        UserError: the page is too large or of a kind that is not supported. tifffile raises other exceptions too.
    """
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[0].aspage()
        channels = GRAY if _checked_colors(page, "page 1: ") == GRAY else RGB
        return Header.of_stored(page.imagewidth, page.imagelength, _orientation(page), channels)


def extents_of(data: bytes) -> list[Extent]:
    """Return the declared size of each page: nothing is decoded.

    Raises:
        UserError: the chain of pages is broken. tifffile raises other exceptions too.
    """
    count_pages(data)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return [extent_of(page.aspage(), data) for page in tiff.pages]


def count_pages(data: bytes) -> int:
    """Count the pages of a file without reading their tags.

    Raises:
        UserError: see `page_offsets`.
    """
    return len(page_offsets(data))


def page_offsets(data: bytes | mmap) -> list[int]:
    """Return where the tags of each page begin in a file; none of them is read.

    Raises:
        UserError: the chain of pages is broken or a circle, in which tifffile would run forever.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (count_code, count_size, entry, offset_code, size, first) = (
        ("Q", 8, 20, "Q", 8, 8) if big else ("H", 2, 12, "I", 4, 4)
    )
    found: dict[int, None] = {}
    place = first
    while True:
        (start,) = struct.unpack_from(order + offset_code, data, place)
        if start == 0:
            return list(found)
        if start in found or start + count_size > len(data):
            raise UserError("not readable as an image (its pages lead nowhere or in a circle); replace or remove it")
        found[start] = None
        (count,) = struct.unpack_from(order + count_code, data, start)
        place = start + count_size + count * entry
        if place + size > len(data):
            raise UserError("not readable as an image (the file is cut short); replace or remove it")


def _checked_colors(page: Any, where: str) -> int:
    """Return the number of channels of a page's color space: `GRAY`, `RGB` or `CMYK`.

    Raises:
        UserError: the page is of a kind that is not supported; the message begins with ``where``.
    """
    photometric = _photometric(page)
    colors = _COLORS.get(photometric)
    if colors is None:
        raise UserError(f"{where}its colors are of a kind that cannot be kept ({photometric}); convert it to RGB")
    if page.dtype is None or page.dtype.name not in _DTYPES:
        kind = f"{page.bitspersample}-bit {page.dtype or 'pixels'}"
        raise UserError(f"{where}{kind} are not supported; convert it to 8 or 16 bits or floating point")
    if page.imagedepth != 1:
        raise UserError(f"{where}is a volume of {page.imagedepth} layers; cut it into pages")
    stored = GRAY if photometric == "PALETTE" else colors
    if page.samplesperpixel - stored not in (0, 1):
        raise UserError(f"{where}has {page.samplesperpixel} channels, where {stored} and one of alpha are possible")
    if _few_bits(page) and not (page.bitspersample in (2, 4) and colors == GRAY):
        raise UserError(f"{where}{page.bitspersample} bits a sample are not supported; convert it to 8 or 16 bits")
    if photometric == "MINISWHITE" and page.dtype.kind == "f":
        raise UserError(f"{where}floating point with white as zero is not supported; convert it")
    if _is_raw_ycbcr(page) and (page.dtype.name != "uint8" or page.is_subsampled or page.samplesperpixel != 3):
        raise UserError(f"{where}its colors are of a kind that cannot be kept (YCBCR); convert it to RGB")
    return colors


def _photometric(page: Any) -> str:
    return str(getattr(page.photometric, "name", page.photometric))


def _few_bits(page: Any) -> bool:
    """Return whether samples have fewer bits than their data type, apart from bilevel images and palettes."""
    return bool(
        page.bitspersample != page.dtype.itemsize * 8 and page.bitspersample != 1 and _photometric(page) != "PALETTE"
    )


def _is_raw_ycbcr(page: Any) -> bool:
    """Return whether YCbCr comes out of the decoder; those of JPEG and of its successors return RGB."""
    return _photometric(page) == "YCBCR" and page.compression in BOUNDED


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return valid_orientation(tag.value) if tag else 1


def read_page(page: Any, data: bytes | mmap, number: int) -> ImagePage:
    """Decode a page of tifffile, given the bytes of its file; messages call it page ``number``.

    Raises:
        UserError: the page is truncated or of a kind that is not supported. tifffile raises other exceptions too.
    """
    where = f"page {number}: "
    colors = _checked_colors(page, where)
    if any(o + n > len(data) for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise UserError(f"{where}not readable as an image (the file is cut short); replace or remove it")
    pixels = _in_color(page, _decoded(page))
    rest = pixels.shape[2] - colors
    if rest not in (0, 1):
        raise UserError(f"{where}has {pixels.shape[2]} channels, where {colors} and one of alpha are possible")
    resolution = _resolution(page)
    dpi = None
    if resolution is not None and (scale := _PER_UNIT.get(resolution[2])):
        across, down = (n / d * scale for n, d in resolution[:2])
        dpi = (across, down)
    icc, xmp = (_bytes(page.tags.get(code)) for code in (ICC, XMP))
    return ImagePage(
        pixels[:, :, :colors],
        pixels[:, :, colors:] if rest else None,
        orientation=_orientation(page),
        icc=icc,
        exif=_exif(data, page),
        xmp=xmp,
        dpi=dpi,
        own=_own(page, bool(rest), resolution),
    )


def _resolution(page: Any) -> Resolution | None:
    """Return the resolution as fractions, horizontal and vertical, and the code of its unit."""
    across, down, unit = (page.tags.get(code) for code in (282, 283, 296))
    if across and down and all(n and d for n, d in (across.value, down.value)):
        return across.value, down.value, int(unit.value) if unit else 2
    return None


def _own(page: Any, has_alpha: bool, resolution: Resolution | None) -> PageOwn:
    """Return what only a TIFF page has, to write it as it was."""
    photometric, codec = _photometric(page), page.compression.name
    own: PageOwn = {
        "photometric": photometric if photometric == "MINISWHITE" else None,
        "compression": codec if codec in _KEPT_CODECS else "ADOBE_DEFLATE",
        "predictor": page.predictor in (2, 3),
        "extrasample": int(page.extrasamples[0]) if has_alpha and page.extrasamples else 2,
        "subfiletype": int(page.subfiletype),
        "tags": [(t.code, int(t.dtype), t.count, t.value, False) for code in _CARRIED if (t := page.tags.get(code))],
    }
    if resolution is not None:
        own["resolution"] = resolution
    return own


def _in_color(page: Any, pixels: AnyPixels) -> AnyPixels:
    """Return decoded samples as gray, RGB or CMYK: black is zero (of CMYK, no ink), palette and YCbCr become RGB."""
    photometric = _photometric(page)
    if photometric == "PALETTE":
        table = np.asarray(page.colormap)  # (3, 2^bits) uint16
        rgb = np.moveaxis(table[:, pixels[:, :, 0].astype(np.intp)], 0, -1)
        # The high byte: some programs write 257 times the 8-bit level, some 256 times.
        return np.asarray(rgb >> 8, np.uint8)
    if _is_raw_ycbcr(page):
        height, width = pixels.shape[:2]
        return np.array(Image.frombytes("YCbCr", (width, height), pixels.tobytes()).convert("RGB"))
    if _few_bits(page):
        pixels = pixels * np.uint8(255 // (2**page.bitspersample - 1))
    return np.invert(pixels) if photometric == "MINISWHITE" else pixels


def _decoded(page: Any) -> AnyPixels:
    """Return (H, W, samples) as stored, in native byte order."""
    pixels: AnyPixels = np.asarray(page.asarray(maxworkers=1))
    if pixels.ndim == 3 and page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    elif pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width = page.imagelength, page.imagewidth
    if pixels.shape[:2] != (height, width) or pixels.ndim != 3:
        pixels = pixels.reshape(height, width, -1)  # tifffile may squeeze sides of 1
    native: AnyPixels = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
    return native


def _bytes(tag: Any) -> bytes | None:
    return (tag.value if isinstance(tag.value, bytes) else bytes(tag.value)) or None if tag else None


def _exif(data: bytes | mmap, page: Any) -> bytes | None:
    """Return what TIFF stores in tags of the page as an EXIF block: texts, camera and location."""
    found = Image.Exif()
    for code in TEXTS:
        tag = page.tags.get(code)
        if tag is not None and isinstance(tag.value, str) and tag.value:
            # The bytes of the file: TIFF does not say how text that is not ASCII is encoded.
            found[code] = data[tag.valueoffset : tag.valueoffset + tag.count].rstrip(b"\0")
    for code in (EXIF, GPS):
        tag = page.tags.get(code)
        if tag is None:
            continue
        try:
            file = io.BytesIO(data)
            group = ImageFileDirectory_v2(file.read(16 if page.parent.is_bigtiff else 8), group=code)
            file.seek(_offset_of(data, tag))
            group.load(file)
            entries = {key: value for key, value in group.items() if key != 40965}  # a group within the group
        except Exception:  # Pillow raises many kinds; broken EXIF is no reason to refuse an image
            continue
        if entries:
            found[code] = entries
    return plain(found.tobytes()) if len(found) else None


def _offset_of(data: bytes | mmap, tag: Any) -> int:
    """Return the offset of the group that a tag points to; tifffile would return its contents."""
    order = tag.parent.byteorder
    size, code = (8, "Q") if int(tag.dtype) in (16, 18) else (4, "I")  # LONG8, IFD8
    place = tag.offset + (12 if tag.parent.is_bigtiff else 8)
    (offset,) = struct.unpack(order + code, data[place : place + size])
    return int(offset)
