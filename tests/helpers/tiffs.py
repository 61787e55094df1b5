"""TIFF files of many kinds, made by tifffile, and a comparison of two of them by reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from clearer.images.tiff.directory import POINTERS, Directory, tree_of

HEIGHT, WIDTH = 150, 83
_PLACES = {273, 279, 324, 325, 513}


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Return random samples that fill the range of a data type, smooth along rows."""
    chance = np.random.default_rng(seed)
    ramp = np.linspace(0, 0.8, shape[1])[(None, slice(None), *[None] * (len(shape) - 2))]
    found = ramp + 0.2 * chance.random(shape)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return found.astype(kind)
    if kind.kind == "b":
        return found > 0.5
    limits = np.iinfo(kind)
    return (limits.min + found * (float(limits.max) - float(limits.min)) * 0.999).astype(kind)


def _gray(dtype: str = "uint8") -> np.ndarray:
    return values((HEIGHT, WIDTH), dtype)


def _color(samples: int = 3, dtype: str = "uint8") -> np.ndarray:
    return values((HEIGHT, WIDTH, samples), dtype)


def _planar(samples: int = 3, dtype: str = "uint8") -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(_color(samples, dtype), -1, 0))


def _with_nan() -> np.ndarray:
    pixels = _gray("float32")
    pixels[40:60, 20:50] = np.nan
    pixels[::17, ::13] = np.nan
    return pixels


def _with_nodata() -> np.ndarray:
    pixels = _color(3, "uint16")
    pixels[30:90, 10:30] = 7
    return pixels


def _with_holes() -> np.ndarray:
    pixels = _color(4)
    pixels[..., 3] = 200
    pixels[60:66, 30:36, 3] = 0
    pixels[20:30, 3:6, 3] = 0
    return pixels


WHITE: dict[str, Any] = {"photometric": "minisblack"}
RGB: dict[str, Any] = {"photometric": "rgb"}
TEXT = [
    (65000, "s", 0, "private", True),
    (33723, "B", 6, b"\x1c\x02\x00\x00\x01a", True),
    (700, "B", 5, b"<xmp>", True),
]


def kinds() -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Return samples and arguments of tifffile, by name."""
    strips, tile, float_tile = {"rowsperstrip": 7}, {"tile": (16, 32)}, {"tile": (48, 16)}
    found: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "one strip": (_gray(), WHITE),
        "strips": (_gray(), {**WHITE, **strips}),
        "strips, big-endian": (_gray("uint16"), {**WHITE, **strips, "byteorder": ">"}),
        "bigtiff": (_gray("uint16"), {**WHITE, **strips, "bigtiff": True}),
        "tiles": (_gray(), {**WHITE, **tile}),
        "tiles, deflate, predictor": (_color(dtype="uint16"), {**RGB, **tile, "compression": "zlib", "predictor": 2}),
        "strips, lzw, predictor": (_color(), {**RGB, **strips, "compression": "lzw", "predictor": 2}),
        "strips, packbits": (_color(), {**RGB, **strips, "compression": "packbits"}),
        "tiles, zstd": (_gray("uint16"), {**WHITE, **tile, "compression": "zstd"}),
        "strips, lzma": (_gray("uint16"), {**WHITE, **strips, "compression": "lzma"}),
        "tiles, float, predictor 3": (
            _gray("float32"),
            {**WHITE, **float_tile, "compression": "zlib", "predictor": 3},
        ),
        "planar": (_planar(), {**RGB, "planarconfig": "separate", **strips}),
        "planar, one strip": (_planar(dtype="uint16"), {**RGB, "planarconfig": "separate", "byteorder": ">"}),
        "planar tiles, deflate": (_planar(), {**RGB, "planarconfig": "separate", **tile, "compression": "zlib"}),
        "white is zero": (_gray(), {"photometric": "miniswhite", **strips}),
        "white is zero, 16 bits": (_gray("uint16"), {"photometric": "miniswhite", **tile}),
        "alpha": (_with_holes(), {**RGB, "extrasamples": ["unassalpha"], **tile}),
        "associated alpha": (_with_holes(), {**RGB, "extrasamples": ["assocalpha"], **strips}),
        "gray and alpha": (values((HEIGHT, WIDTH, 2), "uint8"), {**WHITE, "extrasamples": ["unassalpha"]}),
        "two bands": (
            values((HEIGHT, WIDTH, 2), "uint16"),
            {**WHITE, "planarconfig": "contig", "extrasamples": ["unspecified"]},
        ),
        "rgb and a band, planar": (_planar(4), {**RGB, "planarconfig": "separate", "extrasamples": ["unspecified"]}),
        "five bands": (_planar(5, "uint16"), {**WHITE, "planarconfig": "separate", **tile}),
        "cmyk": (_color(4), {"photometric": "separated", **tile}),
        "bilevel": (_gray("bool"), {**WHITE, "compression": "packbits"}),
        "bilevel, plain": (_gray("bool"), WHITE),
        "4 bits": (_gray() >> 4, {**WHITE, "bitspersample": 4}),
        "12 bits": (_gray("uint16") >> 4, {**WHITE, "bitspersample": 12, **strips}),
        "int8": (_gray("int8"), {**WHITE, **strips}),
        "int16": (_gray("int16"), {**WHITE, **strips, "compression": "lzw", "predictor": 2}),
        "int32": (_gray("int32"), {**WHITE, **strips}),
        "uint32": (_gray("uint32"), {**WHITE, **tile}),
        "uint64": (_gray("uint64"), {**WHITE, **strips}),
        "float16": (_gray("float16"), {**WHITE, **strips}),
        "float64": (_gray("float64"), {**WHITE, **strips, "byteorder": ">"}),
        "nan": (_with_nan(), {**WHITE, **strips}),
        "nodata": (_with_nodata(), {**RGB, "extratags": [(42113, "s", 0, "7", True)], **tile}),
        "all nan": (np.full((HEIGHT, WIDTH), np.nan, np.float32), WHITE),
        "palette": (
            _gray(),
            {
                "photometric": "palette",
                "colormap": np.random.default_rng(1).integers(0, 256, (3, 256)).astype(np.uint16) * 257,
                **strips,
            },
        ),
        "jpeg": (_color(), {**RGB, **tile, "compression": "jpeg", "compressionargs": {"level": 95}}),
        "jpeg 2000": (_gray("uint16"), {**WHITE, **tile, "compression": "jpeg2000"}),
        "webp": (_color(), {**RGB, **tile, "compression": "webp", "compressionargs": {"lossless": True}}),
        "tags": (
            _color(),
            {
                **RGB,
                **strips,
                "iccprofile": b"\0" * 16 + b"RGB " + b"\0" * 108,
                "description": "What it shows",
                "software": "a scanner",
                "datetime": "2020:01:02 03:04:05",
                "resolution": (300, 150),
                "resolutionunit": "CENTIMETER",
                "extratags": TEXT,
            },
        ),
    }
    for turn in range(2, 9):
        found[f"orientation {turn}"] = (_color(), {**RGB, **strips, "extratags": [(274, "H", 1, turn, True)]})
    turned = [(274, "H", 1, 7, True), *TEXT]
    found["nan, orientation 7"] = (_with_nan(), {**WHITE, **strips, "extratags": turned})
    found["nan, orientation 3"] = (_with_nan(), {**WHITE, **tile, "extratags": [(274, "H", 1, 3, True)]})
    return found


def written(path: Path, kind: str) -> Path:
    """Write a file of a kind."""
    pixels, how = kinds()[kind]
    tifffile.imwrite(path, pixels, **{"metadata": None, "extratags": TEXT, **how})
    return path


def same_files(one: Path, other: Path, but: tuple[int, ...] = ()) -> None:
    """Check that two files hold the same images and tags, whatever their places, for tifffile and for Pillow."""
    trees = [tree_of(path.read_bytes()) for path in (one, other)]
    assert trees[0].order == trees[1].order and trees[0].big == trees[1].big
    assert len(trees[0].chain) == len(trees[1].chain)
    for a, b in zip(trees[0].chain, trees[1].chain, strict=True):
        _same_tags(a, b, but)
    with tifffile.TiffFile(one) as a, tifffile.TiffFile(other) as b:
        for page, same in zip(a.pages, b.pages, strict=True):
            assert np.array_equal(page.asarray(), same.asarray(), equal_nan=page.dtype.kind == "f")
    assert _by_pillow(one) == _by_pillow(other)


def _same_tags(a: Directory, b: Directory, but: tuple[int, ...]) -> None:
    skipped = {*_PLACES, *POINTERS, *but}
    assert {c: e for c, e in a.entries.items() if c not in skipped} == {
        c: e for c, e in b.entries.items() if c not in skipped
    }
    assert a.again == b.again and a.below.keys() == b.below.keys()
    for code, inner in a.below.items():
        for x, y in zip(inner, b.below[code], strict=True):
            _same_tags(x, y, but)


def _by_pillow(path: Path) -> list[bytes] | None:
    """Return the pixels that Pillow reads; None if it does not read the file."""
    try:
        with Image.open(path) as image:
            return [_frame(image, k) for k in range(getattr(image, "n_frames", 1))]
    except Exception:  # Pillow knows few kinds
        return None


def _frame(image: Image.Image, number: int) -> bytes:
    image.seek(number)
    return image.mode.encode() + image.tobytes()
