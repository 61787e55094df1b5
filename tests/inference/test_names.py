"""The suffix of a written file and its content agree, whatever the name of the source says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.images.types import FORMATS, format_of_bytes, format_of_suffix
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 13, 3), np.uint8))


def saved(format: str, mode: str = "RGB", **keys: object) -> bytes:
    file = io.BytesIO()
    IMAGE.convert(mode).save(file, format, **keys)
    return file.getvalue()


CONTENT = {
    "PNG": saved("PNG"),
    "JPEG": saved("JPEG"),
    "TIFF": saved("TIFF"),
    "WEBP": saved("WEBP", lossless=True),
    "BMP": saved("BMP"),
    "AVIF": saved("AVIF"),
    "PBM": saved("PPM", "1"),
    "PGM": saved("PPM", "L"),
    "PPM": saved("PPM"),
    "GIF": saved("GIF"),
    "TGA": saved("TGA"),
}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".gif", ".tif", ""])
def test_suffix_and_content_of_every_file_of_a_folder_agree(tmp_path: Path, suffix: str) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, data in CONTENT.items():
        (source / f"{name}{suffix}").write_bytes(data)
    options = RestoreOptions(strength=0.0, pattern="*", check=False)
    outcome = restore_path(stand_in(3), source, out, options)
    assert not outcome.failed and len(outcome.written) == len(CONTENT)
    for path in outcome.written:
        kind = format_of_bytes(path.read_bytes()[:64])
        assert kind is not None
        # Readers of PPM read PGM and PBM, too, so a gray image named .ppm stays what it was.
        pnm = kind in {".pgm": ("PBM",), ".ppm": ("PBM", "PGM"), ".pnm": ("PBM", "PGM", "PPM")}.get(path.suffix, ())
        assert not pnm or path.name == f"{kind}{suffix}"
        assert format_of_suffix(path) == kind or pnm, path
        want = path.name.partition(".")[0]
        assert kind == (want if want in FORMATS else "PNG")
        said = [note for note in outcome.notes if note.startswith(f"{source / want}{suffix}: its content is not")]
        right = format_of_suffix(Path(f"x{suffix}")) in (None, kind) or bool(pnm)
        assert len(said) == (0 if right else 1), outcome.notes
        if said:
            assert said[0].endswith(f"as its name says; it is written as {kind}")


def test_a_misnamed_file_becomes_what_the_name_of_the_output_says(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(CONTENT["PNG"])
    outcome = restore_path(stand_in(3), tmp_path / "x.jpg", tmp_path / "y.jpg", RestoreOptions(check=False))
    assert (tmp_path / "y.jpg").read_bytes().startswith(b"\xff\xd8")
    assert outcome.notes == [f"{tmp_path / 'x.jpg'}: its content is not JPEG, as its name says; it is written as JPEG"]


@pytest.mark.parametrize("suffix", ["pgm", "ppm", "pnm"])
def test_a_bitmap_or_a_gray_image_stays_what_it_is_in_a_folder(tmp_path: Path, suffix: str) -> None:
    for kind in ("PBM", "PGM"):
        (tmp_path / f"x.{suffix}").write_bytes(CONTENT[kind])
        options = RestoreOptions(strength=0.0, check=False)
        outcome = restore_path(stand_in(3), tmp_path / f"x.{suffix}", f"{tmp_path}/out/", options)
        assert outcome.written == [tmp_path / "out" / f"x.{suffix}"] and not outcome.notes
        assert outcome.written[0].read_bytes() == CONTENT[kind]
