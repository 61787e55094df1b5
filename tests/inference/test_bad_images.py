"""Bad input to ``restore``: a clear error of one line each time, no crash, no file left behind."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.io import read_file
from clearer.images.types import LARGEST_PAGE
from clearer.inference.files import restore_path
from helpers.networks import stand_in
from helpers.uploads import packed_tiff

MUTANTS = 60  # of each seed, some thousand in all


def saved(array: np.ndarray, format: str, **keys: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=format, **keys)
    return file.getvalue()


def seeds() -> dict[str, bytes]:
    chance = np.random.default_rng(0)
    color = chance.integers(0, 256, (16, 20, 3), dtype=np.uint8)
    deep = chance.integers(0, 65536, (16, 20, 3), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    exif.get_ifd(0x8769)[0x829A] = 0.5
    found = {
        "rgb.png": saved(color, "PNG", exif=exif, dpi=(72, 72)),
        "palette.png": saved(color[..., 0], "PNG"),
        "deep.png": imagecodecs.png_encode(deep),
        "rgb.jpg": saved(color, "JPEG", exif=exif),
        "progressive.jpg": saved(color, "JPEG", progressive=True),
        "x.webp": saved(color, "WEBP"),
        "x.bmp": saved(color, "BMP"),
        "x.ppm": saved(color, "PPM"),
        "old.tif": saved(color, "TIFF", exif=exif),
    }
    for name, keys in {
        "plain.tif": {},
        "lzw.tif": {"compression": "lzw", "predictor": 2},
        "deflate.tif": {"compression": "zlib", "tile": (16, 16)},
        "jpeg.tif": {"compression": "jpeg"},
        "big.tif": {"bigtiff": True},
    }.items():
        file = io.BytesIO()
        tifffile.imwrite(file, color, photometric="rgb", metadata=None, **keys)
        found[name] = file.getvalue()
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(color, photometric="rgb", metadata=None)
        writer.write(deep[..., 0], photometric="minisblack", metadata=None, compression="zlib")
    found["pages.tif"] = file.getvalue()
    return found


SEEDS = seeds()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change bytes, most often of the first hundred, or cut, repeat or drop a part."""
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not made:
            break
        at = chance.randrange(min(len(made), chance.choice((16, 100, len(made)))))
        kind = chance.randrange(7)
        if kind <= 2:
            made[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif kind == 3:
            made[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x01"))
        elif kind == 4:
            del made[at : at + chance.randrange(1, 40)]
        elif kind == 5:
            made[at:at] = made[at : at + chance.randrange(1, 40)]
        else:
            del made[at:]
    return bytes(made)


def with_good_checksums(data: bytes) -> bytes:
    """Return PNG bytes whose chunks have the right checksums, so that more than these is tried."""
    made, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        length = min(length, len(data) - place - 12)
        body = data[place + 4 : place + 8 + length]
        made += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(made)


def tried(folder: Path, name: str, data: bytes) -> str | None:
    """Restore the bytes; return the message. Only the input may remain, and on success the output."""
    source, target = folder / name, folder / f"out-{name}"
    source.write_bytes(data)
    said = None
    try:
        restore_path(stand_in(3), source, target)
    except UserError as error:
        said = str(error)
        assert str(source) in said and "\n" not in said and len(said) < 600
    expected = {name} if said else {name, target.name}
    assert {p.name for p in folder.iterdir()} == expected, said
    if said is None:
        read_file(target)
        target.unlink()
    source.unlink()
    return said


@pytest.mark.parametrize("name", SEEDS)
def test_mutants_are_restored_or_refused(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(name)
    assert tried(tmp_path, name, SEEDS[name]) is None
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a user would see them
        for k in range(MUTANTS):
            data = mutated(SEEDS[name], chance)
            if name.endswith("png") and k % 2:
                data = with_good_checksums(data)
            refused += tried(tmp_path, name, data) is not None
    assert refused > 0  # the mutants are not all harmless
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", SEEDS)
def test_files_cut_short_are_refused(tmp_path: Path, name: str) -> None:
    data = SEEDS[name]
    for share in (0, 0.02, 0.3, 0.6, 0.9):
        said = tried(tmp_path, name, data[: int(len(data) * share)])
        if name == "old.tif" and share == 0.9:
            continue  # what is lost is words
        assert said is not None, share


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "ppm", "heic", "avif"])
def test_files_of_nothing_are_refused(tmp_path: Path, suffix: str) -> None:
    assert "empty (0 bytes)" in str(tried(tmp_path, f"x.{suffix}", b""))
    for data in (b"\0" * 2000, b"text\n" * 50):
        assert "not readable" in str(tried(tmp_path, f"x.{suffix}", data))
    for data in (b"%PDF-1.7", b"PK\3\4" + bytes(50), b"<svg></svg>"):
        assert "not supported" in str(tried(tmp_path, f"x.{suffix}", data))


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_wrong_extensions_do_not_matter(tmp_path: Path, name: str, suffix: str) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(SEEDS[name])
    (written,) = restore_path(stand_in(3), tmp_path / f"x.{suffix}", tmp_path / "out").written
    assert read_file(written).format == read_file(tmp_path / f"x.{suffix}").format


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PPM", "AVIF"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 37), (37, 1), (2, 1)])
def test_thin_images_come_back(tmp_path: Path, format: str, shape: tuple[int, int]) -> None:
    name = f"x.{format.lower()}"
    for channels in (1, 3):
        array = np.full((*shape, channels), 77, np.uint8)
        (tmp_path / name).write_bytes(saved(array[..., 0] if channels == 1 else array, format))
        restore_path(stand_in(channels), tmp_path / name, tmp_path / "out")
        found = read_file(tmp_path / "out" / name).pages[0].color
        assert found.shape[:2] == shape and np.abs(found.astype(int) - 77).max() <= 2
    for dtype in ("uint16", "float32", "bool"):
        array = np.ones(shape, dtype)
        tifffile.imwrite(tmp_path / "deep.tif", array)
        restore_path(stand_in(1), tmp_path / "deep.tif", tmp_path / "out")
        assert np.array_equal(tifffile.imread(tmp_path / "out" / "deep.tif").reshape(shape), array)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(kind: str, side: int) -> bytes:
    """Return a small file whose header claims side x side pixels."""
    if kind.startswith("png"):
        bits, colors = (16, 2) if kind == "png16" else (8, 0)
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, colors, 0, 0, 0))
        return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    if kind == "tif":
        file = io.BytesIO()
        tifffile.imwrite(file, np.zeros((8, 8), np.uint8), metadata=None, compression="zlib")
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:
            places = [tiff.pages[0].tags[code].valueoffset for code in (256, 257, 278)]
        data = bytearray(file.getvalue())
        for place in places:
            data[place : place + 4] = struct.pack("<I", side)
        return bytes(data)
    if kind == "part.tif":  # a page of 320 pixels, whose only part says more of itself
        part = bytearray(imagecodecs.jpeg2k_encode(np.zeros((16, 20, 3), np.uint8), codecformat="J2K"))
        part[8:16] = struct.pack(">II", side, side)
        return packed_tiff(bytes(part), 34712)
    if kind == "tile.tif":
        return packed_tiff(zlib.compress(bytes(100)), 8, tile=(side // 32 * 16, side // 32 * 16))
    if kind == "ppm":
        return b"P6 %d %d 65535\n" % (side, side) + bytes(100)
    if kind == "bmp":
        data = bytearray(saved(np.zeros((8, 8), np.uint8), "BMP"))
        data[18:26] = struct.pack("<II", side, side)
        return bytes(data)
    data = bytearray(saved(np.zeros((8, 8), np.uint8), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["png", "png16", "tif", "part.tif", "tile.tif", "ppm", "bmp", "jpg"])
def test_decompression_bombs_are_refused_before_anything_is_decoded(tmp_path: Path, kind: str) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        said = tried(tmp_path, f"x.{kind.removesuffix('16')}", bomb(kind, 60000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A JPEG of a few bytes cannot hold so many pixels, and that is what is said of it.
    assert said is not None and ("cannot hold 60000x60000" if kind == "jpg" else "decompression bomb") in said
    assert peak < 50e6 < LARGEST_PAGE


def test_a_palette_has_one_channel_and_perhaps_alpha(tmp_path: Path) -> None:
    file = io.BytesIO()
    table = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(file, np.zeros((16, 20), np.uint8), photometric="palette", colormap=table)
    assert tried(tmp_path, "x.tif", file.getvalue()) is None
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        place = tiff.pages[0].tags["SamplesPerPixel"].valueoffset
    data[place : place + 2] = struct.pack("<H", 60000)  # a thousand gigabytes of 20 megapixels, when unpacked
    assert "page 1: has 60000 channels" in str(tried(tmp_path, "x.tif", bytes(data)))


def test_many_pages_that_add_up_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.images.types.LARGEST_FILE", 500)
    assert "decompression bomb" in str(tried(tmp_path, "x.tif", SEEDS["pages.tif"]))
    assert tried(tmp_path, "x.tif", SEEDS["plain.tif"]) is None


def test_a_profile_that_unpacks_to_gigabytes_is_cut(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(80)), packer.flush()])
    png = SEEDS["palette.png"]
    (tmp_path / "x.png").write_bytes(png[:33] + chunk(b"iCCP", b"bomb\0\0" + packed) + png[33:])
    import tracemalloc

    tracemalloc.start()
    try:
        try:
            restore_path(stand_in(3), tmp_path / "x.png", tmp_path / "y.png")
        except UserError as error:
            assert "x.png" in str(error)
        assert tracemalloc.get_traced_memory()[1] < 250e6
    finally:
        tracemalloc.stop()
