"""`restore --compare`: one image before and after, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.core.errors import UserError
from clearer.images.io import to_bytes
from clearer.images.types import ImageFile, ImagePage
from clearer.inference.files import restore_path
from clearer.inference.options import RestoreOptions
from helpers.networks import stand_in

IMAGE = np.random.default_rng(0).integers(60, 256, (20, 30, 3), np.uint8)


def compared(tmp_path: Path, source: Path, target: str = "y.png", **options: object) -> np.ndarray:
    chosen = RestoreOptions(compare=tmp_path / "both.png", **options)  # type: ignore[arg-type]
    restore_path(stand_in(3, shift=-60 / 255), source, tmp_path / target, chosen)
    with Image.open(tmp_path / "both.png") as image:
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("orientation", [1, 6])
def test_both_images_are_upright_beside_a_stripe(tmp_path: Path, orientation: int) -> None:
    page = ImagePage(IMAGE, orientation=orientation, exif=None)
    (tmp_path / "x.tif").write_bytes(to_bytes(ImageFile("TIFF", (page,))))
    both = compared(tmp_path, tmp_path / "x.tif")
    want = np.rot90(IMAGE, -1) if orientation == 6 else IMAGE
    width = want.shape[1]
    assert both.shape == (want.shape[0], 2 * width + 4, 3)
    assert np.array_equal(both[:, :width], want) and (both[:, width : width + 4] == 255).all()
    assert np.array_equal(both[:, width + 4 :], want.astype(int) - 60)


def test_transparent_pixels_are_shown_as_white_and_gray_stays_gray(tmp_path: Path) -> None:
    alpha = np.zeros((20, 30, 1), np.uint8)
    alpha[:, :15] = 255
    (tmp_path / "x.png").write_bytes(to_bytes(ImageFile("PNG", (ImagePage(IMAGE[:, :, :1], alpha),))))
    both = compared(tmp_path, tmp_path / "x.png")
    assert both.shape == (20, 64)
    assert np.array_equal(both[:, :15], IMAGE[:, :15, 0]) and (both[:, 15:34] == 255).all()
    assert np.array_equal(both[:, 34:49], IMAGE[:, :15, 0].astype(int) - 60) and (both[:, 49:] == 255).all()


def test_levels_of_a_camera_are_shown_by_their_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.full((9, 9), 2048, np.uint16), metadata=None)
    both = compared(tmp_path, tmp_path / "x.tif", span=(0.0, 4095.0))
    assert (both[:, :9] == 128).all() and (both[:, 13:] == 68).all()


def test_integers_of_no_usual_range_are_shown_by_their_own_levels(tmp_path: Path) -> None:
    pixels = np.tile(np.linspace(100, 2100, 9).astype(np.int16), (9, 1))
    tifffile.imwrite(tmp_path / "x.tif", pixels, metadata=None)
    both = compared(tmp_path, tmp_path / "x.tif")
    assert np.abs(both[:, :9] - np.linspace(0, 255, 9)).max() <= 1


def test_what_has_no_value_is_shown_as_black(tmp_path: Path) -> None:
    pixels = np.full((9, 9), 0.5, np.float32)
    pixels[2, 3] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", pixels, metadata=None)
    both = compared(tmp_path, tmp_path / "x.tif", "y.tif")
    assert both[2, 3] == 0 and both[0, 0] == 128 and both[2, 16] == 0 and both[0, 13] == 68


def test_more_than_one_image_and_other_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(IMAGE).save(tmp_path / "in" / "x.png")
    for source, target, name, words in (
        ("in", "out", "both.png", "shows one image, not a folder or a video"),
        ("in/x.png", "y.png", "both.jpg", "the name must end in .png"),
        ("in/x.png", "y.png", "y.png", "is the source or the output itself"),
        ("in/x.png", "y.png", "in/x.png", "is the source or the output itself"),
    ):
        options = RestoreOptions(compare=tmp_path / name)
        with pytest.raises(UserError, match=words):
            restore_path(stand_in(3), tmp_path / source, tmp_path / target, options)
    assert not (tmp_path / "y.png").exists() and not (tmp_path / "both.png").exists()


def test_an_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(IMAGE).save("x.png")
    with pytest.raises(UserError, match=r"^--compare file:///tmp/both\.png: an address"):
        restore_path(stand_in(3), "x.png", "y.png", RestoreOptions(compare="file:///tmp/both.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
