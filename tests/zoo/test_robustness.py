"""Denoisers on degradations other than white noise: which rows of the robustness table are dead.

``tests/data/robustness-small`` holds three computed images with FFDNet's figures, written by the command in
``ffdnet.json``. The images of the protocol itself are found through CLEARER_SHARED.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

import clearer
from clearer.core.files import read_json
from clearer.data.folders import list_images
from clearer.evaluation import robustness
from clearer.evaluation.robustness import BASELINE_GAIN, DEAD_GAIN, SAME_INPUT, SETS, row_digest, rows_for
from clearer.evaluation.robustness_rows import ROWS
from clearer.images.view import read_image
from clearer.zoo.locate import find_models

SMALL = Path(__file__).parents[1] / "data" / "robustness-small"
DENOISERS = sorted(name for name in find_models() if name.startswith("denoise"))
PHOTO = "denoise-photo"


@cache
def gains(name: str) -> dict[str, tuple[float, float]]:
    """Return the gains in dB of a model and of FFDNet on the small images, by row."""
    restorer = clearer.load(name, "cpu", "fp32")
    channels = restorer.architecture.channels
    recorded = {row["name"]: row for row in read_json(SMALL / "ffdnet.json")["color" if channels == 3 else "gray"]}
    sets = {SMALL.name: [read_image(path, 3) for path in list_images(SMALL)]}
    found = {}
    for row, score in zip(rows_for(channels), robustness.measure(restorer, sets, channels), strict=True):
        line = recorded[score["name"]]
        assert line["digest"] == row.digest(), f"{row.name}: record FFDNet's figures again"
        assert score["input_psnr"] == pytest.approx(line["input_psnr"], abs=SAME_INPUT), row.name
        found[row.name] = (score["psnr"] - score["input_psnr"], line["psnr"] - line["input_psnr"])
    return found


def dead(name: str) -> set[str]:
    return {row for row, (own, by_ffdnet) in gains(name).items() if own < DEAD_GAIN and by_ffdnet >= BASELINE_GAIN}


def test_former_denoise_color_is_dead_on_noise_that_is_not_white_in_all_channels() -> None:
    same = {"white-25-jpeg-95", "white-25-jpeg-75", "gray-noise-25", "gray-image-white-25"}
    assert same <= dead("denoise-color@2026-11")
    assert not {"white-15", "white-25", "white-50", "white-25-8bit"} & dead("denoise-color")


def test_no_row_of_denoise_photo_is_dead() -> None:
    assert dead(PHOTO) == set()
    assert len(gains(PHOTO)) == len(ROWS)
    # FFDNet itself gains 3.9 dB where the noise was compressed.
    assert all(own > min(4, 0.8 * ffdnet) for row, (own, ffdnet) in gains(PHOTO).items() if row.startswith("white"))


@pytest.mark.slow
@pytest.mark.skipif("CLEARER_SHARED" not in os.environ, reason="CLEARER_SHARED names no folder with test images")
def test_no_row_of_denoise_photo_is_dead_on_photographs() -> None:
    restorer = clearer.load(PHOTO, "cpu", "auto")
    sets = robustness.read_sets(robustness.data_folder(None), 3)
    recorded = robustness.recorded_baseline(3)
    scores = robustness.measure(restorer, sets, 3)
    found = {score["name"]: score["psnr"] - score["input_psnr"] for score in scores}
    by_ffdnet = {name: line["psnr"] - line["input_psnr"] for name, line in recorded.items()}
    assert {name for name in found if found[name] < DEAD_GAIN and by_ffdnet[name] >= BASELINE_GAIN} == set()


@pytest.mark.parametrize("name", DENOISERS)
def test_the_card_of_a_denoiser_carries_its_table(name: str) -> None:
    restorer = clearer.load(name, "cpu", "fp32")
    table = restorer.card.robustness
    assert table is not None, f"run python tools/make_models.py --robustness {name}"
    names = [f"{one.name}:{row.name}" for one in SETS for row in rows_for(restorer.architecture.channels)]
    assert [row["name"] for row in table["rows"]] == names
    recorded = robustness.recorded_baseline(restorer.architecture.channels)
    for row in table["rows"]:
        assert row["ffdnet_psnr"] == round(recorded[row["name"]]["psnr"], 2), (
            "FFDNet's figures are of an earlier record"
        )
        is_dead = row["psnr"] - row["input_psnr"] < DEAD_GAIN - 0.005
        assert is_dead or not row["dead"]
        assert name != PHOTO or not row["dead"]
    page = (Path(__file__).parents[2] / "models" / name / "README.md").read_text()
    assert "## Robustness" in page and all(f"{row['psnr']:.2f}" in page for row in table["rows"])


@pytest.mark.parametrize("channels", [1, 3])
def test_figures_of_ffdnet_are_recorded_for_every_row(channels: int) -> None:
    recorded = robustness.recorded_baseline(channels)
    digests = {f"{one.name}:{row.name}": row_digest(one, row) for one in SETS for row in rows_for(channels)}
    assert {name: line["digest"] for name, line in recorded.items()} == digests
    assert all(5 <= line["level"] <= 75 and line["level"] % 5 == 0 for line in recorded.values())
    assert all(line["psnr"] > line["input_psnr"] + 7 for name, line in recorded.items() if name.endswith("white-25"))
