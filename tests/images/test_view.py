"""Images in and out, and where pairs come from."""

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
from clearer.data.folders import Folders, Item, check_channels, check_sizes, find_items, list_images, read_item
from clearer.images.view import native_channels, read_header, read_image, write_image


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, channels), dtype=np.uint8)


def refused(what: str, call, *args, **keys) -> str:
    with pytest.raises(UserError, match=what) as caught:
        call(*args, **keys)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Listing


def test_listing_is_sorted_by_plain_name_and_passes_over_the_rest(tmp_path: Path) -> None:
    for name in ("b.png", "B.PNG", "10.png", "9.png", ".hidden.png", "._9.png"):
        write_image(tmp_path / name, noise(4, 4))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["10.png", "9.png", "B.PNG", "b.png"]


def test_listing_refuses_what_is_no_folder_of_images(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 4))
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "train").mkdir(parents=True)
    refused("no such folder", list_images, tmp_path / "missing")
    refused("a file, where a folder", list_images, tmp_path / "a.png")
    refused("no images directly", list_images, tmp_path / "empty")
    refused(r"name one of its sub-folders \(train\)", list_images, tmp_path / "nested")


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


def test_float_pixels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "x.tif")
    refused("32-bit", read_image, tmp_path / "x.tif")


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


def test_other_unreadable_files_say_why(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    refused("0 bytes", read_image, tmp_path / "empty.png")
    refused("not a known image format", read_image, tmp_path / "text.png")
    refused("no such file", read_image, tmp_path / "missing.png")
    refused("cannot be read", read_image, tmp_path / "folder.png")


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


# Items


def make_pairs(folder: Path, clean: str = "clean", degraded: str = "noisy", count: int = 3) -> None:
    for k in range(count):
        write_image(folder / clean / f"{k}.png", noise(12, 10, seed=k))
        write_image(folder / degraded / f"{k}.bmp", noise(12, 10, seed=k + 100))


def test_pairs_are_found_by_folder_names_and_by_folders(tmp_path: Path) -> None:
    make_pairs(tmp_path, "GT", "Rainy")
    both = Folders(str(tmp_path / "GT"), str(tmp_path / "Rainy"))
    items = find_items(tmp_path)
    assert items == find_items(str(tmp_path), "pairs") == find_items(both)
    assert [i.name for i in items] == ["0.png", "1.png", "2.png"]
    clean, degraded = read_item(items[1], 3)
    assert (clean == noise(12, 10, seed=1)).all() and (degraded == noise(12, 10, seed=101)).all()


def test_auto_takes_a_folder_of_images_as_clean(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    write_image(tmp_path / "a.png", np.hstack([noise(12, 10)] * 2))
    (item,) = find_items(tmp_path)
    assert (item.side, item.degraded) == (None, None)
    assert read_item(item, 1)[1] is None


@pytest.mark.parametrize("side", ["left", "right"])
def test_side_by_side_gives_both_halves(tmp_path: Path, side: str) -> None:
    left, right = noise(6, 5, seed=1), noise(6, 5, seed=2)
    write_image(tmp_path / "a.png", np.hstack([left, right]))
    (item,) = find_items(tmp_path, "side-by-side", side)
    clean, degraded = read_item(item, 3)
    want = (left, right) if side == "left" else (right, left)
    assert (clean == want[0]).all() and (degraded == want[1]).all()
    check_sizes([item], 5)
    refused("a half has 5x6", check_sizes, [item], 6)
    write_image(tmp_path / "b.png", noise(6, 11))
    assert "b.png" in refused("odd", find_items, tmp_path, "side-by-side")


def test_faults_of_pairs_are_named(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    for k in range(5):
        write_image(tmp_path / "clean" / f"lone{k}.png", noise(4, 4))
    assert "lone0.png, lone1.png, lone2.png, ..." in refused("5 of its images have no partner", find_items, tmp_path)
    for k in range(5):
        (tmp_path / "clean" / f"lone{k}.png").unlink()
    write_image(tmp_path / "noisy" / "1.bmp", noise(12, 11))
    assert "1.bmp" in refused("11x12 pixels, but its clean .* has 10x12", find_items, tmp_path)
    item = Item("1.png", tmp_path / "clean" / "1.png", tmp_path / "noisy" / "1.bmp")
    refused("one size", read_item, item, 3)
    write_image(tmp_path / "noisy" / "2.png", noise(12, 10))
    refused("two files that differ in suffix only", find_items, tmp_path)
    (tmp_path / "lq").mkdir()
    refused("more than one sub-folder", find_items, tmp_path)


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(4, 4))
    refused("did you mean 'pairs'", find_items, tmp_path, "pair")
    refused("clean_side", find_items, tmp_path, "side-by-side", "top")
    refused("no pair of sub-folders", find_items, tmp_path, "pairs")
    refused("needs one folder", find_items, Folders("a", "b"), "clean")
    refused("no such folder", find_items, tmp_path / "missing")


def test_channels_are_checked(tmp_path: Path) -> None:
    for k in range(3):
        write_image(tmp_path / f"{k}.png", noise(8, 8))
    items = find_items(tmp_path)
    check_channels(items, 3)
    check_channels(items, 1)
    write_image(tmp_path / "1.png", noise(8, 8, 1))
    for channels in (1, 3):
        assert "1.png" in refused("1 gray and 2 color", check_channels, items, channels)
        check_channels(items, channels, convert=True)
    gray = [items[1]]
    check_channels(gray, 1)
    refused("3 channels are wanted", check_channels, gray, 3)
    check_channels(gray, 3, convert=True)


def test_channels_of_both_images_of_a_pair_count(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    write_image(tmp_path / "noisy" / "2.bmp", noise(12, 10, 1))
    items = find_items(tmp_path)
    assert "2.bmp" in refused("1 gray and 5 color", check_channels, items, 3)
    refused("same channels", read_item, items[2])
    assert read_item(items[2], 3)[1].shape == (12, 10, 3)


def test_headers_are_enough_for_the_checks(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", noise(64, 64))
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: len(data) // 2])
    items = find_items(tmp_path)
    check_channels(items, 3)
    check_sizes(items, 64)
    refused("less than a patch of 65x65", check_sizes, items, 65)
