"""Files of measured cameras and tone curves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clearer.core.errors import UserError
from clearer.degradations.camera.curves import ToneCurve
from clearer.degradations.camera.files import read_cameras, read_curves
from clearer.degradations.camera.kind import Camera
from clearer.degradations.camera.sensor import drawn_sensor
from clearer.degradations.registry import degradation_from_dict

SHARED = Path(os.environ.get("CLEARER_SHARED", "")) / "data" / "camera_response"
LIGHT = np.linspace(0, 1, 65)
CAMERA = {"AsShotNeutral": [0.5, 1.0, 0.8], "ColorMatrix1": [3.24, -1.54, -0.5, -0.97, 1.88, 0.04, 0.06, -0.2, 1.06]}


@pytest.fixture
def curves(tmp_path: Path) -> dict[str, str]:
    """The same two curves, powers of 1 and 1/2, in two formats."""
    image = np.stack([LIGHT, LIGHT**0.5])
    np.savez(tmp_path / "curves.npz", light=np.stack([LIGHT, LIGHT]), image=image)
    np.savetxt(tmp_path / "curves.csv", image, delimiter=",")
    return {suffix: str(tmp_path / f"curves.{suffix}") for suffix in ("npz", "csv")}


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_curves_are_read_and_interpolated_both_ways(curves: dict[str, str], suffix: str) -> None:
    linear, root = read_curves(curves[suffix])
    values = torch.linspace(0, 1, 256)
    assert torch.allclose(linear.to_image(values), values, atol=1e-6)
    places = torch.from_numpy(LIGHT).float()
    assert torch.allclose(root.to_image(places), places.sqrt(), atol=1e-6)
    assert torch.allclose(root.to_image(root.to_light(values)), values, atol=1e-6)


def test_a_curve_of_the_file_takes_the_place_of_the_built_in_ones(curves: dict[str, str]) -> None:
    """With a linear curve noise does not depend on the curve of sRGB: it is least in the dark."""
    how = Camera(3200, processed=0, scaled=0, banding=0, hot=0, curves=curves["npz"])
    clean = torch.full((40, 3, 16, 16), 0.1)
    levels = (how.apply(clean, torch.Generator().manual_seed(0)) - clean).std((1, 2, 3)).sort().values
    assert levels[:10].mean() < 0.6 * levels[-10:].mean()
    assert how.to_dict()["curves"] == curves["npz"] and "cameras" not in how.to_dict()
    assert degradation_from_dict(how.to_dict()) == how


def test_colors_of_a_camera_are_read_from_anywhere_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps({"one": [CAMERA], "other": {"inner": CAMERA}}))
    cameras = read_cameras(str(path))
    assert len(cameras) == 2 and cameras[0].gains == (2, 1, 1.25)
    # This camera's colors are those of sRGB, as XYZ to sRGB is its matrix.
    assert cameras[0].matrices[0] == pytest.approx(np.eye(3), abs=0.02)
    assert cameras[0].matrices[0].sum(1) == pytest.approx(np.ones(3))
    taken = drawn_sensor(100, [0.5] * 13, cameras)
    assert taken.gains == pytest.approx((2, 1, 1.25)) and torch.allclose(taken.matrix, torch.eye(3), atol=0.02)
    clean = torch.rand(2, 3, 8, 8)
    assert not torch.equal(*(Camera(cameras=f).apply(clean, torch.Generator().manual_seed(0)) for f in ("", str(path))))


@pytest.mark.parametrize(
    ("setting", "name", "content", "words"),
    [
        ("curves", "gone.npz", None, "gone.npz.*No such file"),
        ("curves", "text.csv", "a,b", "could not convert"),
        ("curves", "empty.npz", "", "No data left"),
        ("curves", "cut.npz", "PK\x03\x04", "not a zip file"),
        ("curves", "empty.mat", "", "empty"),
        ("curves", "later.mat", "MATLAB 7.3 MAT-file".ljust(124) + "\x00\x02IM", "HDF"),
        ("curves", "falls.csv", "0,0.6,0.5,1", "a curve falls"),
        ("curves", "high.csv", "0.5,0.6,1", "does not go from 0 to 1"),
        ("cameras", "none.json", "{}", "no mapping with AsShotNeutral"),
        ("cameras", "bad.json", "{", "give a .json file"),
        ("cameras", "short.json", json.dumps(CAMERA | {"ColorMatrix1": [1, 2]}), "give a .json file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    setting: str, name: str, content: str | None, words: str, tmp_path: Path
) -> None:
    if name.endswith(".mat"):
        pytest.importorskip("scipy")
    if content is not None:
        (tmp_path / name).write_text(content)
    settings: dict[str, Any] = {setting: str(tmp_path / name)}
    with pytest.raises(UserError, match=words) as caught:
        Camera(**settings).apply(torch.zeros(1, 3, 8, 8), torch.Generator())
    assert str(caught.value).startswith(f"{setting}: ") and "\n" not in str(caught.value)


def test_the_built_in_curves_are_like_measured_ones() -> None:
    """Slope at middle gray of the built-in curves and of DoRF's, which decides how strong noise is there."""
    pytest.importorskip("scipy")
    if not (SHARED / "201_CRF_data.mat").is_file():
        pytest.skip("CLEARER_SHARED does not name a folder with camera_response")
    generator = torch.Generator().manual_seed(0)
    built_in = [ToneCurve.drawn(torch.rand(4, generator=generator).tolist()) for _ in range(200)]
    measured = read_curves(str(SHARED / "201_CRF_data.mat"))
    light = torch.tensor([0.18, 0.5])
    values = [torch.stack([curve.to_image(light) for curve in several]) for several in (built_in, measured)]
    assert torch.allclose(*(one.median(0).values for one in values), atol=0.06)
    assert len(read_cameras(str(SHARED / "cameras.json"))) == 46
