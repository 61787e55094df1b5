"""Read TIFF through tifffile: images of every depth, each with its own tags.

Codecs that tifffile does not have itself (LZW, JPEG, Zstandard and more) come from imagecodecs.
"""

from __future__ import annotations

import io
import math
import mmap
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clearer.core.errors import UserError
from clearer.images.exif import plain, valid_orientation
from clearer.images.nodata import hidden_of, without
from clearer.images.pixels import depth_of
from clearer.images.tiff.directory import Bytes, page_offsets
from clearer.images.tiff.limits import Extent, extent_of
from clearer.images.tiff.plan import Plane, StoredImage, bands_of, plan_of
from clearer.images.tiff.samples import (
    alpha_of,
    flat,
    is_indexed,
    is_premultiplied,
    levels_of,
    photometric_of,
    pixels_of,
)
from clearer.images.tiff.segments import geometry_of
from clearer.images.types import (
    GRAY,
    RGB,
    WIDE,
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

_KEPT_CODECS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "ZSTD", "PACKBITS", "LZMA")
# IPTC, Photoshop and georeferencing (GeoTIFF, GDAL): copied unchanged.
_CARRIED = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_PER_UNIT = {2: 1.0, 3: 2.54}  # inch, centimeter
_NODATA = 42113
_NO_PAGE = "not readable as an image (the TIFF has no page); replace or remove it"


def read_tiff(data: bytes, first_page: bool = False) -> ImageFile:
    """Read all images, or only the first.

    An image with bands that are neither color nor alpha becomes a page for its color, and one for each band. Smaller
    versions of an image and masks are no pages; `clearer.images.tiff.rewrite` writes them anew.

    Raises:
        UserError: a page is too large, truncated or of a kind that is not supported. tifffile and its
            codecs raise other exceptions too.
    """
    with opened(data) as tiff:
        plan = plan_of(tiff, data)
        planes = list(plan.planes())
        planes = planes[:1] if first_page else planes
        _check_sizes(planes if first_page else plan.images, data)
        bands = bands_of(tiff, plan, list(plan.planes()))
        pages = tuple(with_bands(with_common_levels(list(_pages(planes, data))), bands))
        own: Any = {"byteorder": tiff.byteorder, "bigtiff": tiff.is_bigtiff, "source": data}
        return ImageFile("TIFF", pages, own, plan.notes)


def opened(data: bytes) -> Any:
    """Return tifffile's view of a file in memory, after its chain of pages was checked.

    Raises:
        UserError: there is no page, or the chain is broken.
    """
    if not count_pages(data):
        raise UserError(_NO_PAGE)
    # OME-TIFF may spread over files; each is a set of images of its own here.
    return tifffile.TiffFile(io.BytesIO(data), _multifile=False)


@contextmanager
def opened_file(path: str | Path) -> Iterator[tuple[Any, mmap.mmap]]:
    """Open a TIFF; yield tifffile's view of it and its bytes, which are not loaded.

    Raises:
        UserError: the chain of pages is broken. tifffile raises other exceptions too.
    """
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if not count_pages(data):
            raise UserError(_NO_PAGE)
        # OME-TIFF may spread over files; each is a set of images of its own here.
        with tifffile.TiffFile(file, _multifile=False) as tiff:
            yield tiff, data


def tiff_header(file: BinaryIO) -> Header:
    """Return the header of the first image of an open TIFF file: nothing is decoded.

    Raises:
        UserError: the page is too large or of a kind that is not supported. tifffile raises other exceptions too.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        page_offsets(data)  # refuses circles, in which tifffile would run forever
        with tifffile.TiffFile(file, _multifile=False) as tiff:
            return header_of(next(plan_of(tiff, data).planes()))


def header_of(plane: Plane) -> Header:
    """Return the header of an image of a TIFF file."""
    page = plane.image.page
    channels = RGB if len(plane.part.color) > 1 or is_indexed(page) else GRAY
    return Header.of_stored(page.imagewidth, page.imagelength, _orientation(page), channels)


def extents_of(data: bytes) -> list[Extent]:
    """Return the declared size of each page that would be decoded, those of SubIFDs too: nothing is decoded.

    Raises:
        UserError: the chain of pages is broken. tifffile raises other exceptions too.
    """
    with opened(data) as tiff:
        found = []
        for image in plan_of(tiff, data, strict=False).images:
            extent = extent_of(image.page, data)
            found.append(extent._replace(pixels=extent.pixels * image.copies))
        return found


def count_pages(data: Bytes) -> int:
    """Count the main directories of a file without reading their tags.

    Raises:
        UserError: see `page_offsets`.
    """
    return len(page_offsets(data))


def _check_sizes(images: Iterable[Plane | StoredImage], data: Bytes) -> None:
    """Check what would be decoded against the limits, before it is.

    Raises:
        UserError: it is above a limit.
    """
    total = 0
    for one in images:
        image = one.image if isinstance(one, Plane) else one
        page = image.page
        check_size(page.imagewidth, page.imagelength)
        pixels = extent_of(page, data).pixels
        check_size(1, pixels)
        bands = max(1, math.ceil(page.shaped[0] * page.shaped[4] / 4))
        total += pixels * (image.copies if image is one else 1) * bands
    check_size(1, 1, total)


def _pages(planes: list[Plane], data: Bytes) -> Iterator[ImagePage]:
    """Yield the pages of planes; a stored image is decoded once."""
    last: tuple[StoredImage, int] | None = None
    stored: AnyPixels | None = None
    for number, plane in enumerate(planes, 1):
        here = (plane.image, plane.copy)
        if stored is None or last is None or last[0] is not here[0] or last[1] != here[1]:
            stored, last = decoded(plane.image, plane.copy, data, f"page {number}: "), here
        yield page_of(plane, stored, data)


def decoded(image: StoredImage, copy: int, data: Bytes, where: str = "") -> AnyPixels:
    """Return the samples of an image as stored, (separate, layers, H, W, contiguous), in native byte order.

    Raises:
        UserError: the image is cut short. tifffile and its codecs raise other exceptions too.
    """
    page = image.page
    cut_short = f"{where}not readable as an image (the file is cut short); replace or remove it"
    # tifffile would leave what is missing to chance.
    if not page.is_contiguous and page.jpegheader is None and len(page.dataoffsets) < geometry_of(page).segments:
        raise UserError(cut_short)
    if any(o + n > len(data) for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise UserError(cut_short)
    if copy == 0 and page.predictor != 1 and page.is_contiguous:
        pixels: AnyPixels = np.empty(page.shaped, page.dtype)  # tifffile takes the rows of such an image for one
        for segment, (sample, layer, top, _, _), shape in page.segments(maxworkers=1):
            pixels[sample, layer : layer + shape[0], top : top + shape[1]] = segment
    elif copy == 0:
        pixels = np.asarray(page.asarray(maxworkers=1, squeeze=False)).reshape(page.shaped)
    else:
        start = int(page.dataoffsets[0]) + copy * int(page.nbytes)
        if start + page.nbytes > len(data):
            raise UserError(cut_short)
        dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
        pixels = np.frombuffer(data[start : start + int(page.nbytes)], dtype).reshape(page.shaped)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def page_of(plane: Plane, stored: AnyPixels, data: Bytes) -> ImagePage:
    """Return the page of a plane, given the samples of its image."""
    page, part = plane.image.page, plane.part
    samples = flat(stored, plane.layer)
    resolution = _resolution(page)
    dpi = None
    if resolution is not None and (scale := _PER_UNIT.get(resolution[2])):
        across, down = (n / d * scale for n, d in resolution[:2])
        dpi = (across, down)
    first = part.color[0] == 0
    icc, xmp = (_bytes(page.tags.get(code)) for code in (ICC, XMP))
    return ImagePage(
        pixels_of(page, samples, part),
        alpha_of(page, samples, part),
        orientation=_orientation(page),
        icc=icc if first else None,  # a band beyond color has no color
        exif=_exif(data, page),
        xmp=xmp,
        dpi=dpi,
        own=_own(page, part.alpha is not None, len(plane.image.parts) > 1 and len(part.color) == 1, resolution),
    )


def with_bands(pages: Iterable[ImagePage], bands: Iterable[tuple[int, ...]]) -> Iterator[ImagePage]:
    """Yield pages that state the numbers of their bands."""
    for page, numbers in zip(pages, bands, strict=False):
        yield replace(page, own={**page.own, "bands": numbers})


def with_common_levels(pages: list[ImagePage]) -> list[ImagePage]:
    """Return pages that state which levels are black and white, if they are integers of no usual range.

    The levels are those of the tags SMinSampleValue and SMaxSampleValue, or else the lowest and highest of all pages.
    """
    wide = [page for page in pages if depth_of(page.color) in WIDE]
    if not wide:
        return pages
    stated, found = [page.own["levels"] for page in wide if "levels" in page.own], [_extremes(page) for page in wide]
    low, high = min(low for low, _ in found), max(high for _, high in found)
    if len(stated) == len(wide):
        wanted = min(low for low, _ in stated), max(high for _, high in stated)
        low, high = wanted if wanted[0] <= low and high <= wanted[1] else (low, high)  # else the tags are stale
    levels = (low, high if high > low else max(low + 1, math.nextafter(low, math.inf)))  # of 64 bits, 1 may be nothing
    return [replace(p, own={**p.own, "levels": levels}) if depth_of(p.color) in WIDE else p for p in pages]


def _extremes(page: ImagePage) -> tuple[float, float]:
    hidden = hidden_of(page)
    color = page.color if hidden is None else without(page.color, hidden)
    return float(color.min()), float(color.max())


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return valid_orientation(tag.value) if tag else 1


def _resolution(page: Any) -> Resolution | None:
    """Return the resolution as fractions, horizontal and vertical, and the code of its unit."""
    across, down, unit = (page.tags.get(code) for code in (282, 283, 296))
    if across and down and all(n and d for n, d in (across.value, down.value)):
        return across.value, down.value, int(unit.value) if unit and unit.value in (1, 2, 3) else 2
    return None


def _nodata(page: Any) -> float | None:
    """Return the value that GDAL states for pixels without one."""
    try:
        return float(str(page.tags.valueof(_NODATA, "")).strip(" \0"))
    except ValueError:
        return None


def _own(page: Any, has_alpha: bool, is_band: bool, resolution: Resolution | None) -> PageOwn:
    """Return what only a TIFF page has."""
    photometric, codec = photometric_of(page), getattr(page.compression, "name", "")
    own: PageOwn = {
        "photometric": photometric if photometric == "MINISWHITE" else None,
        "compression": codec if codec in _KEPT_CODECS else "ADOBE_DEFLATE",
        "predictor": page.predictor in (2, 3),
        "extrasample": 1 if has_alpha and is_premultiplied(page) else 2,
        "subfiletype": int(page.subfiletype),
        "tags": [(t.code, int(t.dtype), t.count, t.value, False) for code in _CARRIED if (t := page.tags.get(code))],
    }
    levels, nodata = levels_of(page), _nodata(page)
    if levels is not None:
        own["levels"] = levels
    if nodata is not None:
        own["nodata"] = nodata
    if is_band:
        own["band"] = True
    if resolution is not None:
        own["resolution"] = resolution
    return own


def _bytes(tag: Any) -> bytes | None:
    return (tag.value if isinstance(tag.value, bytes) else bytes(tag.value)) or None if tag else None


def _exif(data: Bytes, page: Any) -> bytes | None:
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


def _offset_of(data: Bytes, tag: Any) -> int:
    """Return the offset of the group that a tag points to; tifffile would return its contents."""
    order = tag.parent.byteorder
    size, code = (8, "Q") if int(tag.dtype) in (16, 18) else (4, "I")  # LONG8, IFD8
    place = tag.offset + (12 if tag.parent.is_bigtiff else 8)
    (offset,) = struct.unpack(order + code, data[place : place + size])
    return int(offset)
