"""Files of kinds that a library hands to other programs: refused in one line, whatever their name says."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from clearer.core.errors import UserError
from clearer.images.io import read_file, read_header
from clearer.images.thumbnail import with_thumbnail
from clearer.images.types import ImagePage
from clearer.runs.record import read_record, sample_images
from helpers.command import clearer
from helpers.networks import NON_BLIND, write_model
from helpers.synthetic_run import write_run


def eps() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(file, "EPS")
    return file.getvalue()


def dos_eps() -> bytes:
    """EPS behind the header that Windows programs write, with the place of the PostScript."""
    text = eps()
    return struct.pack("<4sIIIIIIH", b"\xc5\xd0\xd3\xc6", 30, len(text), 0, 0, 0, 0, 0xFFFF) + text


def iptc(inner: bytes) -> bytes:
    """An IPTC file, of which Pillow opens the image inside by its content."""

    def field(record: int, number: int, body: bytes) -> bytes:
        return bytes([0x1C, record, number]) + struct.pack(">H", len(body)) + body

    head = field(3, 60, b"\1\0") + field(3, 65, b"\0") + field(3, 20, b"\0\x08") + field(3, 30, b"\0\x09")
    return head + field(3, 120, b"\5") + field(8, 10, inner[:60000])


KINDS = {
    "EPS": eps(),
    "spaces before": b" \r\n" + eps(),
    "control-D before": b"\x04" + eps(),
    "EPS for Windows": dos_eps(),
    "EPS in IPTC": iptc(eps()),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<4hHIH", 0, 0, 64, 64, 96, 0, 0) + b"\1\0\x09\0" + bytes(40),
    "EMF": struct.pack("<10I4s", 1, 108, 0, 0, 8, 9, 0, 0, 8, 9, b" EMF") + bytes(80),
    "FlashPix": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "GRIB": b"GRIB\0\0\0\1" + bytes(60),
    "BUFR": b"BUFR\0\0\0\1" + bytes(60),
}


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every way to another program fail the test."""

    def run(*arguments: Any, **options: Any) -> Any:
        pytest.fail(f"executed: {arguments}")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    for name in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.execve"):
        monkeypatch.setattr(name, run)


@pytest.mark.parametrize("suffix", [".eps", ".png", ".jpg", ".tif", ""])
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_refused_in_one_line_whatever_the_name(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(KINDS[kind])
    for read in (read_file, read_header):
        with pytest.raises(UserError) as caught:
            read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_the_command_refuses_one_and_passes_it_over_in_a_folder(tmp_path: Path) -> None:
    model = tmp_path / "gray.safetensors"
    write_model(model, NON_BLIND, 1, "P-F")
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.eps", "b.png", "c.jpg"):
        (folder / name).write_bytes(dos_eps())
    Image.fromarray(np.zeros((9, 8), np.uint8)).save(folder / "d.png")
    said = clearer("restore", model, folder / "b.png", "-o", tmp_path / "y.png")
    assert said.status == 2 and "PostScript" in said.err and len(said.err.splitlines()) == 1
    assert not (tmp_path / "y.png").exists()
    assert clearer("restore", model, folder, "-o", tmp_path / "out", "-q").status == 1
    assert [p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")] == ["d.png"]


def test_a_thumbnail_and_a_sample_of_a_report_are_decoded_as_what_they_should_be(tmp_path: Path) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(file, "JPEG", exif=exif)
    inner = eps()
    block = (
        b"II*\0\x08\0\0\0\0\0\x0e\0\0\0"
        + struct.pack("<H", 3)
        + struct.pack("<HHII", 0x0103, 3, 1, 6)
        + struct.pack("<HHII", 0x0201, 4, 1, 64)
        + struct.pack("<HHII", 0x0202, 4, 1, len(inner))
        + bytes(4)
    ).ljust(64, b"\0") + inner
    _, note = with_thumbnail(ImagePage(np.zeros((8, 8, 1), np.uint8), exif=block))
    assert note is not None
    run = write_run(tmp_path / "run")
    (run / "samples/0-input.png").write_bytes(dos_eps())
    record = read_record(run)
    with pytest.raises(UserError, match=r"0-input\.png: not readable as an image"):
        sample_images(record, record.samples[0])
