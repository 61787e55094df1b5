"""A written file is compared with its source: what is kept says nothing, what is lost is named in one line."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from clearer.images.around.box_parts import coding_of, parts_of_boxes, with_coding
from clearer.images.around.part import TIMES, Part
from clearer.images.around.parts import lost, parts_of
from clearer.images.io import read_file, read_header
from clearer.images.types import format_of_bytes
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

CHANCE = np.random.default_rng(1)
IMAGES = [Image.fromarray(CHANCE.integers(0, 255, (16, 24, 3), np.uint8)) for _ in range(4)]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(format: str, image: Image.Image = IMAGES[0], **keys: object) -> bytes:
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    file = io.BytesIO()
    image.save(file, format, **keys)
    return file.getvalue()


def around() -> dict[str, object]:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    return {"exif": exif, "icc_profile": SRGB, "xmp": b"<x:xmpmeta/>"}


def restored(tmp_path: Path, data: bytes, name: str, source: str = "source") -> tuple[Path, list[str]]:
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / source).write_bytes(data)
    options = RestoreOptions(strength=0.0, check=False)
    outcome = restore_path(stand_in(3), tmp_path / "in" / source, tmp_path / name, options)
    return tmp_path / name, [note.partition(": ")[2] for note in outcome.notes]


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("suffix", ["same", "png", "jpg", "tif"])
def test_exif_profile_and_xmp_are_kept_in_every_format_that_has_them(tmp_path: Path, format: str, suffix: str) -> None:
    suffix = {"HEIF": "heic"}.get(format, format.lower()) if suffix == "same" else suffix
    path, notes = restored(tmp_path, saved(format, **around()), f"y.{suffix}")
    (page,) = read_file(path).pages
    assert notes == [] and page.icc == SRGB and page.xmp == b"<x:xmpmeta/>" and page.exif is not None


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "HEIF", "PNG", "JPEG"])
def test_what_a_bitmap_cannot_hold_is_said(tmp_path: Path, format: str) -> None:
    keys = around()
    keys.pop("xmp") if format == "PNG" else None
    _, notes = restored(tmp_path, saved(format, **keys), "y.bmp")
    (line,) = notes
    assert line.startswith("not kept: ") and "EXIF" in line and "color profile" in line
    assert ("XMP" in line) == (format != "PNG")


def test_a_second_image_of_a_heif_is_named(tmp_path: Path) -> None:
    _, notes = restored(tmp_path, saved("HEIF", save_all=True, append_images=IMAGES[1:3]), "y.heic")
    assert notes == ["not kept: 2 x further image"]


@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_an_avif_of_a_general_brand_is_read(tmp_path: Path, brand: bytes) -> None:
    data = saved("AVIF", quality=100)
    general = data[:8] + brand + data[12:]
    assert format_of_bytes(general[:64]) == "AVIF"
    (tmp_path / "x.avif").write_bytes(general)
    assert read_header(tmp_path / "x.avif") == (16, 24, 3)
    path, notes = restored(tmp_path, general, "y.avif")
    assert not notes and read_file(path).format == "AVIF"
    assert np.array_equal(read_file(general).pages[0].color, read_file(data).pages[0].color)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_primaries_and_transfer_are_stated_again(tmp_path: Path, format: str) -> None:
    display_p3 = struct.pack(">HH", 12, 13)
    data = with_coding(saved(format), display_p3)
    assert coding_of(data) == display_p3 and coding_of(saved(format)) is None
    path, notes = restored(tmp_path, data, f"y.{'avif' if format == 'AVIF' else 'heic'}")
    assert coding_of(path.read_bytes()) == display_p3 and not notes
    _, notes = restored(tmp_path, data, "y.png")
    assert notes == ["not kept: color coding"]


@pytest.mark.parametrize("loop", [0, 1, 3])
def test_a_webp_animation_keeps_frames_times_and_plays(tmp_path: Path, loop: int) -> None:
    times = [100, 50, 70, 90]
    data = saved("WEBP", save_all=True, append_images=IMAGES[1:], duration=times, loop=loop, lossless=True)
    path, notes = restored(tmp_path, data, "y.webp")
    with Image.open(path) as image:
        assert (image.n_frames, image.info["loop"], notes) == (4, loop, [])
        for k, want in enumerate(IMAGES):
            image.seek(k)
            assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(want))
    _, notes = restored(tmp_path, data, "y.tif")
    assert notes == ["not kept: how often it is played, times of the frames"]


OTHERS = {
    "gif": (
        lambda: saved("GIF", comment=b"words"),
        ["GIF is not written; without --format or a suffix it becomes PNG"],
    ),
    "ico": (
        lambda: saved("ICO", sizes=[(16, 16), (8, 8)]),
        ["ICO is not written; without --format or a suffix it becomes PNG", "not kept: image of another size"],
    ),
    "tga": (lambda: saved("TGA"), ["TGA is not written; without --format or a suffix it becomes PNG"]),
    "jpeg": (lambda: saved("JPEG") + b"more", ["not kept: data behind the image"]),
    "png": (lambda: saved("PNG") + b"more", ["not kept: data behind the image"]),
    "cmyk": (lambda: saved("JPEG", IMAGES[0].convert("CMYK")), []),
}


@pytest.mark.parametrize("source, times", [("PNG", (100, 100 / 3, 100 / 3)), ("GIF", (100, 150, 200))])
def test_an_animation_becomes_avif_with_its_times(tmp_path: Path, source: str, times: tuple[float, ...]) -> None:
    data = saved(source, save_all=True, append_images=IMAGES[1:3], duration=list(times), loop=0)
    path, notes = restored(tmp_path, data, "y.avif")
    assert [note for note in notes if "times" in note] == []
    with Image.open(path) as image:
        assert image.n_frames == 3
        found = []
        for k in range(3):
            image.seek(k)
            image.load()  # Pillow reads the times with the frames
            found.append(image.info["duration"])
    assert np.abs(np.subtract(found, times)).max() <= 1 and abs(sum(found) - sum(times)) <= 1


@pytest.mark.parametrize("rate", [24, 30, 60])
def test_an_avif_animation_of_any_rate_keeps_its_times(tmp_path: Path, rate: int) -> None:
    data = bytearray(saved("AVIF", save_all=True, append_images=IMAGES[1:], duration=[1000] * 4))
    head = data.index(b"mdhd")
    scale = head + 4 + (12 if data[head + 4] == 0 else 20)
    data[scale : scale + 4] = struct.pack(">I", 1000 * rate)  # units of a second, of which a frame has 1,000
    page_times = [page.own["duration"] for page in read_file(bytes(data)).pages]
    assert page_times == pytest.approx([1000 / rate] * 4)
    _, notes = restored(tmp_path, bytes(data), "y.avif")
    assert notes == []
    _, notes = restored(tmp_path, bytes(data), "y.png")
    assert "times" not in " ".join(notes)


def test_times_of_a_damaged_box_file_are_not_listed() -> None:
    data = bytearray(saved("AVIF", save_all=True, append_images=IMAGES[1:3], duration=[100, 150, 200]))
    assert [part.digest for part in parts_of_boxes(bytes(data)) if part.name == TIMES] == ["100 150 200"]
    place = data.index(b"stts") + 12
    data[place : place + 4] = b"\xff\xff\xff\xff"  # frames of the first run
    assert [part for part in parts_of_boxes(bytes(data)) if part.name == TIMES] == []


def test_what_the_user_named_is_not_said_to_become_png(tmp_path: Path) -> None:
    _, notes = restored(tmp_path, saved("TGA"), "y.tif")
    assert notes == []
    bitmap = saved("BMP")[14:]  # as programs put it on a clipboard
    _, notes = restored(tmp_path, bitmap, "y.png", "x.dib")
    assert notes == []


def test_a_webp_animation_keeps_its_background_and_says_what_is_behind(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (8, 8), (9 * k, 20, 30, 100 + k)) for k in range(3)]
    file = io.BytesIO()
    keys = {"append_images": frames[1:], "duration": [10, 20, 33], "background": (1, 2, 3, 4), "lossless": True}
    frames[0].save(file, "WEBP", save_all=True, **keys)
    (tmp_path / "a.webp").write_bytes(file.getvalue() + b"more")
    options = RestoreOptions(strength=0.0, check=False)
    outcome = restore_path(stand_in(3), tmp_path / "a.webp", tmp_path / "b.webp", options)
    assert outcome.notes == [f"{tmp_path / 'a.webp'}: not kept: data behind the image"]
    with Image.open(tmp_path / "b.webp") as image:
        assert image.info["background"] == (1, 2, 3, 4) and image.n_frames == 3


@pytest.mark.parametrize("name", OTHERS)
def test_what_becomes_png_says_what_it_loses(tmp_path: Path, name: str) -> None:
    make, want = OTHERS[name]
    path, notes = restored(tmp_path, make(), "source.png")
    assert notes == want
    if name == "gif":
        with Image.open(path) as image:
            assert image.info["Comment"] == "words"


def test_equal_parts_are_counted() -> None:
    before = (Part("comment", "a"), Part("comment", "b"), Part("comment", "b"), Part("EXIF", "c"))
    assert lost(before, before, True) == []
    assert lost(before, (Part("comment", "b"), Part("EXIF", "d")), True) == ["2 x comment", "EXIF"]
    assert lost(before, (Part("comment", "z"), Part("EXIF", "d")), False) == ["2 x comment"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "ICO", "JPEG2000"])
def test_the_inventory_of_a_cut_file_ends(format: str) -> None:
    data = saved(format, **({} if format in ("ICO", "JPEG2000") else {"comment": b"x"} if format == "GIF" else {}))
    for end in range(0, len(data), max(1, len(data) // 40)):
        assert isinstance(parts_of(data[:end], format_of_bytes(data[:256])), tuple)
