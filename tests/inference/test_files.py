"""Restored image files keep everything but their pixels."""

from __future__ import annotations

import dataclasses
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from clearer.core.errors import UserError
from clearer.images.convert import fitted
from clearer.images.exif import orientation_of, parsed
from clearer.images.io import read_file, to_bytes, write_file
from clearer.images.pixels import turned_back, upright
from clearer.images.types import ImageFile, ImagePage
from clearer.inference.files import restore_jobs, restore_path
from clearer.inference.jobs import plan_jobs
from clearer.inference.large_tiff import restore_large
from clearer.inference.options import RestoreOptions
from clearer.zoo.card import ModelCard
from helpers.networks import stand_in

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels(shape: tuple[int, ...], dtype: Any = "uint8", seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng([seed, *shape])
    if np.dtype(dtype).kind == "f":
        return chance.random(shape).astype(dtype)
    if np.dtype(dtype).kind == "b":
        return chance.random(shape) > 0.5
    return chance.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def exif_with(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = orientation, "Maker", "Owner"
    exif.get_ifd(0x8769)[0x829A] = 0.004  # exposure time
    exif.get_ifd(0x8769)[0xA434] = "Lens"
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes().removeprefix(b"Exif\0\0")


def a_page(
    channels: int, dtype: str = "uint8", alpha: bool = False, around: bool = True, orientation: int = 6
) -> ImagePage:
    shape = (9, 14)
    icc = SRGB if channels == 3 else None
    keys: dict[str, Any] = {}
    if around:
        keys = {"icc": icc, "exif": exif_with(orientation), "orientation": orientation, "dpi": (300.0, 150.0)}
    return ImagePage(pixels((*shape, channels), dtype), pixels((*shape, 1), dtype, 1) if alpha else None, **keys)


# (format, channels, dtype, alpha): all that a format holds
_GRAYS, _COLORS = [(1, False), (1, True)], [(3, False), (3, True)]
_HELD = {
    "PNG": {"bool": _GRAYS[:1], "uint8": _GRAYS + _COLORS, "uint16": _GRAYS + _COLORS},
    "TIFF": {
        "bool": _GRAYS[:1],
        "uint8": [*_GRAYS, *_COLORS, (4, False), (4, True)],
        "uint16": [*_GRAYS, *_COLORS, (4, False)],
        "float16": _GRAYS[:1],
        "float32": [(1, False), *_COLORS],
        "float64": _GRAYS[:1],
    },
    "WEBP": {"uint8": _COLORS},
    "BMP": {"bool": _GRAYS[:1], "uint8": [(1, False), *_COLORS]},
    "PGM": {"uint8": _GRAYS[:1], "uint16": _GRAYS[:1]},
    "PPM": {"uint8": _COLORS[:1], "uint16": _COLORS[:1]},
}
LOSSLESS = [(f, c, d, a) for f, depths in _HELD.items() for d, kinds in depths.items() for c, a in kinds]
LOSSY = [("JPEG", 1), ("JPEG", 3), ("JPEG", 4), ("AVIF", 3), ("HEIF", 1), ("HEIF", 3)]
SUFFIX = {"PNG": "png", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp", "PGM": "pgm", "PPM": "ppm", "JPEG": "jpg",
          "AVIF": "avif", "HEIF": "heic"}  # fmt: skip


def same_around(one: ImagePage, other: ImagePage, format: str) -> None:
    assert one.orientation == other.orientation
    if format in ("BMP", "PGM", "PPM"):
        return
    assert one.icc == other.icc
    first, second = parsed(one.exif), parsed(other.exif)
    assert first[0x010F] == second[0x010F] == "Maker"
    assert float(second.get_ifd(0x8769)[0x829A]) == pytest.approx(0.004)
    assert second.get_ifd(0x8769)[0xA434] == "Lens" and second.get_ifd(0x8825)[1] == "N"
    if format in ("PNG", "TIFF", "JPEG"):
        assert one.dpi is not None and other.dpi == pytest.approx(one.dpi, rel=2e-3)


@pytest.mark.parametrize(("format", "channels", "dtype", "alpha"), LOSSLESS)
@pytest.mark.parametrize("model", [1, 3])
def test_lossless_files_round_trip(
    tmp_path: Path, format: str, channels: int, dtype: str, alpha: bool, model: int
) -> None:
    plain = format in ("BMP", "PGM", "PPM")
    page = a_page(channels, dtype, alpha, around=not plain)
    name = f"x.{SUFFIX[format]}"
    (tmp_path / name).write_bytes(to_bytes(fitted(ImageFile(format, (page,)), format)))
    came = read_file(tmp_path / name)
    assert came.format == format and len(came.pages) == 1
    assert came.pages[0].color.dtype == page.color.dtype and np.array_equal(came.pages[0].color, page.color)
    restore_path(stand_in(model), tmp_path / name, tmp_path / "out", RestoreOptions(color="channels"))
    back = read_file(tmp_path / "out" / name)
    (found,) = back.pages
    assert back.format == format and found.color.dtype == page.color.dtype
    assert np.allclose(found.color.astype(float), page.color.astype(float), atol=1e-6)
    assert (found.alpha is None) == (not alpha)
    if page.alpha is not None and found.alpha is not None:
        assert found.alpha.dtype == page.alpha.dtype and np.array_equal(found.alpha, page.alpha)
    same_around(page if not plain else ImagePage(page.color), found, format)


@pytest.mark.parametrize(("format", "channels"), LOSSY)
@pytest.mark.parametrize("orientation", [1, 6])
def test_lossy_files_stay_close(tmp_path: Path, format: str, channels: int, orientation: int) -> None:
    smooth = np.add.outer(np.linspace(20, 120, 48), np.linspace(0, 100, 64))[:, :, None] + np.arange(channels) * 9
    page = a_page(channels, orientation=orientation)
    page = ImagePage(smooth.astype(np.uint8), None, orientation, page.icc, page.exif, None, page.dpi)
    name = f"x.{SUFFIX[format]}"
    (tmp_path / name).write_bytes(to_bytes(fitted(ImageFile(format, (page,)), format)))
    restore_path(stand_in(1), tmp_path / name, tmp_path / "out", RestoreOptions(color="channels"))
    (found,) = read_file(tmp_path / "out" / name).pages
    seen = upright(found.color, found.orientation).astype(int)
    assert found.color.dtype == np.uint8
    assert np.abs(seen - upright(page.color, orientation)).mean() < 3
    assert orientation_of(found.exif) == found.orientation or format == "HEIF"
    if format == "JPEG":
        same_around(page, found, format)
    assert found.icc == page.icc


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize(("channels", "alpha"), [(1, False), (3, False), (3, True)])
def test_heif_keeps_10_and_12_bits(tmp_path: Path, bits: int, channels: int, alpha: bool) -> None:
    smooth = np.add.outer(np.linspace(5000, 30000, 48), np.linspace(0, 25000, 64))[:, :, None]
    smooth = smooth + np.arange(channels) * 900
    around = a_page(channels)
    see_through = np.full((48, 64, 1), 40000, np.uint16) if alpha else None
    page = ImagePage(smooth.astype(np.uint16), see_through, 1, around.icc, around.exif, own={"bits": bits})
    (tmp_path / "x.heic").write_bytes(to_bytes(ImageFile("HEIF", (page,))))
    restore_path(stand_in(1), tmp_path / "x.heic", tmp_path / "out", RestoreOptions(color="channels"))
    came, back = (read_file(tmp_path / place / "x.heic") for place in (".", "out"))
    assert not came.notes
    for found in (came.pages[0], back.pages[0]):
        assert found.color.dtype == np.uint16 and found.own["bits"] == bits and found.icc == page.icc
        assert np.abs(found.color.astype(int) - page.color).mean() < 3 * 257  # 3 levels of 8 bits
        assert len(np.unique(found.color)) > 256
        assert (found.alpha is None) == (see_through is None)
    if alpha:
        assert np.abs(back.pages[0].alpha.astype(int) - 40000).max() < 400


@given(st.integers(1, 8), st.integers(1, 5), st.integers(1, 5))
def test_orientation_is_undone(orientation: int, height: int, width: int) -> None:
    image = pixels((height, width, 3))
    assert np.array_equal(turned_back(upright(image, orientation), orientation), image)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_network_sees_images_upright_and_the_file_keeps_its_orientation(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :24, 0], stored[:16, 24:, 1], stored[16:, :24, 2] = 255, 255, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"x.{suffix}", exif=exif)
    restorer, seen = stand_in(3), []
    forward = restorer.network.forward
    restorer.network.forward = lambda x: seen.append(x[0].permute(1, 2, 0).numpy()) or forward(x)  # type: ignore[method-assign]
    restore_path(restorer, tmp_path / f"x.{suffix}", tmp_path / "out")
    want = upright(stored, orientation)
    assert seen[0].shape == want.shape and np.abs(seen[0] * 255 - want).mean() < 8
    with Image.open(tmp_path / "out" / f"x.{suffix}") as back:
        assert back.getexif().get(0x0112, 1) == orientation
        if suffix != "tif":  # Pillow turns it when it opens it
            assert np.abs(np.asarray(back).astype(int) - stored).mean() < 8


def test_every_page_of_a_tiff_keeps_its_depth(tmp_path: Path) -> None:
    pages = (a_page(3, "uint16", True), a_page(1, "bool", orientation=1), a_page(4, "uint8", around=False))
    (tmp_path / "x.tif").write_bytes(to_bytes(ImageFile("TIFF", pages)))
    restore_path(stand_in(3), tmp_path / "x.tif", tmp_path / "y.tif")
    found = read_file(tmp_path / "y.tif").pages
    assert len(found) == 3
    for one, other in zip(pages, found, strict=True):
        assert other.color.dtype == one.color.dtype and np.array_equal(other.color, one.color)
        assert one.orientation == other.orientation and (one.dpi is None) == (other.dpi is None)
    with pytest.raises(UserError, match=r"x\.tif: has 3 pages"):
        restore_path(stand_in(3), tmp_path / "x.tif", tmp_path / "y.png", RestoreOptions(depth="8"))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits", "jpeg"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16)}, {"planarconfig": "separate"}, {"rowsperstrip": 5}])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_layouts_are_read_and_their_compression_kept(tmp_path: Path, compression, layout, order) -> None:
    if compression == "jpeg" and (layout.get("planarconfig") or "rowsperstrip" in layout):
        pytest.skip("not a layout of it")
    image = pixels((40, 24, 3)) // 16 + 100
    separate = layout.get("planarconfig") == "separate"
    tifffile.imwrite(
        tmp_path / "x.tif", np.moveaxis(image, -1, 0) if separate else image, photometric="rgb",
        compression=compression, byteorder=order, metadata=None, description="words", **layout,
    )  # fmt: skip
    restore_path(stand_in(3), tmp_path / "x.tif", tmp_path / "y.tif")
    with tifffile.TiffFile(tmp_path / "x.tif") as before, tifffile.TiffFile(tmp_path / "y.tif") as after:
        assert after.byteorder == order and after.pages[0].description == "words"
        was, now = before.pages[0].compression.name, after.pages[0].compression.name
        assert now == ("ADOBE_DEFLATE" if was == "JPEG" else was)
        assert after.pages[0].planarconfig == before.pages[0].planarconfig
    found, expected = (read_file(tmp_path / name).pages[0].color for name in ("y.tif", "x.tif"))
    assert np.array_equal(found, expected)
    if compression != "jpeg":
        assert np.array_equal(found, image)


def test_white_as_zero_is_kept_and_restored_as_light(tmp_path: Path) -> None:
    image = pixels((5, 7))
    tifffile.imwrite(tmp_path / "x.tif", image, photometric="miniswhite", metadata=None)
    assert np.array_equal(read_file(tmp_path / "x.tif").pages[0].color[:, :, 0], 255 - image)
    restore_path(stand_in(shift=10 / 255), tmp_path / "x.tif", tmp_path / "y.tif")
    with tifffile.TiffFile(tmp_path / "y.tif") as found:
        assert found.pages[0].photometric.name == "MINISWHITE"
        assert np.array_equal(found.pages[0].asarray(), np.maximum(image.astype(int) - 10, 0))


def test_palettes_become_rgb_with_their_transparency(tmp_path: Path) -> None:
    palette = Image.fromarray(pixels((9, 8, 3))).quantize(16)
    palette.save(tmp_path / "x.png")
    palette.save(tmp_path / "clear.png", transparency=3)
    palette.save(tmp_path / "x.tif")
    for name, mode in (("x.png", "RGB"), ("clear.png", "RGBA"), ("x.tif", "RGB")):
        restore_path(stand_in(3), tmp_path / name, tmp_path / "out")
        found = Image.open(tmp_path / "out" / name)
        expected = Image.open(tmp_path / name).convert(mode)
        assert found.mode == mode and np.array_equal(np.asarray(found), np.asarray(expected))


def test_png_keeps_all_its_chunks(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    around = PngInfo()
    around.add(b"gAMA", (45455).to_bytes(4, "big"))
    around.add_itxt("Title", "a title", "en", "Titel")
    Image.fromarray(pixels((5, 7, 3))).save(tmp_path / "x.png", pnginfo=around, dpi=(72, 72))
    restore_path(stand_in(3), tmp_path / "x.png", tmp_path / "y.png")
    before, after = Image.open(tmp_path / "x.png"), Image.open(tmp_path / "y.png")
    assert after.info == before.info and after.info["gamma"] == pytest.approx(0.45455)


@pytest.mark.parametrize("suffix", ["png", "webp", "avif"])
def test_animations_keep_their_frames_and_times(tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(np.full((16, 16, 3), 40 * k + 30, np.uint8)) for k in range(4)]
    times = [40, 80, 120, 200]
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], duration=times, loop=0)
    restore_path(stand_in(3), tmp_path / f"x.{suffix}", tmp_path / "out")
    found = read_file(tmp_path / "out" / f"x.{suffix}")
    assert [round(page.own["duration"]) for page in found.pages] == times
    assert all(abs(int(p.color.mean()) - 40 * k - 30) <= 2 for k, p in enumerate(found.pages))


# Color


def test_luma_changes_and_color_stays(tmp_path: Path) -> None:
    image = pixels((9, 8, 3)) // 2 + 40
    Image.fromarray(image).save(tmp_path / "x.png")
    restorer = stand_in(1, shift=20 / 255)
    for color in ("luma", "channels"):
        restore_path(restorer, tmp_path / "x.png", tmp_path / f"{color}.png", RestoreOptions(color=color))
        assert np.array_equal(np.asarray(Image.open(tmp_path / f"{color}.png")), image + 20)
    restorer = stand_in(1, gain=0)  # what was different in R, G and B still is
    restorer.network.forward = lambda x: x * 0 + 0.5  # type: ignore[method-assign]
    restore_path(restorer, tmp_path / "x.png", tmp_path / "l.png")
    restore_path(restorer, tmp_path / "x.png", tmp_path / "c.png", RestoreOptions(color="channels"))
    luma, channels = (np.asarray(Image.open(tmp_path / f"{n}.png")).astype(int) for n in "lc")
    inside = ((luma > 0) & (luma < 255)).all(2)
    assert inside.mean() > 0.5
    kept = (luma[..., 0] - luma[..., 2]) - (image[..., 0].astype(int) - image[..., 2])
    assert np.abs(kept[inside]).max() <= 1 and (channels == 128).all()


def test_a_color_model_leaves_gray_gray(tmp_path: Path) -> None:
    gray = pixels((6, 5))
    Image.fromarray(gray).save(tmp_path / "x.png")
    restore_path(stand_in(3, shift=7 / 255), tmp_path / "x.png", tmp_path / "y.png")
    found = Image.open(tmp_path / "y.png")
    assert found.mode == "L" and np.array_equal(np.asarray(found), np.minimum(gray.astype(int) + 7, 255))


def test_alpha_is_not_restored(tmp_path: Path) -> None:
    image = pixels((6, 5, 4)) // 2
    Image.fromarray(image).save(tmp_path / "x.png")
    restore_path(stand_in(3, shift=9 / 255), tmp_path / "x.png", tmp_path / "y.png")
    found = np.asarray(Image.open(tmp_path / "y.png"))
    assert np.array_equal(found[..., :3], image[..., :3] + 9) and np.array_equal(found[..., 3], image[..., 3])


def test_cmyk_is_restored_as_light(tmp_path: Path) -> None:
    cmyk = pixels((6, 5, 4)) // 2 + 60
    Image.frombytes("CMYK", (5, 6), cmyk.tobytes()).save(tmp_path / "x.tif")
    for model in (1, 3):
        restore_path(stand_in(model, shift=9 / 255), tmp_path / "x.tif", tmp_path / "y.tif")
        found = Image.open(tmp_path / "y.tif")
        assert found.mode == "CMYK" and np.array_equal(np.asarray(found), cmyk - 9)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1), st.sampled_from(["uint8", "uint16"]))
def test_strength_blends(tmp_path_factory, strength: float, dtype: str) -> None:
    folder = tmp_path_factory.mktemp("s")
    image, top = pixels((6, 5), dtype), np.iinfo(dtype).max
    Image.fromarray(image).save(folder / "x.png")
    restore_path(stand_in(gain=0.5), folder / "x.png", folder / "y.png", RestoreOptions(strength=strength))
    want = image * (1 - strength * 0.5)
    assert np.abs(np.asarray(Image.open(folder / "y.png")) - want).max() <= 0.5 + 1e-6 * top


@pytest.mark.parametrize(("strength", "words"), [(-0.1, "strength"), (float("nan"), "strength")])
def test_strengths_out_of_range_are_refused(strength: float, words: str) -> None:
    with pytest.raises(UserError, match=words):
        RestoreOptions(strength=strength)


# Floats


def test_the_range_of_floats_can_be_set(tmp_path: Path) -> None:
    image = pixels((6, 5), "float32") * 200 + 50
    tifffile.imwrite(tmp_path / "x.tif", image)
    with pytest.raises(UserError, match=r"x\.tif: its floats reach from .*--range"):
        restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif")
    restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "y.tif", RestoreOptions(span=(0, 300)))
    assert np.allclose(tifffile.imread(tmp_path / "y.tif"), np.minimum(image + 30, 300), atol=1e-3)
    image[2, 2] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", image)
    restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "z.tif", RestoreOptions(span=(0, 300)))
    found = tifffile.imread(tmp_path / "z.tif")
    assert np.allclose(found, np.minimum(image + 30, 300), atol=1e-3, equal_nan=True) and np.isnan(found).sum() == 1


def test_the_range_of_gray_levels_can_be_set(tmp_path: Path) -> None:
    """A camera's 12 bits in a file of 16."""
    image = (pixels((6, 5), "float32") * 3000 + 100).round().astype("uint16")
    tifffile.imwrite(tmp_path / "x.tif", image)
    noticed = restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "y.tif")
    assert [note for note in noticed.notes if f"levels end at {image.max()} of 65535" in note and "4095 is" in note]
    wanted = np.minimum(image + 409.5, 4095)
    assert np.abs(tifffile.imread(tmp_path / "y.tif") - wanted).max() <= 0.51
    assert np.array_equal(stand_in(shift=0.1).restore(image), tifffile.imread(tmp_path / "y.tif"))
    # In another depth a dim image stays dim, also where it is compared.
    dim = RestoreOptions(depth="8", compare=tmp_path / "both.png")
    restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "y.tif", dim)
    assert np.abs(tifffile.imread(tmp_path / "y.tif") - wanted / 65535 * 255).max() <= 0.51
    assert np.asarray(Image.open(tmp_path / "both.png"))[:, :5].max() < 16
    whole = RestoreOptions(span=(0, 65535))
    assert not restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "y.tif", whole).notes
    assert np.abs(tifffile.imread(tmp_path / "y.tif") - (image + 6553.5)).max() <= 0.51
    twelve = RestoreOptions(span=(0, 4095))
    assert not restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif", options=twelve).notes
    restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif", options=twelve)
    assert np.array_equal(tifffile.imread(tmp_path / "y.tif"), image)
    restore_path(stand_in(shift=0.1), tmp_path / "x.tif", tmp_path / "y.tif", options=twelve)
    wanted = np.minimum(image + 409.5, 4095)
    assert np.abs(tifffile.imread(tmp_path / "y.tif") - wanted).max() <= 0.51
    # In another depth, black and white are that depth's.
    restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif", options=dataclasses.replace(twelve, depth="8"))
    assert np.abs(tifffile.imread(tmp_path / "y.tif") - image / 4095 * 255).max() <= 0.51
    with pytest.raises(UserError, match=r"x\.tif: its levels reach from .*--range"):
        restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "z.tif", RestoreOptions(span=(0, 255)))


@pytest.mark.parametrize(
    ("least", "most", "advice"),
    [
        (100, 3100, r"12 bits: 0 is black and 4095 is white \(--range 0,65535 keeps all 16 bits\)$"),
        (0, 1500, "4095 is white .*; it is dim: --range 0,1500 sets its own"),
        (587, 5968, "14 bits: 0 is black and 16383 is white .* --range 587,5968"),
        (0, 16383, "14 bits: .* keeps all 16 bits.$"),
        (0, 16384, None),
        (0, 0, None),
        (0, 1, None),
        (2000, 2062, None),
        (0, 63, "4095 is white .* --range 0,63 sets its own.$"),
    ],
)
def test_the_levels_of_a_camera_are_noticed_in_16_bits(
    least: int, most: int, advice: str | None, tmp_path: Path
) -> None:
    image = np.linspace(least, most, 30).round().reshape(6, 5).astype("uint16")
    tifffile.imwrite(tmp_path / "x.tif", image)
    notes = restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif").notes
    told = [note for note in notes if f"its levels end at {most} of 65535" in note]
    assert len(told) == (advice is not None) and all(re.search(advice or "", note) for note in told)


def test_the_levels_of_the_model_are_used_and_said_once(tmp_path: Path) -> None:
    image = (pixels((6, 5), "float32") * 3000 + 100).round().astype("uint16")
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", image)
    tifffile.imwrite(tmp_path / "in" / "eight.tif", (image // 16).astype("uint8"))
    restorer = stand_in(shift=0.1)
    restorer.card = ModelCard(range=[0, 4095])
    noted: dict[str, list[str]] = {}
    plan = plan_jobs(tmp_path / "in", tmp_path / "out", RestoreOptions())
    keep = lambda job, fault, own: noted.update({Path(job.name).name: own.notes})  # noqa: E731
    outcome = restore_jobs(restorer, plan, RestoreOptions(), settled=keep)
    assert np.abs(tifffile.imread(tmp_path / "out" / "a.tif") - np.minimum(image + 409.5, 4095)).max() <= 0.51
    assert np.abs(tifffile.imread(tmp_path / "out" / "eight.tif") - np.minimum(image // 16 + 25.5, 255)).max() <= 0.51
    assert {name for name, notes in noted.items() if any("levels 0 and 4095" in note for note in notes)} == {
        "a.tif", "b.tif"
    }  # fmt: skip
    assert [note for note in outcome.notes if "black and white" in note] == [
        "levels 0 and 4095 are black and white, as in training (--range says otherwise)"
    ]
    assert np.array_equal(restorer.restore(image), tifffile.imread(tmp_path / "out" / "a.tif"))


def test_the_levels_of_the_model_hold_for_all_pages_of_floats_or_none(tmp_path: Path) -> None:
    """A dark page of a camera's floats, all in [0, 1], is no page of units; nor is a unit with gaps one of levels."""
    restorer = stand_in(shift=0.1)
    restorer.card = ModelCard(range=[0, 4095])
    bright = pixels((6, 5), "float32") * 3000 + 100
    stack = np.stack([bright / 3200, bright])
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    for restore in (partial(restore_path, restorer), partial(restore_large, restorer)):
        restore(tmp_path / "x.tif", tmp_path / "y.tif")
        assert np.allclose(tifffile.imread(tmp_path / "y.tif"), np.minimum(stack + 409.5, 4095), atol=1e-2)
    units = pixels((6, 5), "float32") / 2
    units[1, 2] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", units)
    assert not restore_path(restorer, tmp_path / "x.tif", tmp_path / "y.tif").notes
    assert np.allclose(tifffile.imread(tmp_path / "y.tif"), units + 0.1, atol=1e-5, equal_nan=True)


def test_a_white_that_a_file_states_is_that_of_its_levels(tmp_path: Path) -> None:
    """PGM of 12 bits is scaled to 16 when it is read; the levels of the model and of --range are those of the file."""
    levels = (pixels((6, 5), "float32") * 500 + 100).round().astype("uint16")
    tifffile.imwrite(tmp_path / "x.tif", levels)
    page = ImagePage(np.rint(levels * (65535 / 4095)).astype("uint16")[:, :, None], own={"top": 4095})
    write_file(tmp_path / "x.pgm", ImageFile("PGM", (page,)))
    model, plain = stand_in(gain=0.5, shift=0.1), stand_in(gain=0.5, shift=0.1)
    model.card = ModelCard(range=[0, 4095])
    for restorer, options in ((model, RestoreOptions()), (plain, RestoreOptions(span=(100, 700)))):
        assert not [
            note
            for note in restore_path(restorer, tmp_path / "x.pgm", tmp_path / "y.pgm", options).notes
            if "of 65535" in note
        ]
        restore_path(restorer, tmp_path / "x.tif", tmp_path / "y.tif", options)
        found = read_file(tmp_path / "y.pgm").pages[0]
        assert found.own["top"] == 4095
        wanted = tifffile.imread(tmp_path / "y.tif").astype(float)
        assert np.abs(found.color[:, :, 0] * (4095 / 65535) - wanted).max() <= 1.1
    for options in (RestoreOptions(), RestoreOptions(span=(0, 1))):  # 0 and 1 are of floats
        assert not restore_path(plain, tmp_path / "x.pgm", tmp_path / "y.pgm", options).notes  # its white is known


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_python_restores_as_files_are_where_the_network_leaves_black_and_white(strength: float, tmp_path: Path) -> None:
    image = (pixels((6, 5, 3), "float32") * 255).round().astype("uint8")
    Image.fromarray(image).save(tmp_path / "x.png")
    restorer = stand_in(gain=3, shift=-0.8)
    restore_path(restorer, tmp_path / "x.png", tmp_path / "y.png", RestoreOptions(strength=strength))
    assert np.array_equal(restorer.restore(image, strength=strength), np.asarray(Image.open(tmp_path / "y.png")))


def test_nothing_runs_for_a_strength_of_nothing(tmp_path: Path) -> None:
    image = (pixels((6, 5), "float32") * 255).round().astype("uint8")
    Image.fromarray(image).save(tmp_path / "x.png")
    restorer = stand_in(shift=float("nan"))
    restore_path(restorer, tmp_path / "x.png", tmp_path / "y.png", RestoreOptions(strength=0))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "y.png")), image)
    assert np.array_equal(restorer.restore(image, strength=0), image)


def test_bright_spots_of_a_file_are_a_note_and_no_warning_of_python(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    image = pixels((40, 40), "float32") / 2
    image[5:12, 5:12] = 1.5
    tifffile.imwrite(tmp_path / "x.tif", image)
    notes = restore_path(stand_in(), tmp_path / "x.tif", tmp_path / "y.tif").notes
    assert any("are clipped" in note for note in notes) and not recwarn.list


# Other formats and depths


def test_a_new_depth_comes_from_unrounded_output(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 100, np.uint8)).save(tmp_path / "x.png")
    restorer = stand_in(shift=0.25 / 255)
    for depth, format, want in (("16", "PNG", round(100.25 * 257)), ("8", "PNG", 100), ("1", "PNG", False)):
        restore_path(restorer, tmp_path / "x.png", tmp_path / "y.png", RestoreOptions(format=format, depth=depth))
        found = read_file(tmp_path / "y.png").pages[0].color
        assert (found == want).all()
    restore_path(restorer, tmp_path / "x.png", tmp_path / "y.tif", RestoreOptions(depth="float"))
    assert tifffile.imread(tmp_path / "y.tif") == pytest.approx(100.25 / 255)


@pytest.mark.parametrize(("source", "target"), [(s, t) for s in LOSSLESS for t in SUFFIX if t not in ("AVIF", "HEIF")])
def test_every_kind_fits_every_format(tmp_path: Path, source: tuple[str, int, str, bool], target: str) -> None:
    format, channels, dtype, alpha = source
    page = a_page(channels, dtype, alpha, around=format not in ("BMP", "PGM", "PPM"))
    (tmp_path / "x").write_bytes(to_bytes(ImageFile(format, (page,))))
    outcome = restore_path(stand_in(3), tmp_path / "x", tmp_path / "out", RestoreOptions(format=target))
    (written,) = outcome.written
    assert written.suffix == f".{SUFFIX[target]}"
    if target != "TIFF":  # of which Pillow does not know all
        with Image.open(written) as image:
            assert image.size in ((14, 9), (9, 14))
    back = read_file(written)
    assert back.format == target
    want, found = upright(page.color, page.orientation), upright(back.pages[0].color, back.pages[0].orientation)
    assert found.shape[:2] == want.shape[:2]
    lost = alpha and back.pages[0].alpha is None
    assert any("alpha" in note for note in outcome.notes) == lost
    if target not in ("JPEG", "PGM") and channels != 4:
        unit = [p.astype(float) / (1 if p.dtype.kind in "bf" else np.iinfo(p.dtype).max) for p in (want, found)]
        assert np.abs(unit[0] - unit[1]).max() <= 0.51 / 255


def test_a_quality_that_changes_nothing_is_said_once(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.jpg"):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / name)
    asked = RestoreOptions(quality=80)
    found = restore_path(stand_in(3), tmp_path, tmp_path.parent / f"{tmp_path.name}-out", asked)
    assert found.notes == ["--quality: PNG files are written without loss; it changes nothing for them"]
    assert restore_path(stand_in(3), tmp_path / "c.jpg", tmp_path / "d.jpg", asked).notes == []


def test_quality_changes_the_size(tmp_path: Path) -> None:
    Image.fromarray(pixels((64, 64, 3))).save(tmp_path / "x.png")
    for format in ("jpeg", "webp", "avif"):
        sizes = []
        for quality in (20, 80, None):
            place = tmp_path / f"{quality}.{format}"
            restore_path(stand_in(3), tmp_path / "x.png", place, RestoreOptions(quality=quality))
            sizes.append(place.stat().st_size)
        assert sizes == sorted(set(sizes))


def test_text_tags_of_a_tiff_stay_unchanged(tmp_path: Path) -> None:
    """In any encoding, and even if a date is not valid."""
    texts = {270: "Grüße".encode(), 305: "Mächtig".encode("latin-1"), 306: b"yesterday", 33432: "© Jörg".encode()}
    extra = [(code, "s", 0, text, True) for code, text in texts.items() if code not in (270, 305)]
    how = {"description": texts[270], "software": texts[305], "extratags": extra, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6), np.uint8), **how)
    restore_path(stand_in(), tmp_path / "a.tif", tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        data = (tmp_path / "b.tif").read_bytes()
        tags = {code: file.pages[0].tags[code] for code in texts}  # type: ignore[union-attr]
        assert {code: data[t.valueoffset : t.valueoffset + t.count].rstrip(b"\0") for code, t in tags.items()} == texts
