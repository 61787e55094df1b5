"""Figure 8: real rain, without ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.core.errors import UserError
from clearer.experiments.figure8 import figure8, redraw
from clearer.experiments.redraw import redraw_folder
from clearer.images.view import read_image
from clearer.methods.base import Method
from helpers.photos import photograph


@pytest.fixture
def rain(tmp_path: Path) -> Path:
    (tmp_path / "nature").mkdir()
    rng = np.random.default_rng(0)
    for k in range(4):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)).save(tmp_path / "nature" / f"{k}.png")
    return tmp_path / "nature"


def test_each_derainer_has_a_column_of_the_same_squares(rain: Path, tmp_path: Path) -> None:
    calls: list[str] = []

    def half(image: np.ndarray, sigma: float | None) -> np.ndarray:
        calls.append("half")
        return image / 2

    methods = [
        Method("half", "rain", half, channels=3, notes="a half"),
        Method("noise", "gaussian", half),
        Method("both", "gaussian", lambda image, sigma: 1 - image, also=("rain",)),
    ]
    out = tmp_path / "out"
    found = figure8(out, methods, rain, images=2)
    assert found["columns"] == ["input", "half", "both"] and found["left_out"] == ["noise"]
    assert [row["image"] for row in found["rows"]] == ["0.png", "3.png"] and found["notes"] == {"half": "a half"}
    for row in found["rows"]:
        top, left, side = row["crop"]
        source = read_image(rain / row["image"], 3)[top : top + side, left : left + side].astype(float)
        cells = {name: read_image(out / file, 3).astype(float) for name, file in row["cells"].items()}
        assert np.array_equal(cells["input"], source)
        assert np.abs(cells["half"] - source / 2).max() <= 0.5 and np.abs(cells["both"] - (255 - source)).max() <= 0.5
    assert figure8(out, methods, rain, images=2) == found and len(calls) == 2  # kept
    drawn = (out / "figure8.png").read_bytes()
    (out / "figure8.png").unlink()
    redraw(out)
    assert (out / "figure8.png").read_bytes() == drawn and redraw_folder(out) == ["figure8.json"]


def test_of_a_photograph_that_is_there_twice_one_is_restored(rain: Path, tmp_path: Path) -> None:
    for path in rain.iterdir():
        path.unlink()
    for k, image in enumerate(photograph(name, 60).repeat(3, 2) for name in ("camera.png", "camera.png")):
        twice = np.concatenate([image, image] if k == 0 else [image, image[:, ::-1]], 1)
        Image.fromarray(twice).save(rain / f"{k}.jpg", quality=70)
    shapes: list[tuple[int, ...]] = []

    def seen(image: np.ndarray, sigma: float | None) -> np.ndarray:
        shapes.append(image.shape)
        return image

    figure8(tmp_path / "out", [Method("seen", "rain", seen, channels=3)], rain)
    assert shapes == [(60, 60, 3), (60, 120, 3)]


def test_faults_are_reported_in_one_line(rain: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none removes rain"):
        figure8(tmp_path / "out", [Method("noise", "gaussian", lambda image, sigma: image)], rain)
    for name in ("input", "twice"):
        with pytest.raises(UserError, match=f"'{name}': two columns of this name"):
            figure8(tmp_path / "out", [Method(name, "rain", lambda image, sigma: image)] * 2, rain)
    with pytest.raises(UserError, match="not finite"):
        figure8(tmp_path / "out", [Method("bad", "rain", lambda image, sigma: image * np.nan)], rain)
