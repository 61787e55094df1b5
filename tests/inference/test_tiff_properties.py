"""Random TIFF files: nothing changes at strength 0, and restoring by rows gives the file that memory gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.inference import large_tiff
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import smear
from helpers.tiffs import same_files, values

INTEGERS = ["uint8", "uint16", "int8", "int16", "int32", "uint32", "int64", "uint64"]
DTYPES = [*INTEGERS, "bool", "float16", "float32", "float64"]
EXAMPLES = int(os.environ.get("CLEARER_TIFF_EXAMPLES", "40"))


@st.composite
def pages(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Draw samples, (H, W), (H, W, S) or (S, H, W), and arguments of tifffile that fit them."""
    dtype = draw(st.sampled_from(DTYPES))
    photometric = "minisblack" if dtype == "bool" else draw(st.sampled_from(["minisblack", "rgb", "separated"]))
    colors = {"minisblack": 1, "rgb": 3, "separated": 4}[photometric]
    extra = [] if dtype == "bool" else draw(st.lists(st.sampled_from([0, 1, 2]), max_size=2))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    samples = colors + len(extra)
    pixels = values((height, width, samples), dtype, draw(st.integers(0, 99)))
    if np.dtype(dtype).kind == "f" and draw(st.booleans()):
        pixels[draw(st.integers(0, height - 1)) :, draw(st.integers(0, width - 1)), 0] = np.nan
    how: dict[str, Any] = {"photometric": photometric, "metadata": None}
    if photometric == "minisblack" and not extra and np.dtype(dtype).kind != "f" and draw(st.booleans()):
        how["photometric"] = "miniswhite"
    if draw(st.booleans()):
        how["tile"] = (16 * draw(st.integers(1, 3)), 16 * draw(st.integers(1, 3)))
    else:
        how["rowsperstrip"] = draw(st.integers(1, 50))
    codec = draw(st.sampled_from(["none", "zlib", "lzw", "zstd", "packbits", "lzma"]))
    if codec != "none":
        how["compression"] = codec
        if dtype != "bool" and codec in ("zlib", "lzw", "zstd") and draw(st.booleans()):
            how["predictor"] = 3 if np.dtype(dtype).kind == "f" else 2
    tags = [(274, "H", 1, draw(st.integers(1, 8)), True), (65001, "B", 3, b"\1\2\3", True)]
    if draw(st.booleans()):
        tags.append((42113, "s", 0, str(draw(st.sampled_from([0, 1, -1, 255, "nan", "x"]))), True))
    how["extratags"] = tags
    if samples == 1:
        bits = draw(st.sampled_from([0, 2, 4, 10, 12, 14]))
        fits = (dtype == "uint8" and 0 < bits < 8) or (dtype == "uint16" and bits > 8)
        if fits and codec == "none":
            how["bitspersample"] = bits
            return pixels[..., 0] >> np.dtype(dtype).type(8 * np.dtype(dtype).itemsize - bits), how
        return pixels[..., 0], how
    how["extrasamples"] = extra or None
    if draw(st.booleans()):
        return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)), {**how, "planarconfig": "separate"}
    return pixels, {**how, "planarconfig": "contig"}


@st.composite
def files(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[np.ndarray, dict[str, Any]]]]:
    """Draw what a file is, and its pages."""
    kind = {"byteorder": draw(st.sampled_from("<>")), "bigtiff": draw(st.booleans())}
    return kind, draw(st.lists(pages(), min_size=1, max_size=3))


def write(path: Path, kind: dict[str, Any], found: list[tuple[np.ndarray, dict[str, Any]]]) -> None:
    with tifffile.TiffWriter(path, **kind) as writer:
        for pixels, how in found:
            writer.write(pixels, contiguous=False, **how)


@given(
    drawn=files(),
    strength=st.sampled_from([0.0, 0.5]),
    channels=st.sampled_from([1, 3]),
    color=st.sampled_from(["luma", "channels"]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_files_come_back_and_rows_agree_with_memory(
    drawn: Any, strength: float, channels: int, color: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("tiff")
    write(place / "a.tif", *drawn)
    usual, restorer, notes = large_tiff.LARGE, smear(channels), []
    try:
        for name, large in (("memory", usual), ("rows", 1)):
            large_tiff.LARGE = large
            tile: Any = 24 if large == 1 else "none"
            options = RestoreOptions(strength=strength, color=color, tile=tile, overlap="full")
            notes.append(restore_path(restorer, place / "a.tif", place / f"{name}.tif", options).notes)
    finally:
        large_tiff.LARGE = usual
    assert notes[0] == notes[1] and not any("not kept" in note or "tifffile" in note for note in notes[0])
    same_files(place / "memory.tif", place / "rows.tif")
    if strength == 0:
        same_files(place / "a.tif", place / "rows.tif")
