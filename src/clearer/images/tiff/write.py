"""Write TIFF through tifffile: pages of every depth, each with its own tags.

A page that was compressed with loss is written with deflate: a restored image must not be degraded again.
"""

from __future__ import annotations

import io
import struct
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clearer.images.exif import parsed
from clearer.images.tiff.assemble import write_restored
from clearer.images.tiff.read import EXIF, GPS, ICC, TEXTS, XMP
from clearer.images.types import CMYK, GRAY, RGB, ImageFile, ImagePage


def write_tiff(file: BinaryIO, image: ImageFile) -> None:
    """Write all pages to an open file that can be read and seeked.

    Pages of a TIFF file are written with everything else of that file, see `clearer.images.tiff.rewrite`.
    """
    source = image.own.get("source")
    if source is not None:
        buffer = io.BytesIO()
        if write_restored(buffer, source, image.pages):
            file.write(buffer.getbuffer())
            return
    write_pages(file, image)


def write_pages(file: BinaryIO, image: ImageFile) -> None:
    """Write pages of any file as a TIFF file."""
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
    texts = parsed(page.exif)
    extra: list[tuple[Any, ...]] = [(274, "H", 1, page.orientation, True)]
    # The date is among them: the writer's own argument accepts only valid dates.
    extra += [(c, "s", 0, _raw(texts[c]), True) for c in TEXTS if c in texts and c not in (270, 305)]
    if page.xmp is not None:
        extra.append((XMP, "B", len(page.xmp), page.xmp, True))
    extra += [tag for tag in own.get("tags", []) if tag[0] not in (XMP, ICC)]
    # tifffile does not write the tags of EXIF groups. Tags one lower hold their places until `_attach_groups`:
    # tags have to be in order, and no other tag stands between.
    extra += [(code - 1, "I", 1, 0, True) for code in _groups(page)]
    keys["subfiletype"] = own.get("subfiletype", 0)
    writer.write(
        pixels,
        iccprofile=page.icc,
        description=_raw(texts.get(270)),
        software=_raw(texts.get(305)) or False,
        extratags=extra,
        contiguous=False,
        maxworkers=1,
        **keys,
    )


def _raw(text: Any) -> bytes | None:
    """Return the bytes of a text that Pillow read, which decodes each byte as Latin-1."""
    if not text:
        return None
    try:
        return str(text).encode("latin-1")
    except UnicodeEncodeError:  # the text was not read by Pillow
        return str(text).encode("utf-8")


def _groups(page: ImagePage) -> dict[int, dict[int, Any]]:
    entries = parsed(page.exif)
    return {code: dict(group) for code in (EXIF, GPS) if (group := entries.get_ifd(code))}


def _attach_groups(buffer: io.BytesIO, image: ImageFile, order: str, big: bool) -> None:
    """Append the EXIF and GPS groups, and point the placeholder tags of `_write_page` to them."""
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
