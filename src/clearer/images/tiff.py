"""TIFF: pages of every depth, each with its own tags, through tifffile.

Codecs that tifffile has not itself (LZW, JPEG, Zstandard and more) come from imagecodecs. A page
compressed with loss is written without (deflate): what was restored is not to be degraded again.
"""

from __future__ import annotations

import io
import logging
import struct
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clearer.core.errors import UserError
from clearer.images.exif import parsed, plain
from clearer.images.tiff_limits import Extent, extent_of
from clearer.images.types import CMYK, GRAY, RGB, AnyPixels, ImageFile, ImagePage, check_size

_COLORS = {"MINISWHITE": GRAY, "MINISBLACK": GRAY, "RGB": RGB, "YCBCR": RGB, "SEPARATED": CMYK, "PALETTE": RGB}
_KEPT_CODECS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "ZSTD", "PACKBITS", "LZMA")
_WORDS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432)  # title, maker, software, date, ...: text
# IPTC, Photoshop, and where on Earth it is (GeoTIFF, GDAL): carried as they are.
_CARRIED = (33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
_XMP, _ICC, _EXIF, _GPS = 700, 34675, int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
_PER_UNIT = {2: 1.0, 3: 2.54}  # inch, centimetre

# tifffile reports broken tags to its logger, which nobody has asked to see.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(data: bytes) -> ImageFile:
    """Read all pages.

    Raises:
        UserError: a page is too large, cut short or of a kind that cannot be kept. tifffile and its
            codecs raise exceptions of their own too.
    """
    count_pages(data)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        total = 0
        for page in pages:
            check_size(page.imagewidth, page.imagelength)
            pixels = extent_of(page, data).pixels
            check_size(1, pixels)
            total += pixels
        check_size(1, 1, total)
        if not pages:
            raise UserError("not readable as an image (the TIFF has no page); replace or remove it")
        found = tuple(_read_page(page, data, number) for number, page in enumerate(pages, start=1))
        return ImageFile("TIFF", found, {"byteorder": tiff.byteorder, "bigtiff": tiff.is_bigtiff})


def extents_of(data: bytes) -> list[Extent]:
    """Return what each page says of its size: nothing is decoded.

    Raises:
        UserError: its pages do not follow one another to an end. tifffile raises exceptions of its own too.
    """
    count_pages(data)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        return [extent_of(page.aspage(), data) for page in tiff.pages]


def count_pages(data: bytes) -> int:
    """Return how many pages a file has, without looking into any.

    Raises:
        UserError: they do not follow one another to an end; tifffile would go in circles.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    (count_code, count_size, entry, offset_code, size, first) = (
        ("Q", 8, 20, "Q", 8, 8) if big else ("H", 2, 12, "I", 4, 4)
    )
    seen: set[int] = set()
    place = first
    while True:
        (start,) = struct.unpack_from(order + offset_code, data, place)
        if start == 0:
            return len(seen)
        if start in seen or start + count_size > len(data):
            raise UserError("not readable as an image (its pages lead nowhere or in a circle); replace or remove it")
        seen.add(start)
        (count,) = struct.unpack_from(order + count_code, data, start)
        place = start + count_size + count * entry
        if place + size > len(data):
            raise UserError("not readable as an image (the file is cut short); replace or remove it")


def _read_page(page: Any, data: bytes, number: int) -> ImagePage:
    where = f"page {number}: "
    photometric = getattr(page.photometric, "name", str(page.photometric))
    colors = _COLORS.get(photometric)
    if colors is None:
        raise UserError(f"{where}its colors are of a kind that cannot be kept ({photometric}); convert it to RGB")
    if page.dtype is None or page.dtype.name not in ("bool", "uint8", "uint16", "float16", "float32", "float64"):
        kind = f"{page.bitspersample}-bit {page.dtype or 'pixels'}"
        raise UserError(f"{where}{kind} are not restored; convert it to 8 or 16 bits or floating point")
    if page.imagedepth != 1:
        raise UserError(f"{where}is a volume of {page.imagedepth} layers; cut it into pages")
    stored = GRAY if photometric == "PALETTE" else colors
    if page.samplesperpixel - stored not in (0, 1):
        raise UserError(f"{where}has {page.samplesperpixel} channels, where {stored} and one of alpha are possible")
    bits = page.bitspersample
    if bits != page.dtype.itemsize * 8 and bits != 1 and photometric != "PALETTE":
        raise UserError(f"{where}{bits} bits a sample are not restored; convert it to 8 or 16 bits")
    if any(o + n > len(data) for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise UserError(f"{where}not readable as an image (the file is cut short); replace or remove it")
    pixels = _decoded(page)
    if photometric == "PALETTE":
        table = np.asarray(page.colormap)  # (3, 2^bits) uint16
        pixels = np.moveaxis(table[:, pixels[:, :, 0].astype(np.intp)], 0, -1)
        pixels = (pixels >> 8).astype(np.uint8)  # some programs write 257 times the 8-bit level, some 256 times
    elif photometric == "MINISWHITE":
        if pixels.dtype.kind == "f":
            raise UserError(f"{where}floating point with white as zero is not restored; convert it")
        pixels = np.invert(pixels)  # of bool: not
    rest = pixels.shape[2] - colors
    if rest not in (0, 1):
        raise UserError(f"{where}has {pixels.shape[2]} channels, where {colors} and one of alpha are possible")
    own: dict[str, Any] = {
        "photometric": photometric if photometric == "MINISWHITE" else None,
        "compression": page.compression.name if page.compression.name in _KEPT_CODECS else "ADOBE_DEFLATE",
        "predictor": page.predictor in (2, 3),
        "extrasample": int(page.extrasamples[0]) if rest and page.extrasamples else 2,
        "subfiletype": int(page.subfiletype),
        "tags": [
            (t.code, int(t.dtype), t.count, t.value, False) for code in _CARRIED if (t := page.tags.get(code))
        ],
    }
    across, down, unit = (page.tags.get(code) for code in (282, 283, 296))
    dpi = None
    if across and down and all(n and d for n, d in (across.value, down.value)):
        own["resolution"] = (across.value, down.value, int(unit.value) if unit else 2)
        scale = _PER_UNIT.get(own["resolution"][2])
        dpi = tuple(n / d * scale for n, d in (across.value, down.value)) if scale else None
    turned = page.tags.get(274)
    icc, xmp = (_bytes(page.tags.get(code)) for code in (_ICC, _XMP))
    return ImagePage(
        pixels[:, :, :colors],
        pixels[:, :, colors:] if rest else None,
        orientation=int(turned.value) if turned and 1 <= int(turned.value) <= 8 else 1,
        icc=icc,
        exif=_exif(data, page),
        xmp=xmp,
        dpi=dpi,
        own=own,
    )


def _decoded(page: Any) -> AnyPixels:
    """Return (H, W, samples)."""
    pixels: AnyPixels = np.asarray(page.asarray(maxworkers=1))
    if pixels.ndim == 3 and page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    elif pixels.ndim == 2:
        pixels = pixels[:, :, None]
    height, width = page.imagelength, page.imagewidth
    if pixels.shape[:2] != (height, width) or pixels.ndim != 3:
        pixels = pixels.reshape(height, width, -1)  # sides of 1 may have been squeezed
    native: AnyPixels = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))
    return native


def _bytes(tag: Any) -> bytes | None:
    return (tag.value if isinstance(tag.value, bytes) else bytes(tag.value)) or None if tag else None


def _exif(data: bytes, page: Any) -> bytes | None:
    """Return what TIFF keeps in tags of the page, as an EXIF block: words, camera and place."""
    found = Image.Exif()
    for code in _WORDS:
        tag = page.tags.get(code)
        if tag is not None and isinstance(tag.value, str) and tag.value:
            # As they stand in the file: of text that is not ASCII, nobody says in which alphabet it is.
            found[code] = data[tag.valueoffset : tag.valueoffset + tag.count].rstrip(b"\0")
    for code in (_EXIF, _GPS):
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


def _offset_of(data: bytes, tag: Any) -> int:
    """Return where the group of a tag begins; tifffile would give its contents instead."""
    order = tag.parent.byteorder
    size, code = (8, "Q") if int(tag.dtype) in (16, 18) else (4, "I")  # LONG8, IFD8
    place = tag.offset + (12 if tag.parent.is_bigtiff else 8)
    (offset,) = struct.unpack(order + code, data[place : place + size])
    return int(offset)


def write_tiff(file: BinaryIO, image: ImageFile) -> None:
    """Write all pages to an open file that can be read and sought in."""
    order = image.own.get("byteorder", "<")
    size = sum(page.color.nbytes + (0 if page.alpha is None else page.alpha.nbytes) for page in image.pages)
    big = bool(image.own.get("bigtiff")) or size > 4 * 10**9
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder=order) as writer:
        for page in image.pages:
            _write_page(writer, page)
    _attach_groups(buffer, image, order, big)
    file.write(buffer.getbuffer())


def _write_page(writer: Any, page: ImagePage) -> None:
    colors, own = page.color.shape[2], page.own
    pixels = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
    photometric = {GRAY: "MINISBLACK", RGB: "RGB", CMYK: "SEPARATED"}[colors]
    if own.get("photometric") == "MINISWHITE" and colors == GRAY and pixels.dtype.kind != "f":
        photometric, pixels = "MINISWHITE", np.invert(pixels)
    if pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    compression = own.get("compression", "ADOBE_DEFLATE")
    keys: dict[str, Any] = {"photometric": photometric, "compression": compression, "metadata": None}
    if pixels.ndim == 3:
        keys["planarconfig"] = "CONTIG"
    if page.alpha is not None:
        keys["extrasamples"] = [own.get("extrasample", 2)]
    if own.get("predictor", "predictor" not in own) and compression not in ("NONE", "PACKBITS", "LZMA"):
        if pixels.dtype.kind == "u":
            keys["predictor"] = 2
        elif pixels.dtype.kind == "f":
            keys["predictor"] = 3
    if "resolution" in own:
        *keys["resolution"], keys["resolutionunit"] = own["resolution"]
    elif page.dpi is not None:
        keys["resolution"], keys["resolutionunit"] = page.dpi, 2
    words = parsed(page.exif)
    extra: list[tuple[Any, ...]] = [(274, "H", 1, page.orientation, True)]
    # The date too: as the writer's own argument it would have to be a date.
    extra += [(c, "s", 0, _raw(words[c]), True) for c in _WORDS if c in words and c not in (270, 305)]
    if page.xmp is not None:
        extra.append((_XMP, "B", len(page.xmp), page.xmp, True))
    extra += [tag for tag in own.get("tags", []) if tag[0] not in (_XMP, _ICC)]
    # tifffile does not write the tags of EXIF groups: others, one lower, hold their places until
    # `_attach_groups`. Tags have to be in order, and nothing else stands between.
    extra += [(code - 1, "I", 1, 0, True) for code in _groups(page)]
    keys["subfiletype"] = own.get("subfiletype", 0)
    writer.write(
        pixels,
        iccprofile=page.icc,
        description=_raw(words.get(270)),
        software=_raw(words.get(305)) or False,
        extratags=extra,
        contiguous=False,
        maxworkers=1,
        **keys,
    )


def _raw(text: Any) -> bytes | None:
    """Return the bytes of a text that Pillow has read, which takes each for a letter of Latin-1."""
    if not text:
        return None
    try:
        return str(text).encode("latin-1")
    except UnicodeEncodeError:  # it was not read but made
        return str(text).encode("utf-8")


def _groups(page: ImagePage) -> dict[int, dict[int, Any]]:
    entries = parsed(page.exif)
    return {code: dict(group) for code in (_EXIF, _GPS) if (group := entries.get_ifd(code))}


def _attach_groups(buffer: io.BytesIO, image: ImageFile, order: str, big: bool) -> None:
    """Append the camera's and the place's groups, and point the tags that were held for them there."""
    wanted = [_groups(page) for page in image.pages]
    if not any(wanted):
        return
    buffer.seek(0)
    with tifffile.TiffFile(buffer) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        places = [{c: page.tags[c - 1].offset for c in found} for page, found in zip(pages, wanted, strict=True)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42) + bytes(12 if big else 4)
    for page_places, groups in zip(places, wanted, strict=True):
        for code, place in page_places.items():
            group = ImageFileDirectory_v2(head, group=code)
            for key, value in groups[code].items():
                group[key] = value
            end = buffer.seek(0, io.SEEK_END)
            buffer.write(bytes(end % 2))
            start = end + end % 2
            buffer.write(group.tobytes(start))
            buffer.seek(place)
            buffer.write(struct.pack(order + "H", code))
            buffer.seek(place + (12 if big else 8))
            buffer.write(struct.pack(order + "I", start))
