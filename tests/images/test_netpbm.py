"""PBM, PGM, PPM and PFM: any variant is read, and each is written as the kind that it was."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.images.io import read_file, read_header, to_bytes
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

CHANCE = np.random.default_rng(5)
GRAY = CHANCE.integers(0, 1024, (5, 11, 1))
COLOR = CHANCE.integers(0, 256, (5, 11, 3))
BLACK = CHANCE.random((5, 11)) > 0.5
FLOATS = CHANCE.random((5, 11, 3)).astype(np.float32)


def plain(magic: str, levels: np.ndarray, *head: object) -> bytes:
    rows = "\n".join(" ".join(str(v) for v in row.ravel()) for row in levels)
    return "\n".join([magic, "# a comment", "11 5", *map(str, head), rows]).encode() + b"\n"


ANY = b"P7\nWIDTH 11\nHEIGHT 5\nDEPTH %d\nMAXVAL %d\n%sENDHDR\n"
FILES = {  # suffix, content, pixels, how the written file begins
    "plain bits": ("pbm", plain("P1", BLACK.astype(int)), ~BLACK[:, :, None], b"P4\n# a comment\n11 5\n"),
    "bits": ("pbm", b"P4 11 5\n" + np.packbits(BLACK, axis=1).tobytes(), ~BLACK[:, :, None], b"P4\n11 5\n"),
    "10 bits": ("pgm", b"P5\n11 5\n1023\n" + GRAY.astype(">u2").tobytes(), GRAY * 65535 / 1023, b"P5\n11 5\n1023\n"),
    "plain 10 bits": ("pgm", plain("P2", GRAY, 1023), GRAY * 65535 / 1023, b"P5\n# a comment\n11 5\n1023\n"),
    "few levels": ("pgm", b"P5 11 5 7\n" + (GRAY % 8).astype("u1").tobytes(), GRAY % 8 * 255 / 7, b"P5\n11 5\n7\n"),
    "plain color": ("ppm", plain("P3", COLOR, 255), COLOR, b"P6\n# a comment\n11 5\n255\n"),
    "float color": ("pfm", b"PF\n11 5\n-1.0\n" + FLOATS[::-1].astype("<f4").tobytes(), FLOATS, b"PF\n11 5\n-1.0\n"),
    "float gray": ("pfm", b"Pf\n11 5\n2.5\n" + FLOATS[::-1, :, 0].astype(">f4").tobytes(), FLOATS[:, :, :1],
                   b"Pf\n11 5\n2.5\n"),
    "any color": ("pam", ANY % (3, 255, b"TUPLTYPE RGB\n") + COLOR.astype("u1").tobytes(), COLOR,
                  ANY % (3, 255, b"TUPLTYPE RGB\n")),
    "any 10 bits": ("pam", b"P7\n# a comment\nMAXVAL 1023\n" + (ANY % (1, 9, b""))[3:].replace(b"MAXVAL 9\n", b"")
                    + GRAY.astype(">u2").tobytes(), GRAY * 65535 / 1023,
                    b"P7\n# a comment\n" + (ANY % (1, 1023, b""))[3:]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_keep_their_kind_levels_and_comments(tmp_path: Path, name: str) -> None:
    suffix, data, pixels, head = FILES[name]
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(data)
    (page,) = read_file(path).pages
    want = np.rint(pixels) if page.color.dtype.kind == "u" else pixels
    assert page.color.dtype in (bool, np.uint8, np.uint16, np.float32) and np.array_equal(page.color, want)
    assert read_header(path) == (*page.color.shape,)
    outcome = restore_path(stand_in(3), path, tmp_path / "out", RestoreOptions(strength=0.0, check=False))
    assert outcome.written == [tmp_path / "out" / path.name] and not outcome.notes
    written = outcome.written[0].read_bytes()
    assert written.startswith(head)
    if not data.startswith((b"P1", b"P2", b"P3")):
        assert written[len(head) :] == data[-(len(written) - len(head)) :]  # the levels of the file, not only ours
    assert np.array_equal(read_file(outcome.written[0]).pages[0].color, page.color)


@pytest.mark.parametrize("suffix", ["png", "pfm", "tif", "pgm"])
def test_a_bitmap_can_become_another_format(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "x.pbm").write_bytes(FILES["bits"][1])
    restore_path(stand_in(), tmp_path / "x.pbm", tmp_path / f"y.{suffix}", RestoreOptions(strength=0.0))
    back = read_file(tmp_path / f"y.{suffix}")
    assert back.format == {"tif": "TIFF"}.get(suffix, suffix.upper())
    assert np.array_equal(back.pages[0].color.astype(float) > 0, ~BLACK[:, :, None])


def test_a_bitmap_is_not_made_of_gray_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(FILES["10 bits"][1])
    with pytest.raises(UserError, match=r"x.pgm: PBM holds black and white only; choose another --format, or --depth"):
        restore_path(stand_in(), tmp_path / "x.pgm", tmp_path / "y.pbm")
    restore_path(stand_in(), tmp_path / "x.pgm", tmp_path / "y.pbm", RestoreOptions(depth="1"))
    assert np.array_equal(read_file(tmp_path / "y.pbm").pages[0].color, GRAY >= 512)


@pytest.mark.parametrize("name", ["bits", "10 bits", "few levels", "float color"])
def test_a_second_image_behind_the_first_is_said_to_be_lost(tmp_path: Path, name: str) -> None:
    suffix, data, _, _ = FILES[name]
    for behind, what in ((data, "further image"), (b"\x01", "data behind the image"), (b"\n", "")):
        (tmp_path / f"x.{suffix}").write_bytes(data + behind)
        options = RestoreOptions(strength=0.0, check=False)
        notes = restore_path(stand_in(), tmp_path / f"x.{suffix}", tmp_path / f"y.{suffix}", options).notes
        assert notes == ([f"{tmp_path / 'x'}.{suffix}: not kept: {what}"] if what else [])


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("top", [1, 255, 4095, 65535])
def test_any_channels_come_back_byte_for_byte(tmp_path: Path, depth: int, top: int) -> None:
    kind = ["GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"][depth - 1]
    levels = CHANCE.integers(0, top + 1, (5, 11, depth)).astype("u1" if top < 256 else ">u2")
    data = ANY % (depth, top, f"TUPLTYPE {kind}\n".encode()) + levels.tobytes()
    (tmp_path / "x.pam").write_bytes(data)
    for out in ("y.pam", "y.png"):
        outcome = restore_path(
            stand_in(3), tmp_path / "x.pam", tmp_path / out, RestoreOptions(strength=0.0, check=False)
        )
        assert not outcome.notes
    assert (tmp_path / "y.pam").read_bytes() == data
    (page,) = read_file(tmp_path / "y.png").pages
    both = page.color if page.alpha is None else np.dstack([page.color, page.alpha])
    assert np.array_equal(both, np.rint(levels * (np.iinfo(both.dtype).max / top)))


UNSUPPORTED = {
    b"v/1\x01": "an OpenEXR image",
    b"#?RADIANCE\n": "a Radiance HDR image",
    b"%PDF-1.7": "a PDF document",
    b'<?xml version="1.0"?>\n<svg xmlns="x"/>': "a drawing",
    b"\xef\xbb\xbf<!DOCTYPE html><html>": "a web page",
    b"version https://git-lfs.github.com/spec/v1\n": "a pointer of Git LFS",
    b"PK\x03\x04": "a ZIP archive",
    bytes(128) + b"DICM": "a DICOM file",
    b"\0\0\0\x18ftypmp42": "a video",
}


@pytest.mark.parametrize("beginning", UNSUPPORTED)
def test_known_kinds_that_are_not_supported_are_named_with_what_to_do(tmp_path: Path, beginning: bytes) -> None:
    (tmp_path / "x.png").write_bytes(beginning.ljust(300, b"\1"))
    for read in (read_file, read_header):
        with pytest.raises(UserError, match=rf"x.png: {UNSUPPORTED[beginning]}.*; [a-z]"):
            read(tmp_path / "x.png")


BROKEN = {
    "no end": (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\n", "broken header"),
    "no depth": (b"P7\nWIDTH 2\nHEIGHT 2\nMAXVAL 255\nENDHDR\n1234", "broken header"),
    "no number": (b"P7\nWIDTH -2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nENDHDR\n1234", "broken header"),
    "cut any": (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nENDHDR\n123", "cut short"),
    "channels": (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 7\nMAXVAL 255\nENDHDR\n1234", "7 channels"),
    "bomb of any": (b"P7\nWIDTH 60000\nHEIGHT 60000\nDEPTH 1\nMAXVAL 255\nENDHDR\n1234", "decompression bomb"),
    "cut": (b"P5\n11 5\n255\n" + bytes(54), "cut short"),
    "cut bits": (b"P4\n11 5\n" + bytes(9), "cut short"),
    "cut plain": (b"P2\n2 2\n255\n1 2 3", "cut short"),
    "cut bits of digits": (b"P1\n2 2\n1 0 1", "cut short"),
    "no header": (b"P6\nwidth", "broken header"),
    "no scale": (b"Pf\n1 1\n0\n" + bytes(4), "scale 0"),
    "levels above the largest": (b"P5\n1 1\n9\n" + b"\x0a", "levels that are not in 0..9"),
    "negative levels": (b"P2\n2 1\n9\n3 -1\n", "levels that are not in 0..9"),
    "bomb": (b"P1\n60000 60000\n", "decompression bomb"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_one_line(name: str) -> None:
    data, words = BROKEN[name]
    with pytest.raises(UserError, match=words) as caught:
        read_file(data, "x")
    assert "\n" not in str(caught.value)


def test_infinite_values_are_refused_before_a_network_sees_them(tmp_path: Path) -> None:
    (tmp_path / "x.pfm").write_bytes(b"Pf\n2 1\n-1\n" + struct.pack("<ff", 0.5, float("inf")))
    with pytest.raises(UserError, match="not finite"):
        restore_path(stand_in(), tmp_path / "x.pfm", tmp_path / "y.pfm")
    assert to_bytes(read_file(tmp_path / "x.pfm")) == b"Pf\n2 1\n-1.0\n" + struct.pack("<ff", 0.5, float("inf"))
