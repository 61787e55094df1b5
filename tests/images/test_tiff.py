"""TIFF files come back with everything but their pixels, and training reads what restoring reads."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.core.errors import UserError
from clearer.data.folders import find_items
from clearer.images.exif import plain
from clearer.images.io import read_file, to_bytes, write_file
from clearer.images.nodata import filled, hidden_in
from clearer.images.pixels import moved
from clearer.images.types import ImageFile, ImagePage
from clearer.images.view import read_image
from clearer.inference.large_tiff import is_large

STACK = np.random.default_rng(0).integers(0, 65536, (6, 24, 32)).astype(np.uint16)
WHITE = {"photometric": "minisblack"}
RGB = {"photometric": "rgb"}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "imagej": (STACK, {"imagej": True, "metadata": {"axes": "ZYX", "Labels": list("abcdef")}}),
    "imagej, one directory": (STACK, {"imagej": True, "truncate": True}),
    "one directory": (STACK, {"truncate": True}),
    "ome": (STACK, {"ome": True, "metadata": {"axes": "ZYX"}}),
    "two bands": (STACK[:2], {**WHITE, "planarconfig": "separate", "extrasamples": ["unspecified"]}),
    "rgb and a band": (np.moveaxis(STACK[:4], 0, -1), {**RGB, "extrasamples": ["unspecified"], "tile": (16, 16)}),
    "planar rgb": (STACK[:3], {**RGB, "planarconfig": "separate", "compression": "zlib", "byteorder": ">"}),
    "12 bits": (STACK[0] >> 4, {**WHITE, "bitspersample": 12}),
    "int16": (STACK[0].view(np.int16), {**WHITE, "compression": "lzw", "predictor": 2}),
    "int32": (STACK[0].astype(np.int32) * 30000 - 9, {**WHITE, "compression": "packbits"}),
    "uint32": (STACK[0].astype(np.uint32) * 65536 + 3, {**WHITE, "bigtiff": True}),
    "float16": ((STACK[0] / 65535).astype(np.float16), {**WHITE, "compression": "zstd", "predictor": 3}),
    "float64": (STACK[0] / 65535, {**WHITE, "compression": "zlib", "predictor": 3, "byteorder": ">"}),
    "bilevel": (STACK[0] > 30000, {**WHITE, "compression": "packbits"}),
    "white is zero": (STACK[0], {"photometric": "miniswhite"}),
    "jpeg 2000": (STACK[0], {**WHITE, "compression": "jpeg2000"}),
    "volume": (STACK, {**WHITE, "volumetric": True, "tile": (4, 16, 16), "compression": "zlib"}),
}


def write(path: Path, name: str) -> Path:
    pixels, how = CASES[name]
    tifffile.imwrite(path, pixels, **{"extratags": [(65000, "s", 0, "private", True)], **how})
    return path


@pytest.mark.parametrize("name", CASES)
def test_unchanged_pixels_give_back_the_file(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / "a.tif", name)
    notes = write_file(tmp_path / "b.tif", read_file(source))
    assert [note for note in notes if "JPEG2000" not in note] == []
    with tifffile.TiffFile(source) as old, tifffile.TiffFile(tmp_path / "b.tif") as new:
        assert [(s.kind, s.axes, s.shape, s.dtype) for s in old.series] == [
            (s.kind, s.axes, s.shape, s.dtype) for s in new.series
        ]
        assert np.array_equal(old.asarray(), new.asarray())
        assert old.pages[0].tags[65000].value == new.pages[0].tags[65000].value == "private"
        assert old.imagej_metadata == new.imagej_metadata and old.ome_metadata == new.ome_metadata


@pytest.mark.parametrize("name", CASES)
def test_training_reads_every_image_that_restoring_reads(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.tif", name)
    pages, items = read_file(tmp_path / "a.tif").pages, find_items(tmp_path)
    assert len(items) == len(pages)
    for item, page in zip(items, pages, strict=True):
        found, expected = read_image(item.clean, None, None, None, item.page), page.color
        if name == "12 bits":
            expected = np.rint(expected * (65535 / 4095))
        assert np.array_equal(found, expected * 255 if name == "bilevel" else expected.astype(found.dtype))


def test_imagej_reads_contiguous_planes(tmp_path: Path) -> None:
    """ImageJ reads planes one behind the other from the place that the first directory states."""
    image = read_file(write(tmp_path / "a.tif", "imagej"))
    data = to_bytes(replace(image, pages=tuple(replace(page, color=page.color // 2) for page in image.pages)))
    (tmp_path / "b.tif").write_bytes(data)
    with tifffile.TiffFile(tmp_path / "b.tif") as new:
        start = new.pages[0].dataoffsets[0]
        found = np.frombuffer(data, f"{new.byteorder}u2", STACK.size, start).reshape(STACK.shape)
    assert np.array_equal(found, STACK // 2)


def test_levels_of_a_pyramid_are_made_anew(tmp_path: Path) -> None:
    base = STACK[0]
    with tifffile.TiffWriter(tmp_path / "a.tif", ome=True) as writer:
        writer.write(base, subifds=2, **WHITE)
        for step in (2, 4):
            writer.write(base[::step, ::step], subfiletype=1, compression="zlib", **WHITE)
    image = read_file(tmp_path / "a.tif")
    assert len(image.pages) == 1
    (tmp_path / "b.tif").write_bytes(
        to_bytes(replace(image, pages=(replace(image.pages[0], color=255 - base[..., None] // 257),)))
    )
    with tifffile.TiffFile(tmp_path / "b.tif") as new:
        for level, step in zip(new.series[0].levels, (1, 2, 4), strict=True):
            assert np.array_equal(level.asarray(), 255 - base[::step, ::step] // 257)


def test_pixels_without_a_value_are_filled_from_their_block() -> None:
    x = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    x[0, 0] = np.nan
    hidden = hidden_in(x, None)
    assert hidden is not None and hidden.sum() == 1
    assert filled(x, hidden)[0, 0, 0] == pytest.approx((1 + 4 + 5) / 3)
    assert hidden_in(x.astype(np.float32), -9999) is not None and hidden_in(np.ones((2, 2, 1), np.int16), 0) is None


def round_trip(tmp_path: Path, change: int = 0) -> tuple[str, ...]:
    """Read ``a.tif``, write ``b.tif`` like it, and return the notes."""
    image = read_file(tmp_path / "a.tif")
    pages = tuple(replace(page, color=page.color ^ page.color.dtype.type(change)) for page in image.pages)
    return image.notes + write_file(tmp_path / "b.tif", replace(image, pages=pages))


def test_a_second_tag_of_the_same_code_is_kept(tmp_path: Path) -> None:
    """As tifffile writes descriptions: the text of the user, and then the shape."""
    tifffile.imwrite(tmp_path / "a.tif", STACK, description="Text", compression="zlib", metadata={"axes": "ZYX"})
    assert round_trip(tmp_path) == ()
    with tifffile.TiffFile(tmp_path / "b.tif") as new:
        assert new.series[0].axes == "ZYX" and new.pages[0].description == "Text"


def test_a_thumbnail_before_its_image_is_made_anew(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK[0][::4, ::4], subfiletype=1, **WHITE)
        writer.write(STACK[0], compression="zlib", **WHITE)
    assert len(read_file(tmp_path / "a.tif").pages) == 1 and round_trip(tmp_path, 65535) == ()
    with tifffile.TiffFile(tmp_path / "b.tif") as new:
        assert np.array_equal(new.pages[0].asarray(), ~STACK[0][::4, ::4])


def test_offsets_in_a_maker_note_still_lead_into_it(tmp_path: Path) -> None:
    value, size = b"a value of more than four bytes", 2 + 12 + 4
    exif = Image.Exif()
    note = b"\1\0" + struct.pack("<HHII", 9, 2, len(value), 0) + bytes(4) + value
    exif.get_ifd(34665)[37500] = note
    data = bytearray(to_bytes(ImageFile("TIFF", (ImagePage(STACK[0, ..., None], exif=plain(exif.tobytes())),))))
    place = data.index(note)
    struct.pack_into("<I", data, place + 10, place + size)  # as Canon writes it: from the start of the file
    (tmp_path / "a.tif").write_bytes(data)
    assert round_trip(tmp_path, 1) == ()
    new = (tmp_path / "b.tif").read_bytes()
    moved = new.index(value) - size
    assert moved != place and struct.unpack_from("<I", new, moved + 10)[0] == moved + size


def test_what_is_not_in_the_file_or_changes_its_kind_is_said(tmp_path: Path) -> None:
    name = '<OME><Image ID="Image:0"><Pixels><TiffData><UUID FileName="{}">1</UUID></TiffData></Pixels></Image></OME>'
    xml = name.format("a.tif") + name.format("other.tif")
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], description=xml, metadata=None, **WHITE)
    assert [note for note in round_trip(tmp_path) if "2 files of an OME-TIFF" in note]
    colors = np.moveaxis(STACK[:3] >> 8, 0, -1).astype(np.uint8)
    Image.frombytes("YCbCr", (32, 24), colors.tobytes()).save(tmp_path / "a.tif")
    assert round_trip(tmp_path) == ("its YCbCr colors are written as RGB",)
    expected = Image.frombytes("YCbCr", (32, 24), colors.tobytes()).convert("RGB")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), np.asarray(expected))


def test_rows_of_an_image_with_a_predictor_and_no_compression(tmp_path: Path) -> None:
    """tifffile takes the rows of such an image for one."""
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None, compression="zlib", predictor=2, **WHITE)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag, page = file.pages[0].tags[259], file.pages[0]
        data = bytearray((tmp_path / "a.tif").read_bytes())
        data[tag.valueoffset : tag.valueoffset + 2] = b"\1\0"
        plain = np.diff(STACK[0], axis=1, prepend=np.zeros((24, 1), np.uint16)).tobytes()
        for code, value in ((273, len(data)), (279, len(plain))):
            struct.pack_into(
                "<I" if int(page.tags[code].dtype) == 4 else "<H", data, page.tags[code].valueoffset, value
            )
    (tmp_path / "a.tif").write_bytes(data + plain)
    assert np.array_equal(read_file(tmp_path / "a.tif").pages[0].color[..., 0], STACK[0])


def test_levels_of_64_bits_do_not_overflow() -> None:
    pixels = np.array([-(2**63), -5, 0, 5, 2**63 - 1])
    change = np.zeros(5, np.float32)
    assert np.array_equal(moved(pixels, change, (-(2.0**63), 2.0**63)), pixels)
    up, down = (moved(pixels, change + by, (0.0, 100.0)) for by in (0.03, -0.03))
    assert up.tolist() == [-(2**63) + 3, -2, 3, 8, 2**63 - 1] and down.tolist() == [-(2**63), -8, -3, 2, 2**63 - 4]
    unsigned = np.array([0, 2**64 - 1], np.uint64)
    assert moved(unsigned, change[:2] + 0.03, (0.0, 100.0)).tolist() == [3, 2**64 - 1]


def test_bytes_behind_the_last_image_are_kept(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], compression="zlib", **WHITE)
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(b"what some program adds")
    assert round_trip(tmp_path, 1) == ()
    assert (tmp_path / "b.tif").read_bytes().endswith(b"what some program adds")


def test_bytes_that_no_tag_refers_to_are_said(tmp_path: Path) -> None:
    """As the blocks of LSM files, to which offsets within a private tag point."""
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], compression="zlib", **WHITE)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag = file.pages[0].tags[273]
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    moved = bytearray(data + b"a block of a program" + data[start : start + count])
    struct.pack_into("<I", moved, tag.valueoffset, len(data) + 20)
    (tmp_path / "a.tif").write_bytes(moved)
    (note,) = round_trip(tmp_path, 1)
    number, _, words = note.partition(" ")
    assert words == "bytes that no tag refers to are not kept" and count + 20 <= int(number) <= count + 36  # aligned


def test_directories_behind_those_below_a_page_are_said(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK[0], subifds=1, compression="zlib", **WHITE)
        writer.write(STACK[0][::2, ::2], subfiletype=1, **WHITE)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        (place,) = file.pages[0].tags[330].value
    (count,) = struct.unpack_from("<H", data, place)
    chained = bytearray(data)
    struct.pack_into("<I", chained, place + 2 + 12 * count, file.pages[0].offset)
    (tmp_path / "a.tif").write_bytes(chained)
    assert round_trip(tmp_path, 1) == ("tags not kept: SubIFDs (330)",)


def test_a_page_with_missing_strips_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], compression="zlib", rowsperstrip=4, metadata=None, **WHITE)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tag = file.pages[0].tags[257]
    struct.pack_into("<H" if int(tag.dtype) == 3 else "<I", data, tag.valueoffset, 60000)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(UserError, match="cut short"):
        read_file(tmp_path / "a.tif")
    assert not is_large(tmp_path / "a.tif", 1)
