"""The pixels of image files, as training and evaluation use them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.io import errors_named, read_header, write_file
from clearer.images.types import ImageFile, ImagePage
from clearer.images.view import native_channels, read_image, write_image
from helpers.reading import noise, refused

# Reading


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.sampled_from(["png", "bmp", "tif", "webp", "ppm"])
)
def test_lossless_formats_give_back_what_was_written(tmp_path_factory, height, width, channels, suffix) -> None:
    path = tmp_path_factory.mktemp("w") / f"x.{suffix}"
    image = noise(height, width, channels)
    write_image(path, image)
    read = read_image(path)
    if suffix == "webp":  # has no gray
        assert (read == image).all() and read.shape[2] == 3
    else:
        assert read.shape == image.shape and (read == image).all()
        assert native_channels(path) == channels
    assert read.dtype == np.uint8 and read.flags.writeable


def test_channels_are_converted_when_asked(tmp_path: Path) -> None:
    color, gray = noise(6, 5), noise(6, 5, 1)
    write_image(tmp_path / "color.png", color)
    write_image(tmp_path / "gray.png", gray)
    luma = np.asarray(Image.fromarray(color).convert("L"))[:, :, None]
    assert (read_image(tmp_path / "color.png", 1) == luma).all()
    assert (read_image(tmp_path / "gray.png", 3) == np.repeat(gray, 3, axis=2)).all()
    assert (read_image(tmp_path / "gray.png", 1) == gray).all()
    refused("as 4 channels", read_image, tmp_path / "gray.png", 4)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("CMYK", 3)]
)
def test_modes_become_gray_or_color(tmp_path: Path, mode: str, channels: int, recwarn) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    keys = {"transparency": b"\x00\x10"} if mode == "P" else {}
    Image.fromarray(noise(6, 5)).convert(mode).save(path, **keys)
    assert native_channels(path) == channels
    assert read_image(path).shape == (6, 5, channels)
    assert read_image(path, 1).shape == (6, 5, 1)
    assert not recwarn.list


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    image = noise(6, 5, 4)
    image[..., 3] |= 1  # what is fully transparent is continued instead
    Image.fromarray(image).save(tmp_path / "x.png")
    assert (read_image(tmp_path / "x.png") == image[:, :, :3]).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_gray_is_scaled_and_rounded(tmp_path: Path, suffix: str) -> None:
    deep = np.array([[0, 128, 129, 257, 385, 386], [32767, 32768, 65406, 65407, 65534, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / f"x.{suffix}")
    want = np.rint(deep / 257).astype(np.uint8)
    assert native_channels(tmp_path / f"x.{suffix}") == 1
    assert (read_image(tmp_path / f"x.{suffix}")[:, :, 0] == want).all()
    assert read_image(tmp_path / f"x.{suffix}", 3).shape == (2, 6, 3)


def test_integers_of_unusual_depth_need_a_range(tmp_path: Path) -> None:
    levels = np.arange(16, dtype=np.int32).reshape(4, 4, 1) * 1000 - 500
    Image.fromarray(levels[:, :, 0]).save(tmp_path / "x.tif")
    refused("state both with --range", read_image, tmp_path / "x.tif")
    assert np.array_equal(read_image(tmp_path / "x.tif", None, None, None), levels.astype(np.float32))
    assert np.allclose(read_image(tmp_path / "x.tif", None, None, (0, 14500)), levels / 14500)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "plain.tif", "packed.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = np.zeros((32, 16, 3), dtype=np.uint8)
    stored[:16, :8, 0], stored[:16, 8:, 1], stored[16:, :8, 2] = 255, 255, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    keys = {"compression": "tiff_lzw"} if kind.startswith("packed") else {}
    path = tmp_path / f"x.{kind}"
    Image.fromarray(stored).save(path, exif=exif, **keys)
    turned = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.swapaxes(0, 1), 6: np.rot90(stored, -1), 7: stored[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    read = read_image(path)
    assert read.shape == turned.shape
    assert np.abs(read.astype(int) - turned).mean() < 8
    assert read_header(path)[:2] == turned.shape[:2]


def test_broken_exif_does_not_hide_a_good_image(tmp_path: Path) -> None:
    write_image(tmp_path / "x.jpg", noise(8, 8))
    data = (tmp_path / "x.jpg").read_bytes()
    junk = b"Exif\x00\x00" + b"\xff\x00garbage" * 3
    (tmp_path / "x.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(junk) + 2) + junk + data[2:])
    assert read_image(tmp_path / "x.jpg").shape == (8, 8, 3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    write_image(path, noise(64, 64))
    data = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        assert "x." + suffix in refused("not readable as an image", read_image, path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["png", "jpg", "tif", "webp"]), st.integers(0, 10**6), st.binary(min_size=1, max_size=20))
def test_damaged_files_are_read_or_refused_never_worse(tmp_path_factory, suffix, place, junk) -> None:
    path = tmp_path_factory.mktemp("d") / f"x.{suffix}"
    write_image(path, noise(16, 16))
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place : place + len(junk)] = junk
    path.write_bytes(bytes(data))
    for read in (read_header, read_image):
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error)


def test_other_unreadable_files_are_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    refused("0 bytes", read_image, tmp_path / "empty.png")
    refused("not a known image format", read_image, tmp_path / "text.png")
    refused("no such file", read_image, tmp_path / "missing.png")
    refused("cannot be read", read_image, tmp_path / "folder.png")


def test_black_and_white_of_a_set_are_levels_of_the_file_also_where_it_states_its_white(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(100, 4000, (6, 5, 1)).astype(np.uint16)
    page = ImagePage(np.rint(levels * (65535 / 4095)).astype(np.uint16), own={"top": 4095})
    write_file(tmp_path / "a.pgm", ImageFile("PGM", (page,)))
    Image.fromarray(levels[:, :, 0]).save(tmp_path / "a.png")
    for span in ((0.0, 4095.0), (100.0, 4000.0)):
        for depth in (None, 8):
            found, wanted = (read_image(tmp_path / name, None, depth, span) for name in ("a.pgm", "a.png"))
            assert found.dtype == wanted.dtype and np.array_equal(found, wanted)
    assert np.array_equal(read_image(tmp_path / "a.pgm", None, None), page.color)  # by itself white is white


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    refused("decompression bomb", read_image, tmp_path / "bomb.png")
    refused("decompression bomb", read_header, tmp_path / "bomb.png")


# Writing


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.webp"
    write_image(path, noise(8, 8))
    before = path.read_bytes()
    refused("x.webp", write_image, path, np.zeros((2, 20000), dtype=np.uint8))  # WebP ends at 16383
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.webp"]


def test_writing_refuses_unknown_suffixes_and_other_arrays(tmp_path: Path) -> None:
    refused("end the name in", write_image, tmp_path / "x.gif", noise(4, 4))
    refused("end the name in", write_image, tmp_path / "x", noise(4, 4))
    for wrong in (np.zeros((4, 4)), noise(4, 4, 4), noise(4, 4)[:0]):
        with pytest.raises(ValueError, match="uint8"):
            write_image(tmp_path / "x.png", wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fault", [ImportError("no such module"), NameError("name 'x' is not defined")])
def test_faults_of_the_program_are_not_blamed_on_the_file(fault: Exception) -> None:
    with pytest.raises(type(fault)), errors_named("a.png"):
        raise fault
    with pytest.raises(UserError, match=r"^a.png: not readable as an image \(truncated\)"), errors_named("a.png"):
        raise IndexError("truncated")
