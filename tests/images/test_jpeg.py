"""JPEG files keep their segments, the images and videos behind them, 12 bits and losslessness."""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from clearer.images.around.jpeg_segments import around_of, index_entries
from clearer.images.around.xmp import announces, without_announcements
from clearer.images.depth import depth_of_file
from clearer.images.io import read_file, read_header
from clearer.inference.files import Outcome, restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SMOOTH = np.add.outer(np.linspace(0, 0.6, 40), np.linspace(0, 0.4, 56))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:dc="http://purl.org/dc/"'
    b' xmlns:Container="http://ns.google.com/photos/1.0/container/" GCamera:MicroVideo="1"'
    b' GCamera:MicroVideoOffset="%d" GCamera:Special="7" dc:title="kept"><Container:Directory><rdf:Seq>'
    b"<rdf:li>MotionPhoto</rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"
)


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(seed: int = 0, mode: str = "RGB", **keys: object) -> bytes:
    levels = np.repeat(np.rint(SMOOTH * 200 + 10 * seed)[:, :, None], 3, 2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).convert(mode).save(file, "JPEG", quality=90, **keys)
    return file.getvalue()


def with_segments(data: bytes, *segments: bytes) -> bytes:
    (length,) = struct.unpack_from(">H", data, 4)  # behind the first segment, JFIF
    return data[: 4 + length] + b"".join(segments) + data[4 + length :]


def restored(tmp_path: Path, data: bytes, name: str = "x.jpg", out: str = "y.jpg", **options: object) -> bytes:
    (tmp_path / name).write_bytes(data)
    chosen = RestoreOptions(strength=0.0, check=False, **options)  # type: ignore[arg-type]
    tmp_path.joinpath("notes").write_text(
        "\n".join(said(restore_path(stand_in(3), tmp_path / name, tmp_path / out, chosen)))
    )
    return (tmp_path / out).read_bytes()


def said(outcome: Outcome) -> list[str]:
    return [note.partition(": ")[2] for note in outcome.notes]


def test_every_segment_comes_back_as_it_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    inside = [
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x09\x1c\x02\x78\0\x04word\0"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 0),
        segment(0xEC, b"Ducky\0\1\0\4\0\0\0\x50"),
        segment(0xFE, b"one"),
        segment(0xE7, b"private"),
        segment(0xFE, b"two"),
    ]
    data = with_segments(jpeg(exif=exif, dpi=(200, 100), icc_profile=SRGB), *inside)
    back = restored(tmp_path, data)
    assert around_of(back).segments == around_of(data).segments
    assert not (tmp_path / "notes").read_text()


@pytest.mark.parametrize(("mode", "keys"), [("RGB", {}), ("L", {}), ("CMYK", {}), ("RGB", {"progressive": True})])
def test_the_pixels_are_those_of_a_plain_encoder(tmp_path: Path, mode: str, keys: dict[str, object]) -> None:
    data = with_segments(jpeg(mode=mode, **keys), segment(0xED, b"Photoshop 3.0\0"))
    back = restored(tmp_path, data)
    plain = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(plain, "JPEG", quality=95, subsampling=0, **keys)
    with Image.open(plain) as want, Image.open(io.BytesIO(back)) as found:
        assert found.mode == want.mode and np.array_equal(np.asarray(found), np.asarray(want))
        assert found.info.get("progressive") == want.info.get("progressive")


def test_a_motion_photo_keeps_its_video_where_the_packet_says(tmp_path: Path) -> None:
    video = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 3
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % len(video))
    back = restored(tmp_path, with_segments(jpeg(), xmp) + video)
    assert back[-len(video) :] == video and around_of(back).tail == video
    assert XMP % len(video) in back


def test_the_trailer_of_a_samsung_phone_is_kept_and_named_where_it_cannot_be(tmp_path: Path) -> None:
    video, name = b"\0\0\0\x18ftypmp42" + bytes(range(256)), b"MotionPhoto_Data"
    block = struct.pack("<HHI", 0, 0x0A30, len(name)) + name + video
    entry = struct.pack("<HHII", 0, 0x0A30, len(block), len(block))  # counts back from the directory
    directory = b"SEFH" + struct.pack("<II", 107, 1) + entry
    trailer = block + directory + struct.pack("<I", len(directory)) + b"SEFT"
    back = restored(tmp_path, jpeg() + trailer)
    assert around_of(back).tail == trailer and not (tmp_path / "notes").read_text()
    restored(tmp_path, jpeg() + trailer, out="y.png")
    assert "not kept" in (tmp_path / "notes").read_text()


ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYU"
    "GBIUFRT/yQALCAAQABgBAREA/8wABgAQEAX/2gAIAQEAAD8A/wDlk2G10Sqg6IhRa5YFMuyuQW+4dbCfdXKOevl3di6TX8+A/9k="
)
"""7 x + 5 y at 24x16 pixels, as cjpeg -arithmetic -quality 90 of libjpeg-turbo writes it."""


def test_arithmetic_coding_is_read_and_becomes_huffman_coding(tmp_path: Path) -> None:
    back = restored(tmp_path, ARITHMETIC)
    y, x = np.mgrid[:16, :24]
    for data in (ARITHMETIC, back):
        levels = read_file(data).pages[0].color[:, :, 0].astype(int)
        assert abs(levels - (7 * x + 5 * y)).max() <= 3
    assert around_of(ARITHMETIC).frame[0] == 0xC9 and around_of(back).frame[0] == 0xC0


def test_what_a_packet_announces_is_dropped_where_it_cannot_follow(tmp_path: Path) -> None:
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 9)
    restored(tmp_path, with_segments(jpeg(), xmp) + b"ftypvideo", out="y.png")
    packet = read_file(tmp_path / "y.png").pages[0].xmp
    assert packet is not None and not announces(packet)
    assert b'GCamera:Special="7" dc:title="kept">' in packet and b"Container:Directory" not in packet
    assert without_announcements(packet) == packet


def multi_picture(count: int) -> tuple[bytes, list[bytes]]:
    file = io.BytesIO()
    images = [Image.open(io.BytesIO(jpeg(k))) for k in range(count)]
    images[0].save(file, "MPO", save_all=True, append_images=images[1:], quality=70)
    data = file.getvalue()
    around = around_of(data)
    entries = [entry for _, entry in index_entries(data, around.index_at or 0)]
    starts = [0, *((around.index_at or 0) + entry.offset for entry in entries[1:])]
    return data, [data[start : start + entry.size] for start, entry in zip(starts, entries, strict=True)]


@pytest.mark.parametrize("count", [2, 3])
def test_further_images_are_kept_and_found_by_the_index(tmp_path: Path, count: int) -> None:
    data, parts = multi_picture(count)
    back = restored(tmp_path, data)
    with Image.open(io.BytesIO(back)) as image:
        assert image.format == "MPO" and image.n_frames == count
        for k in range(1, count):
            image.seek(k)
            want = Image.open(io.BytesIO(parts[k]))
            assert np.array_equal(np.asarray(image), np.asarray(want))
    around = around_of(back)
    assert around.tail == b"".join(parts[1:])
    assert index_entries(back, around.index_at or 0)[0][1].size == around.tail_at


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (8, True), (10, True), (12, True), (16, True)])
def test_deep_and_lossless_files_stay_so(tmp_path: Path, bits: int, lossless: bool, channels: int) -> None:
    top = 2**bits - 1
    levels = np.rint(np.stack([SMOOTH * top, SMOOTH * top / 2, top - SMOOTH * top / 2][:channels], 2))
    levels = levels.astype(np.uint16 if bits > 8 else np.uint8)
    plain = levels[:, :, 0] if channels == 1 else levels
    keys = {"lossless": True} if lossless else {"level": 95, "subsampling": "444"}
    data = imagecodecs.jpeg8_encode(np.ascontiguousarray(plain), bitspersample=bits, **keys)
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"
    data = bytes(data[:2]) + segment(0xE1, exif) + bytes(data[2:])
    back = restored(tmp_path, data)
    assert not (tmp_path / "notes").read_text()
    was, now = around_of(data), around_of(back)
    assert (was.frame[0], was.frame[1][0]) == (now.frame[0], now.frame[1][0])
    first, second = (imagecodecs.jpeg8_decode(d).astype(int) for d in (data, back))
    assert np.abs(first - second).max() <= (0 if lossless else 4)
    (page,) = read_file(tmp_path / "y.jpg").pages
    assert page.orientation == 6 and page.color.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert read_header(tmp_path / "x.jpg") == (56, 40, channels)
    assert depth_of_file(tmp_path / "x.jpg") == ("8" if bits == 8 else "16")
    assert np.abs(page.color / np.iinfo(page.color.dtype).max - levels / top).max() < 0.01


def test_a_depth_that_is_asked_for_makes_an_ordinary_file(tmp_path: Path) -> None:
    levels = np.rint(SMOOTH * 4095).astype(np.uint16)
    restored(tmp_path, bytes(imagecodecs.jpeg8_encode(levels, lossless=True, bitspersample=12)), depth="8", quality=90)
    with Image.open(tmp_path / "y.jpg") as image:
        assert image.mode == "L" and np.abs(np.asarray(image) - SMOOTH * 255).max() < 4
