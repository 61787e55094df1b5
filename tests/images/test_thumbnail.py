"""The thumbnail in an EXIF block shows the restored image; nothing else in the block moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.images.around import jpeg_segments as jpeg
from clearer.images.exif import orientation_of, with_orientation
from clearer.images.io import read_file
from clearer.images.thumbnail import without_thumbnail
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in
from helpers.thumbnails import PIXELS, block, small, thumbnail_of


def restored(tmp_path: Path, name: str, exif: bytes, **keys: float) -> tuple[bytes, tuple[str, ...]]:
    around = b"Exif\0\0" + exif
    Image.fromarray(PIXELS).save(tmp_path / name, exif=around, **({} if name.endswith("png") else {"quality": 95}))
    options = RestoreOptions(check=False, strength=keys.get("strength", 1.0))
    outcome = restore_path(stand_in(3, gain=0.25), tmp_path / name, tmp_path / f"out-{name}", options)
    found = read_file(tmp_path / f"out-{name}").pages[0].exif
    assert found is not None
    return found, tuple(outcome.notes)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize(("quality", "behind"), [(85, b""), (100, b"more"), (10, b"more")])
def test_the_thumbnail_shows_the_restored_image(
    tmp_path: Path, name: str, order: str, quality: int, behind: bytes
) -> None:
    exif = block(order, small(quality=quality), behind, orientation=6)
    found, notes = restored(tmp_path, name, exif)
    assert not notes
    assert np.abs(thumbnail_of(found) - thumbnail_of(block(order, small())) / 4).mean() < 4  # of 255, by JPEG
    assert without_thumbnail(found) == without_thumbnail(exif)
    assert behind in found and b"Maker of it" in found and orientation_of(found) == 6
    assert small(quality=quality)[-80:-2] not in found  # the old one does not stay hidden


def test_without_a_change_it_stays_byte_for_byte(tmp_path: Path) -> None:
    exif = block(">", small(), b"more")
    assert restored(tmp_path, "a.png", exif, strength=0.0) == (exif, ())


def test_black_bars_stay_and_a_broken_thumbnail_is_said(tmp_path: Path) -> None:
    found, _ = restored(tmp_path, "a.jpg", block("<", small((40, 40))))
    shown = thumbnail_of(found)
    assert shown.shape == (40, 40, 3) and shown[:3].max() < 8 and shown[20].min() > 8
    _, notes = restored(tmp_path, "b.jpg", block("<", b"no JPEG"))
    assert [note.partition(": ")[2] for note in notes] == ["its thumbnail still shows it as it was"]


def test_further_images_are_said_not_to_be_restored(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    image = Image.fromarray(PIXELS)
    image.save(source, "MPO", save_all=True, append_images=[image])
    said = f"{source}: kept as it was, not restored: further image"
    for strength, notes in ((0.0, []), (1.0, [said])):
        options = RestoreOptions(check=False, strength=strength)
        assert restore_path(stand_in(3, gain=0.5), source, out, options).notes == notes
        assert jpeg.around_of(out.read_bytes()).tail == jpeg.around_of(source.read_bytes()).tail


@pytest.mark.parametrize("order", "<>")
def test_another_orientation_moves_nothing(order: str) -> None:
    exif = block(order, small(), b"more", orientation=6)
    assert with_orientation(exif, 1) == block(order, small(), b"more", orientation=1)
    assert with_orientation(exif, 6) is exif
    assert orientation_of(with_orientation(None, 3)) == 3
