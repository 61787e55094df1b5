"""The page keeps what is around the pixels of an upload, and says what it could not keep, as the command line does."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.io import read_file
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.web import actions
from clearer.web.actions import restore_upload, suggest
from clearer.web.added import Added
from clearer.web.uploads import Limits
from helpers.networks import stand_in
from helpers.thumbnails import PIXELS, block, small, thumbnail_of
from helpers.uploads import encoded, tiff, uploaded

LIMITS = Limits()


def jpeg_with_thumbnail() -> bytes:
    """Return a JPEG whose EXIF holds a thumbnail."""
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", exif=b"Exif\0\0" + block("<", small()))
    return file.getvalue()


def mpo() -> bytes:
    """Return a JPEG with a further image."""
    file, image = io.BytesIO(), Image.fromarray(PIXELS)
    image.save(file, "MPO", save_all=True, append_images=[image])
    return file.getvalue()


def png_with_credentials() -> bytes:
    """Return a PNG with content credentials, which hold for the bytes that were signed alone."""
    data = encoded(PIXELS)
    chunk = b"caBX" + b"\0\0\0\x10jumb" + bytes(8)
    return data[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def heic_with_two_images() -> bytes:
    """Return a HEIC of two images."""
    heif = pytest.importorskip("pillow_heif")
    found, pixels = heif.HeifFile(), PIXELS
    for image in (pixels, 255 - pixels):
        found.add_frombytes("RGB", (128, 96), image.tobytes())
    file = io.BytesIO()
    found.save(file)
    return file.getvalue()


AROUND = {
    jpeg_with_thumbnail: "",
    mpo: "Kept as it was, not restored: further image.",
    png_with_credentials: "content credentials",
    heic_with_two_images: "Not kept: further image",
}


@pytest.mark.parametrize("make", AROUND)
def test_the_page_keeps_and_says_what_the_command_keeps_and_says(tmp_path: Path, make: Callable[[], bytes]) -> None:
    restorer, source = stand_in(3, gain=0.5), tmp_path / "image"
    source.write_bytes(make())
    said = restore_path(restorer, source, tmp_path / "out", RestoreOptions(check=False))
    (file,), notes = said.written, [note.removeprefix(f"{source}: ") for note in said.notes]
    result = restore_upload(uploaded(tmp_path, source.read_bytes()), restorer, LIMITS)
    ours = [note for note in result.notes if "gray levels" not in note]  # how the model fits is said apart
    assert ours == [f"{note[:1].upper()}{note[1:]}." for note in notes]
    assert any(AROUND[make] in note for note in ours) if AROUND[make] else not ours
    assert result.file.read_bytes() == Path(file).read_bytes()


def test_the_thumbnail_shows_the_result(tmp_path: Path) -> None:
    result = restore_upload(uploaded(tmp_path, jpeg_with_thumbnail()), stand_in(3, gain=0.25), LIMITS)
    exif = read_file(result.file).pages[0].exif
    assert exif is not None
    wanted = thumbnail_of(block("<", small())) / 4
    assert np.abs(thumbnail_of(exif) - wanted).mean() < 4  # of 255, by JPEG


def test_noise_is_added_in_the_levels_of_measurements(tmp_path: Path) -> None:
    pixels = np.full((64, 80), 1000, np.int16)
    pixels[0, :2] = 0, 2000
    place, how = uploaded(tmp_path, tiff(pixels)), Added(25)
    found = read_file(restore_upload(place, stand_in(), LIMITS, how).file).pages[0].color
    assert found.min() >= 0 and found.max() <= 2000 and abs(float(found.std()) - 25 / 255 * 2000) < 10
    assert suggest(place, LIMITS, how).startswith("Denoise-gray: noise of about 2")


def test_more_memory_than_is_free_is_said_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(actions, "restore_file", full)
    with pytest.raises(UserError, match=r"^The image could not be restored: it needs more memory than is free\."):
        restore_upload(uploaded(tmp_path, encoded(PIXELS)), stand_in(3), LIMITS)


def test_levels_are_said_with_a_command_that_sets_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(100, 4000, (32, 40), np.uint16)
    place = uploaded(tmp_path, tiff(pixels))
    restorer = stand_in()
    dim = [note for note in restore_upload(place, restorer, LIMITS).notes if "12 bits" in note]
    assert len(dim) == 1 and "4095 is white (clearer restore --range 0,65535 keeps all 16 bits)" in dim[0]
    camera = Restorer(restorer.network, device="cpu", card={"range": [0.0, 4095.0]})
    wanted = "Levels 0 and 4095 are black and white, as in training (clearer restore --range says otherwise)."
    assert wanted in restore_upload(place, camera, LIMITS).notes
