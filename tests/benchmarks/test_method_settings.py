"""Studies of the settings of deraining methods: what they measure, and that a stopped one goes on."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.methods import lp
from clearer.methods.jorder import MASK_WEIGHT, RAIN_ABOVE
from helpers.photos import photograph

STUDIES = Path(__file__).parents[2] / "benchmarks" / "studies"


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(STUDIES / name), run_name="__main__")


def write_pairs(folder: Path, rain: np.ndarray, count: int = 2) -> Path:
    """Write pairs side by side: a gray of 100, and the same with rain, (H, W) gray levels."""
    folder.mkdir()
    for k in range(count):
        clean = np.full((*rain.shape, 3), 100, np.uint8)
        rainy = (clean + rain[..., None]).astype(np.uint8)
        Image.fromarray(np.concatenate([clean, rainy], 1)).save(folder / f"{k}.png")
    return folder


def test_the_mask_is_measured_pixel_by_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rain = np.zeros((4, 10))
    rain[0], rain[1, :5] = 16, 40  # 10 pixels at the threshold, 5 above it
    pairs, out = write_pairs(tmp_path / "pairs", rain), tmp_path / "mask.json"
    run(monkeypatch, "rain_mask.py", pairs, "-o", out)
    value = json.loads(out.read_text())
    (used,) = (row for row in value["rows"] if row["threshold"] == value["used"] == round(255 * RAIN_ABOVE))
    total = 10 * 16**2 + 5 * 40**2
    assert used["share"] == pytest.approx(5 / 40) and used["of_rain"] == pytest.approx(5 * 40**2 / total, abs=1e-3)
    assert value["square"] == pytest.approx(total / 40 / 255**2, abs=1e-5)
    assert value["entropy"] == pytest.approx(MASK_WEIGHT * np.log(2), abs=1e-5)


def test_settings_of_lp_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    clean = np.repeat(photograph("camera.png", 24)[..., :1], 3, 2)
    rainy = clean.copy()
    rainy[:, ::7] = np.minimum(rainy[:, ::7].astype(int) + 60, 255)
    Image.fromarray(np.concatenate([clean, rainy], 1)).save(pairs / "a.png")
    out = tmp_path / "lp.json"
    few = ("--side", "24", "--rounds", "0", "--printed", "2", "-o", out)
    run(monkeypatch, "lp_settings.py", pairs, *few, "--omega", "2")
    rows, start = (json.loads(out.read_text())[key] for key in ("rows", "input"))
    assert [(row["rounds"], row["omega"], row["patches"]) for row in rows] == [
        (5, 2, 1 / 64),
        (0, 2, 1 / 64),
        (5, 2, 1),
    ]
    assert {key: rows[1][key] for key in start} == start  # nothing is done
    assert rows[0]["psnr"] > start["psnr"] and rows[0]["per_image"] != rows[2]["per_image"]
    calls: list[tuple[float, int, float]] = []
    monkeypatch.setattr(lp, "background", lambda luma, prior, *given: calls.append(given) or luma)
    run(monkeypatch, "lp_settings.py", pairs, *few, "--omega", "2", "4")
    assert calls == [(4.0, 5, 1 / 64)] and len(json.loads(out.read_text())["rows"]) == 4
