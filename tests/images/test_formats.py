"""Both views of one decoding, for every kind of file: the right values, computed from the array that was written."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from clearer.core.errors import UserError
from clearer.images.io import read_file, read_header, to_bytes
from clearer.images.pixels import rgb_of_cmyk, to_uint8, unmultiplied, upright
from clearer.images.types import LARGEST_PAGE, ImageFile, ImagePage
from clearer.images.view import native_channels, read_image

HEIGHT, WIDTH = 18, 23


def pixels(channels: int, dtype: str = "uint8") -> np.ndarray:
    """Random values of every size, (H, W, C)."""
    chance = np.random.default_rng([channels, np.dtype(dtype).itemsize])
    if dtype == "bool":
        return chance.random((HEIGHT, WIDTH, channels)) < 0.5
    if dtype.startswith("float"):
        return chance.random((HEIGHT, WIDTH, channels)).astype(dtype)
    top = np.iinfo(dtype).max
    return chance.integers(0, top, (HEIGHT, WIDTH, channels), dtype=dtype, endpoint=True)


def smooth(channels: int) -> np.ndarray:
    """A ramp, which lossy formats hardly change."""
    ramp = np.add.outer(np.linspace(10, 120, HEIGHT), np.linspace(0, 90, WIDTH))[:, :, None]
    return (ramp + 8 * np.arange(channels)).astype(np.uint8)


def pillow(image: np.ndarray | Image.Image, format: str, **keys: Any) -> bytes:
    file = io.BytesIO()
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image)
    image.save(file, format, **keys)
    return file.getvalue()


def tiff(image: np.ndarray, photometric: str | None = None, **keys: Any) -> bytes:
    """Write (H, W, C); ``planarconfig="separate"`` stores the channels apart."""
    file = io.BytesIO()
    channels = image.shape[2]
    if keys.get("planarconfig") == "separate":
        image = np.moveaxis(image, 2, 0).copy()
    elif channels == 1:
        image = image[:, :, 0]
    else:
        keys = {"planarconfig": "contig", **keys}
    photometric = photometric or {1: "minisblack", 2: "minisblack", 3: "rgb", 4: "rgb"}[channels]
    if channels in (2, 4) and photometric in ("rgb", "minisblack"):
        keys = {"extrasamples": ["unassalpha"], **keys}
    tifffile.imwrite(file, image, photometric=photometric, metadata=None, **keys)
    return file.getvalue()


def written(format: str, image: np.ndarray) -> bytes:
    return to_bytes(ImageFile(format, (ImagePage(image),)))


def palette() -> tuple[np.ndarray, np.ndarray]:
    """Return indices (H, W) and the RGB levels (256, 3) that they stand for."""
    return pixels(1)[:, :, 0], np.random.default_rng(5).integers(0, 256, (256, 3), dtype=np.uint8)


def png_palette() -> bytes:
    index, table = palette()
    image = Image.fromarray(index).copy()
    image.putpalette(table.tobytes())
    return pillow(image, "PNG", transparency=bytes(range(256)))


def tiff_palette() -> bytes:
    index, table = palette()
    return tiff(index[:, :, None], "palette", colormap=np.ascontiguousarray(table.T.astype(np.uint16) * 257))


def netpbm(image: np.ndarray, comment: str = "") -> bytes:
    height, width, channels = image.shape
    top = np.iinfo(image.dtype).max
    head = f"P{5 if channels == 1 else 6}\n{comment}{width} {height}\n{top}\n"
    return head.encode() + image.astype(">u2" if top > 255 else np.uint8).tobytes()


def cmyk(image: np.ndarray) -> Image.Image:
    return Image.frombytes("CMYK", (WIDTH, HEIGHT), image.tobytes())


class Case(NamedTuple):
    """A file, the page that the restorer gets, and what training gets at the depth of the file."""

    data: Callable[[], bytes]
    page: np.ndarray
    view: np.ndarray
    tolerance: float = 0


def plain(data: Callable[[], bytes], image: np.ndarray, tolerance: float = 0) -> Case:
    view = image
    if image.dtype == bool:
        view = np.where(image, 255, 0).astype(np.uint8)
    elif image.dtype.kind == "f":
        view = image.astype(np.float32)
    return Case(data, image, view, tolerance)


def in_cmyk(data: Callable[[], bytes], image: np.ndarray, tolerance: float = 0) -> Case:
    """Right values in exact arithmetic: R = (white - C)(white - K) / white; float32 may miss one level of 65536."""
    white = int(np.iinfo(image.dtype).max)
    light = white - image.astype(np.int64)
    product = light[:, :, :3] * light[:, :, 3:]
    rgb = ((2 * product + white) // (2 * white)).astype(image.dtype)
    return Case(data, image, rgb, tolerance)


G8, G16, C8, C16 = pixels(1), pixels(1, "uint16"), pixels(3), pixels(3, "uint16")
GA8, GA16, CA8, CA16 = pixels(2), pixels(2, "uint16"), pixels(4), pixels(4, "uint16")
SMOOTH16 = smooth(1).astype(np.uint16) * 257
BILEVEL = pixels(1, "bool")
INDEX, TABLE = palette()
FOUR = G8 // 16


def case_files() -> dict[str, Case]:
    found = {
        "png gray": plain(lambda: pillow(G8, "PNG"), G8),
        "png gray 16": plain(lambda: pillow(G16, "PNG"), G16),
        "png gray alpha": plain(lambda: pillow(Image.fromarray(GA8, "LA"), "PNG"), GA8[:, :, :1]),
        "png gray alpha 16": plain(lambda: imagecodecs.png_encode(GA16), GA16[:, :, :1]),
        "png rgb": plain(lambda: pillow(C8, "PNG"), C8),
        "png rgb 16": plain(lambda: imagecodecs.png_encode(C16), C16),
        "png rgb alpha": plain(lambda: pillow(CA8, "PNG"), CA8[:, :, :3]),
        "png rgb alpha 16": plain(lambda: imagecodecs.png_encode(CA16), CA16[:, :, :3]),
        "png bilevel": plain(lambda: pillow(Image.fromarray(BILEVEL[:, :, 0]), "PNG"), BILEVEL),
        "png palette": plain(png_palette, TABLE[INDEX]),
        "png transparent gray": plain(lambda: pillow(G8, "PNG", transparency=7), G8),
        "png transparent rgb": plain(lambda: pillow(C8, "PNG", transparency=(1, 2, 3)), C8),
        "jpeg gray": plain(lambda: pillow(smooth(1), "JPEG", quality=95), smooth(1), 2),
        "jpeg rgb": plain(lambda: pillow(smooth(3), "JPEG", quality=95), smooth(3), 4),
        "jpeg cmyk": in_cmyk(lambda: pillow(cmyk(smooth(4)), "JPEG", quality=98), smooth(4), 4),
        "webp lossless": plain(lambda: pillow(C8, "WEBP", lossless=True), C8),
        "webp alpha": plain(lambda: pillow(CA8, "WEBP", lossless=True, exact=True), CA8[:, :, :3]),
        "avif": plain(lambda: pillow(smooth(3), "AVIF", quality=100, subsampling="4:4:4"), smooth(3), 4),
        "heic": plain(lambda: written("HEIF", smooth(3)), smooth(3), 8),
        "heic 12 bits": plain(lambda: written("HEIF", SMOOTH16), SMOOTH16, 3 * 257),
        "bmp gray": plain(lambda: pillow(G8, "BMP"), G8),
        "bmp rgb": plain(lambda: pillow(C8, "BMP"), C8),
        "gif": plain(lambda: pillow(Image.fromarray(C8).quantize(256, dither=Image.Dither.NONE), "GIF"), GIF),
        "pgm": plain(lambda: netpbm(G8), G8),
        "pgm 16": plain(lambda: netpbm(G16, "# comment\n"), G16),
        "ppm": plain(lambda: netpbm(C8, "# comment\n"), C8),
        "ppm 16": plain(lambda: netpbm(C16), C16),
        "tiff bilevel": plain(lambda: tiff(BILEVEL), BILEVEL),
        "tiff bilevel white is zero": plain(lambda: tiff(~BILEVEL, "miniswhite"), BILEVEL),
        "tiff group 4": plain(lambda: pillow(Image.fromarray(BILEVEL[:, :, 0]), "TIFF", compression="group4"), BILEVEL),
        "tiff gray 4 bits": plain(lambda: tiff(FOUR, bitspersample=4), FOUR * np.uint8(17)),
        "tiff gray 4 bits white is zero": plain(
            lambda: tiff(FOUR, "miniswhite", bitspersample=4), 255 - FOUR * np.uint8(17)
        ),
        "tiff palette": plain(tiff_palette, TABLE[INDEX]),
        "tiff ycbcr": plain(lambda: YCBCR, np.array(Image.fromarray(C8).convert("YCbCr").convert("RGB"))),
        "tiff float16": plain(lambda: tiff(pixels(1, "float16")), pixels(1, "float16")),
        "tiff float64": plain(lambda: tiff(pixels(1, "float64")), pixels(1, "float64")),
        "tiff float32 rgb": plain(lambda: tiff(pixels(3, "float32")), pixels(3, "float32")),
        "tiff float32 planar": plain(lambda: tiff(pixels(3, "float32"), planarconfig="separate"), pixels(3, "float32")),
        "tiff jpeg": plain(lambda: tiff(smooth(3), compression="jpeg"), smooth(3), 4),
        "tiff jpeg subsampled": plain(
            lambda: tiff(smooth(3), compression="jpeg", subsampling=(2, 2), tile=(16, 16)), smooth(3), 10
        ),
        "tiff premultiplied": Case(
            lambda: tiff(CA8, extrasamples=["assocalpha"]),
            CA8[:, :, :3],
            unmultiplied(CA8[:, :, :3], CA8[:, :, 3:]),
        ),
    }
    for depth, gray, color, four in ((8, G8, C8, pixels(4)), (16, G16, C16, pixels(4, "uint16"))):
        white = np.iinfo(gray.dtype).max
        found |= {
            f"tiff gray {depth}": plain(lambda gray=gray: tiff(gray), gray),
            f"tiff gray alpha {depth}": plain(lambda gray=gray: tiff(np.concatenate([gray, gray // 2], 2)), gray),
            f"tiff white is zero {depth}": plain(lambda gray=gray, w=white: tiff(w - gray, "miniswhite"), gray),
            f"tiff rgb {depth}": plain(lambda color=color: tiff(color), color),
            f"tiff rgb planar {depth}": plain(lambda color=color: tiff(color, planarconfig="separate"), color),
            f"tiff rgb alpha {depth}": plain(
                lambda color=color, gray=gray: tiff(np.concatenate([color, gray], 2)), color
            ),
            f"tiff cmyk {depth}": in_cmyk(lambda four=four: tiff(four, "separated"), four, depth // 16),
            f"tiff cmyk planar {depth}": in_cmyk(
                lambda four=four: tiff(four, "separated", planarconfig="separate"), four, depth // 16
            ),
            f"bigtiff {depth}": plain(lambda color=color: tiff(color, bigtiff=True), color),
            f"tiff big endian {depth}": plain(lambda color=color: tiff(color, byteorder=">"), color),
        }
        for codec, more in (
            ("lzw", {"predictor": 2}),
            ("adobe_deflate", {"tile": (16, 16)}),
            ("packbits", {}),
            ("zstd", {}),
            ("lzma", {}),
            ("png", {}),
            ("jpeg2000", {"compressionargs": {"reversible": True}}),
        ):
            for name, image in (("gray", gray), ("rgb", color)):
                keys = {"compression": codec, **more}
                found[f"tiff {name} {depth} {codec}"] = plain(lambda i=image, k=keys: tiff(i, **k), image)
    return found


GIF = np.array(Image.fromarray(C8).quantize(256, dither=Image.Dither.NONE).convert("RGB"))
YCBCR = tiff(np.array(Image.fromarray(C8).convert("YCbCr")), "ycbcr", subsampling=(1, 1))
CASES = case_files()


def _seen(path: Path) -> np.ndarray:
    """Return where an image is not fully transparent; it is continued elsewhere, unless all of it is."""
    page = read_file(path).pages[0]
    if page.alpha is None or not page.alpha.any():
        return np.ones(page.color.shape[:2], bool)
    return page.alpha[:, :, 0] > 0


@pytest.mark.parametrize("name", CASES)
def test_both_views_have_the_values_that_were_written(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    path = tmp_path / "x"
    path.write_bytes(case.data())
    page = read_file(path).pages[0]
    assert page.color.dtype == case.page.dtype and page.color.shape == case.page.shape
    assert np.abs(page.color.astype(float) - case.page.astype(float)).max() <= case.tolerance
    view = read_image(path, None, None)
    assert view.dtype == case.view.dtype and view.shape == case.view.shape and view.flags.writeable
    assert np.abs(view.astype(float) - case.view.astype(float))[_seen(path)].max() <= case.tolerance
    white = 1 if view.dtype.kind == "f" else int(np.iinfo(view.dtype).max)
    eight = read_image(path)
    assert eight.dtype == np.uint8
    assert np.array_equal(eight, np.rint(view.astype(float) / white * 255))
    assert read_header(path) == (*view.shape,) and native_channels(path) == view.shape[2]
    assert np.array_equal(read_image(path, 3), eight if view.shape[2] == 3 else np.repeat(eight, 3, 2))
    for gray, color, top in ((read_image(path, 1), eight, 255), (read_image(path, 1, None), view, white)):
        assert gray.shape == (HEIGHT, WIDTH, 1)
        luma = color.astype(float) @ [0.299, 0.587, 0.114] if view.shape[2] == 3 else color[:, :, 0]
        assert gray.dtype == color.dtype and np.abs(gray[:, :, 0] - luma).max() <= (1.01 if top > 1 else 1e-6)


def by_pillow(data: bytes, channels: int | None) -> np.ndarray:
    """Read 8 bits as version 0.1 did: with Pillow alone."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        turned = ImageOps.exif_transpose(image) if image.format != "TIFF" else image
        if turned.mode not in ("1", "L", "LA"):
            turned = (turned.convert("RGBA") if turned.mode == "P" else turned).convert("RGB")
            turned = turned.convert("L") if channels == 1 else turned
        found = np.array(turned if turned.mode == "RGB" else turned.convert("L"))
    found = found if found.ndim == 3 else found[:, :, None]
    return np.repeat(found, 3, 2) if channels == 3 and found.shape[2] == 1 else found


_OF_PILLOW = [
    name
    for name, case in CASES.items()
    if case.page.dtype in (np.uint8, bool)
    # Pillow reads these wrongly or not at all.
    and not any(word in name for word in ("png 8", "8 png", "jpeg2000", "ycbcr", "cmyk planar", "4 bits white", "heic"))
]


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("name", _OF_PILLOW)
def test_eight_bits_are_those_of_version_0_1(tmp_path: Path, name: str, channels: int | None) -> None:
    data = CASES[name].data()
    (tmp_path / "x").write_bytes(data)
    seen = _seen(tmp_path / "x")
    assert np.array_equal(read_image(tmp_path / "x", channels)[seen], by_pillow(data, channels)[seen])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg gray", "jpeg rgb", "jpeg cmyk", "png", "webp", "tiff", "tiff 16", "avif"])
def test_every_orientation_is_applied_once(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    extra = [(274, "H", 1, orientation, True)]
    data = {
        "jpeg gray": lambda: pillow(smooth(1), "JPEG", exif=exif),
        "jpeg rgb": lambda: pillow(smooth(3), "JPEG", exif=exif),
        "jpeg cmyk": lambda: pillow(cmyk(smooth(4)), "JPEG", exif=exif),
        "png": lambda: pillow(smooth(3), "PNG", exif=exif),
        "webp": lambda: pillow(smooth(3), "WEBP", exif=exif, lossless=True),
        "tiff": lambda: tiff(smooth(3), extratags=extra),
        "tiff 16": lambda: tiff(smooth(1).astype(np.uint16) * 257, extratags=extra),
        "avif": lambda: pillow(smooth(3), "AVIF", exif=exif, quality=100),
    }[kind]()
    path = tmp_path / "x"
    path.write_bytes(data)
    page = read_file(path).pages[0]
    seen = read_image(path)
    want = upright(rgb_of_cmyk(page.color) if kind == "jpeg cmyk" else to_uint8(page.color), orientation)
    assert page.orientation == orientation and np.array_equal(seen, want)
    assert read_header(path) == seen.shape
    flat = upright(smooth(3 if seen.shape[2] == 3 else 1), orientation)
    if kind != "jpeg cmyk":
        assert np.abs(seen.astype(int) - flat).mean() < 6
    if not kind.startswith("tiff"):  # Pillow says so too
        assert np.array_equal(seen, by_pillow(data, None))


def test_an_orientation_after_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with_exif = pillow(C8, "PNG", exif=exif)
    at = with_exif.index(b"eXIf") - 4
    size = 12 + int.from_bytes(with_exif[at : at + 4], "big")
    moved = with_exif[:at] + with_exif[at + size : -12] + with_exif[at : at + size] + with_exif[-12:]
    (tmp_path / "x").write_bytes(moved)
    assert np.array_equal(read_image(tmp_path / "x"), np.rot90(C8, -1))
    assert read_header(tmp_path / "x") == (WIDTH, HEIGHT, 3)


def test_an_orientation_counts_though_the_camera_group_is_broken(tmp_path: Path) -> None:
    entries = [(0x0112, 3, 1, 6), (0x8769, 4, 1, 4_000_000)]  # the group of the camera lies beyond the end
    block = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    (tmp_path / "x").write_bytes(pillow(C8, "PNG", exif=b"Exif\0\0" + block + bytes(4)))
    assert read_header(tmp_path / "x") == (WIDTH, HEIGHT, 3)
    assert np.array_equal(read_image(tmp_path / "x"), np.rot90(C8, -1))


def test_of_several_pages_the_first_is_read(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(C16, photometric="rgb", metadata=None)
        writer.write(G8[:5, :, 0], photometric="minisblack", metadata=None)
    frames = [Image.fromarray(np.full((HEIGHT, WIDTH, 3), k, np.uint8)) for k in (10, 90, 200)]
    keys = {"save_all": True, "append_images": frames[1:]}
    (tmp_path / "pages").write_bytes(file.getvalue())
    assert len(read_file(tmp_path / "pages").pages) == 2
    assert np.array_equal(read_image(tmp_path / "pages", None, None), C16)
    assert read_header(tmp_path / "pages") == (HEIGHT, WIDTH, 3)
    for format, more in (("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {})):
        (tmp_path / format).write_bytes(pillow(frames[0], format, **keys, **more))
        assert len(read_file(tmp_path / format).pages) == 3
        assert (read_image(tmp_path / format) == 10).all()
        assert read_header(tmp_path / format) == (HEIGHT, WIDTH, 3)


def test_every_sixteen_bit_level_is_rounded_to_the_nearest() -> None:
    levels = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(to_uint8(levels), (levels.astype(int) + 128) // 257)  # 257 is odd: no ties


def test_cmyk_is_that_of_pillow_for_every_pair_of_levels() -> None:
    tint, black = (side.astype(np.uint8) for side in np.mgrid[:256, :256])
    four = np.stack([tint, tint, tint, black], 2)
    want = np.array(Image.frombytes("CMYK", (256, 256), four.tobytes()).convert("RGB"))
    assert np.array_equal(rgb_of_cmyk(four), want)


def test_premultiplied_color_is_divided_by_its_alpha() -> None:
    color = np.array([[[0], [10], [64], [200], [9]]], np.uint16)
    alpha = np.array([[[0], [65535], [32768], [100], [0]]], np.uint16)
    assert unmultiplied(color, alpha).ravel().tolist() == [0, 10, 127, 65535, 0]
    assert unmultiplied(color / np.float32(400), alpha / np.float32(65535))[0, 2, 0] == pytest.approx(0.32, rel=1e-3)


def test_floats_beyond_black_and_white_are_clipped_at_8_bits_only(tmp_path: Path) -> None:
    noisy = np.linspace(-0.5, 1.5, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1)
    (tmp_path / "x").write_bytes(tiff(noisy))
    assert np.array_equal(read_image(tmp_path / "x", None, None), noisy)
    assert np.array_equal(read_image(tmp_path / "x"), np.rint(noisy.clip(0, 1) * 255))


REFUSED = {
    "lab": (lambda: pillow(Image.fromarray(C8).convert("LAB"), "TIFF"), r"\(CIELAB\); convert it to RGB"),
    "complex": (lambda: tiff(G8.astype(np.complex64)), "64-bit complex64 are not supported"),
    "float, white is zero": (lambda: tiff(pixels(1, "float32"), "miniswhite"), "white as zero is not supported"),
    "subsampled": (
        lambda: tiff(C8, "ycbcr", subsampling=(1, 1)).replace(b"\x12\x02\x03\0\x02\0\0\0\x01\0\x01\0", HALF),
        r"\(YCBCR\); convert it to RGB",
    ),
    "other levels": (lambda: b"P5\n2 1\n70000\n" + bytes(4), "its levels end at 70000"),
    "truncated png": (lambda: pillow(C8, "PNG")[:-20], "cut short"),
    "truncated tiff": (lambda: tiff(C8)[:-90], "cut short"),
    "truncated jpeg": (lambda: pillow(C8, "JPEG")[:-200], "not readable as an image"),
    "bomb": (lambda: b"P6 60000 60000 255\n" + bytes(100), "decompression bomb"),
    "no pixels": (lambda: b"P5 0 9 255\n", "not readable as an image"),
    "text": (lambda: b"text\n" * 9, "not a known image format"),
    "nothing": (lambda: b"", r"empty \(0 bytes\)"),
}
HALF = b"\x12\x02\x03\0\x02\0\0\0\x02\0\x02\0"
BY_HEADER = ("lab", "complex", "float, white is zero", "subsampled", "bomb", "text")


@pytest.mark.parametrize("name", REFUSED)
def test_both_views_refuse_the_same_files(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    path = tmp_path / "x.tif"
    path.write_bytes(make())
    said = []
    for read in (read_file, read_image, *([read_header] if name in (*BY_HEADER, "nothing") else [])):
        with pytest.raises(UserError, match=words) as caught:
            read(path)
        said.append(str(caught.value))
    assert len(set(said)) == 1 and said[0].startswith(f"{path}: ") and "\n" not in said[0]


def test_floats_out_of_range_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff(np.full((4, 4, 1), 4000, np.float32)))
    with pytest.raises(UserError, match=r"x\.tif: its floats reach from 4000 to 4000, .*; rescale them"):
        read_image(tmp_path / "x.tif")


def test_a_header_is_read_without_the_pixels(tmp_path: Path) -> None:
    """The headers of truncated files are complete, and a large file costs no more than a small one."""
    for name, data in {
        "x.png": pillow(C8, "PNG"),
        "x.jpg": pillow(C8, "JPEG"),
        "x.bmp": pillow(C8, "BMP"),
        "x.ppm": netpbm(C16),
    }.items():
        (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
        assert read_header(tmp_path / name) == (HEIGHT, WIDTH, 3)
        with pytest.raises(UserError, match=name):
            read_image(tmp_path / name)
    sparse = tmp_path / "x.tif"
    with sparse.open("wb") as file:  # 12000 x 10000 of zeros, of which the disk holds nothing
        tifffile.imwrite(file, shape=(10000, 12000), dtype=np.uint8, photometric="minisblack", metadata=None)
        file.truncate(2 * 10**9)
    assert LARGEST_PAGE > 10000 * 12000 and read_header(sparse) == (10000, 12000, 1)
