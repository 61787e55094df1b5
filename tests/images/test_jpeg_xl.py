"""JPEG XL is read and written, with what stands beside the image; JPEG 2000 keeps its 16 bits."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.images.around.jxl_header import header_of
from clearer.images.exif import orientation_of, with_orientation
from clearer.images.io import read_file, read_header, to_bytes
from clearer.images.types import ImageFile, ImagePage
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

UNCHANGED = RestoreOptions(strength=0.0, check=False)
KINDS = [(c, d) for c in (1, 2, 3, 4) for d in ("uint8", "uint16", "float32")]


def pixels(channels: int, dtype: str, height: int = 9, width: int = 13) -> np.ndarray:
    found = np.random.default_rng(channels).random((height, width, channels))
    return (found * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)


@pytest.mark.parametrize(("channels", "dtype"), KINDS)
@pytest.mark.parametrize("around", [False, True])
def test_files_come_back_with_what_is_beside_the_image(tmp_path: Path, channels: int, dtype: str, around: bool) -> None:
    image = pixels(channels, dtype)
    colors = 1 if channels < 3 else 3
    exif = with_orientation(b"II*\0\x08\0\0\0\1\0\x0f\1\2\0\4\0\0\0abc\0\0\0\0\0", 1) if around else None
    alpha = image[:, :, colors:] if channels > colors else None
    page = ImagePage(image[:, :, :colors], alpha, exif=exif, xmp=b"<x:xmpmeta/>" if around else None)
    (tmp_path / "x.jxl").write_bytes(to_bytes(ImageFile("JXL", (page,))))
    assert read_header(tmp_path / "x.jxl") == (9, 13, colors)
    outcome = restore_path(stand_in(3), tmp_path / "x.jxl", tmp_path / "out", UNCHANGED)
    assert not outcome.notes
    for path in (tmp_path / "x.jxl", tmp_path / "out" / "x.jxl"):
        (found,) = read_file(path).pages
        both = found.color if found.alpha is None else np.concatenate([found.color, found.alpha], 2)
        assert both.dtype == image.dtype and np.array_equal(both, image)
        assert (found.exif is not None, found.xmp) == (around, b"<x:xmpmeta/>" if around else None)
        decoded = imagecodecs.jpegxl_decode(path.read_bytes()).reshape(image.shape)
        assert np.array_equal(decoded, image)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 48), (300, 200), (9000, 3)])
def test_the_header_has_the_size(size: tuple[int, int]) -> None:
    for lossless in (False, True):
        found = header_of(bytes(imagecodecs.jpegxl_encode(pixels(3, "uint8", *size), lossless=lossless)))
        assert (found.height, found.width, found.gray, found.is_srgb) == (*size, False, True)


def test_a_quality_makes_a_smaller_file(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)[:, :, None] + pixels(1, "uint8", 64, 64) // 32
    (tmp_path / "x.jxl").write_bytes(to_bytes(ImageFile("JXL", (ImagePage(smooth),))))
    restore_path(stand_in(1), tmp_path / "x.jxl", tmp_path / "y.jxl", RestoreOptions(quality=60))
    found = read_file(tmp_path / "y.jxl").pages[0].color.astype(int)
    assert (tmp_path / "y.jxl").stat().st_size < (tmp_path / "x.jxl").stat().st_size / 2
    assert 0 < np.abs(found - smooth).mean() < 5


def test_an_image_that_is_turned_by_its_exif_is_stored_upright(tmp_path: Path) -> None:
    image = pixels(3, "uint8")
    exif = with_orientation(b"II*\0\x08\0\0\0\1\0\x0f\1\2\0\4\0\0\0abc\0\0\0\0\0", 6)
    (tmp_path / "x.png").write_bytes(to_bytes(ImageFile("PNG", (ImagePage(image, None, 6, exif=exif),))))
    restore_path(stand_in(3), tmp_path / "x.png", tmp_path / "y.jxl", UNCHANGED)
    (found,) = read_file(tmp_path / "y.jxl").pages
    assert np.array_equal(found.color, np.rot90(image, -1)) and orientation_of(found.exif) == 1


def test_animations_and_cut_files_are_refused() -> None:
    frames = np.stack([pixels(3, "uint8")] * 3)
    with pytest.raises(UserError, match=r"x: a JPEG XL animation, whose times cannot be read; convert it"):
        read_file(bytes(imagecodecs.jpegxl_encode(frames, lossless=True)), "x")
    with pytest.raises(UserError, match="x: not readable as an image"):
        read_file(bytes(imagecodecs.jpegxl_encode(frames[0], lossless=True))[:60], "x")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("codec", ["jp2", "j2k"])
def test_jpeg_2000_keeps_its_bits(tmp_path: Path, channels: int, bits: int, codec: str) -> None:
    levels = pixels(channels, "uint16") >> (16 - bits)
    shaped = levels[:, :, 0] if channels == 1 else levels
    data = imagecodecs.jpeg2k_encode(shaped, level=0, reversible=True, bitspersample=bits, codecformat=codec)
    (tmp_path / "x.jp2").write_bytes(bytes(data))
    outcome = restore_path(stand_in(3), tmp_path / "x.jp2", tmp_path / "out", UNCHANGED)
    assert outcome.written == [tmp_path / "out" / "x.jp2.png"]
    assert [note.partition(": ")[2] for note in outcome.notes] == [
        "JPEG2000 is not written; without --format or a suffix it becomes PNG"
    ]
    (page,) = read_file(outcome.written[0]).pages
    both = page.color if page.alpha is None else np.concatenate([page.color, page.alpha], 2)
    assert both.dtype == np.uint16 and np.array_equal(both, np.rint(levels * (65535 / (2**bits - 1))))
