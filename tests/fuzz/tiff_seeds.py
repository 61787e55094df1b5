"""Tiny sound TIFF files: layouts, compressions, depths, stacks, pyramids, and undeveloped raw files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile

from fuzz.image_seeds import PROFILE, exif, noise, saved
from helpers.uploads import tiff

_RGB = {"photometric": "rgb", "metadata": None}
_GRAY = {"photometric": "minisblack", "metadata": None}

COMPRESSIONS = ("lzw", "zlib", "packbits", "jpeg", "jpeg2000", "webp", "zstd", "lzma", "lerc", "jpegxl")


def tiff_seeds() -> dict[str, bytes]:
    """Return TIFF files by name."""
    color, gray, deep = noise(), noise(channels=1), noise(channels=3, dtype="uint16")
    found = {f"{name}.tif": tiff(color, compression=name, **_RGB) for name in COMPRESSIONS}
    found |= {
        "plain.tif": tiff(color, **_RGB),
        "big.tif": tiff(color, bigtiff=True, **_RGB),
        "motorola.tif": tiff(deep, byteorder=">", compression="zlib", predictor=True, **_RGB),
        "planar.tif": tiff(deep.transpose(2, 0, 1), planarconfig="separate", rowsperstrip=3, **_RGB),
        "tiled.tif": tiff(noise(40, 33), tile=(16, 16), compression="zlib", **_RGB),
        "planar-tiled.tif": tiff(noise(20, 33).transpose(2, 0, 1), tile=(16, 16), planarconfig="separate", **_RGB),
        "float.tif": tiff(np.float32(gray / 255), compression="zlib", predictor=True, **_GRAY),
        "half.tif": tiff(np.float16(gray / 255), **_GRAY),
        "int16.tif": tiff(noise(channels=1, dtype="uint16").astype(np.int16), **_GRAY),
        "uint32.tif": tiff(noise(channels=1, dtype="uint32"), **_GRAY),
        "one-bit.tif": tiff(gray > 99, **_GRAY),
        "white-is-zero.tif": tiff(gray, photometric="miniswhite", metadata=None),
        "palette.tif": tiff(gray, photometric="palette", colormap=noise(3, 256, 1, "uint16"), metadata=None),
        "alpha.tif": tiff(noise(channels=4), extrasamples=["unassalpha"], **_RGB),
        "bands.tif": tiff(noise(channels=5), extrasamples=["unspecified"] * 4, photometric="minisblack", metadata=None),
        "cmyk.tif": tiff(noise(channels=4), photometric="separated", metadata=None),
        "fax.tif": saved(gray > 99, "TIFF", compression="group4"),
        "exif.tif": saved(color, "TIFF", exif=exif(), icc_profile=PROFILE),
        "packed.tif": _packed_12_bit(gray),
        "imagej.tif": tiff(
            noise(12, 16, 6).transpose(2, 0, 1), imagej=True, metadata={"axes": "ZYX", "Labels": ["a"] * 6}
        ),
        "imagej-one.tif": _truncated(True),
        "truncated.tif": _truncated(False),
        "ome.tif": tiff(np.stack([gray, gray]), photometric="minisblack", ome=True, metadata={"axes": "CYX"}),
        "pages.tif": _pages(color, deep),
        "pyramid.ome.tif": _pyramid(False),
        "sub.tif": _pyramid(True),
        "mosaic.dng": _mosaic(gray),
        "nodata.tif": tiff(np.float32(gray), extratags=[(42113, "s", 0, "-9999", True)], **_GRAY),
    }
    return found


def _truncated(imagej: bool) -> bytes:
    kind: dict[str, Any] = {"imagej": True} if imagej else {"photometric": "minisblack"}
    return tiff(noise(8, 9, 4).transpose(2, 0, 1).copy(), truncate=True, **kind)


def _pages(color: np.ndarray, deep: np.ndarray) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(color, description="first", **_RGB)
        writer.write(deep[..., 0], compression="zlib", **_GRAY)
        writer.write(color[::2, ::2], subfiletype=1, **_RGB)
    return file.getvalue()


def _pyramid(small_first: bool) -> bytes:
    """Return an image with levels in SubIFDs: an OME pyramid, or a thumbnail with the image below it."""
    whole = noise(24, 32, 1)
    file = io.BytesIO()
    with tifffile.TiffWriter(file, ome=not small_first) as writer:
        first, second = (whole[::2, ::2], whole) if small_first else (whole, whole[::2, ::2])
        keys: dict[str, Any] = {"photometric": "minisblack", "tile": (16, 16)}
        writer.write(first, subifds=1, subfiletype=int(small_first), metadata={"axes": "YX"}, **keys)
        writer.write(second, subfiletype=int(not small_first), metadata=None, **keys)
    return file.getvalue()


def _packed_12_bit(gray: np.ndarray) -> bytes:
    levels = gray.astype(np.uint16) << 4
    low, high = levels[:, ::2], levels[:, 1::2]
    packed = np.stack([low >> 4, (low & 15) << 4 | high >> 8, high & 255], 2).astype(np.uint8)
    made = bytearray(tiff(gray, rowsperstrip=gray.shape[0], **_GRAY))
    with tifffile.TiffFile(io.BytesIO(bytes(made))) as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        places = {tag.code: tag.valueoffset for tag in tags}
    made[places[258] : places[258] + 2] = b"\x0c\0"
    made[places[279] : places[279] + 4] = len(packed.tobytes()).to_bytes(4, "little")
    made[places[273] : places[273] + 4] = len(made).to_bytes(4, "little")
    return bytes(made) + packed.tobytes()


def _mosaic(gray: np.ndarray) -> bytes:
    tags = [(50706, "B", 4, (1, 4, 0, 0), True), (33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)]
    return tiff(gray.astype(np.uint16), photometric=32803, extratags=tags, metadata=None)
