"""Runs on images of 16 bits and floating point."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from rich.console import Console

from clearer.inference.files import restore_path
from clearer.inference.restorer import load
from clearer.pipeline.evaluate import evaluate
from clearer.pipeline.fit import Run, fit
from clearer.recipe.load import load_stored_recipe
from clearer.runs.layout import RunFolder
from helpers.microscope import write_pairs
from helpers.recipes import TINY

pytestmark = pytest.mark.slow


def _fit(out: Path, data: Path, **more: Any) -> tuple[Run, str]:
    said = io.StringIO()
    settings = {**TINY, "architecture": "PP", "data.folder": str(data), **more}
    run = fit("pairs-gray", out, settings, console=Console(file=said, width=200))
    return run, said.getvalue()


def test_a_run_on_12_bits_in_16_states_its_range_from_the_data_to_the_restored_file(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "data", 6, 32, 3000, offset=100)
    run, said = _fit(tmp_path / "run", data)
    assert "as of a camera of 12 bits: 0 is black and 4095 is white" in said
    assert "names are FIELD_CHANNEL (6 fields, 2 channels)" in said
    assert load_stored_recipe(RunFolder(run.folder).recipe).data.range == [0, 4095]
    restorer = load(run.folder, "cpu", "fp32")
    assert restorer.card.range == [0, 4095]
    outcome = restore_path(restorer, data / "noisy", tmp_path / "restored")
    assert "levels 0 and 4095 are black and white" in outcome.notes[0]
    noisy, restored = (tifffile.imread(place / "00_0.tif") for place in (data / "noisy", tmp_path / "restored"))
    assert restored.dtype == np.uint16
    assert np.abs(restored.astype(float) - noisy).mean() < 1000 and restored.max() <= 4095
    # Measured in the same levels, whether the model or the caller states them.
    stated, own = (
        evaluate(run.folder, data, "pairs-gray", span=span, device="cpu")["input_psnr"] for span in ((0, 4095), None)
    )
    whole = evaluate(run.folder, data, "pairs-gray", span=(0, 65535), device="cpu")["input_psnr"]
    assert own == stated and whole - own == pytest.approx(20 * np.log10(65535 / 4095), abs=0.01)
    page = (RunFolder(run.folder).report).read_text(encoding="utf-8")
    assert "intensity" in page and "in levels of 0 to 4095" in page and "times brighter" not in page
    again, _ = _fit(tmp_path / "run", data)  # the same command resumes
    assert again.result["train"] == run.result["train"]


@pytest.mark.long
def test_sixteen_bits_train_as_floats_and_beat_their_rounding_to_eight_bits(tmp_path: Path) -> None:
    """Signals that span 12 gray levels of 8 bits: what 16 bits keep, 8 bits lose."""
    stored: dict[str, tuple[float, type]] = {
        "sixteen": (12 * 257, np.uint16),
        "float": (12 / 255, np.float32),
        "eight": (12, np.uint8),
    }
    longer = {
        "network.width": 8, "network.norm": "none", "network.residual": True, "train.epochs": 4,
        "train.steps_per_epoch": 75, "train.batch": 8, "train.patch": 32, "train.optimizer.lr": 0.003,
    }  # fmt: skip
    for name, (top, dtype) in stored.items():
        write_pairs(tmp_path / name, 10, 48, top, dtype=dtype)
    truth, reached = tmp_path / "float" / "truth", {}
    for name, (top, _) in stored.items():
        run, _ = _fit(tmp_path / f"run-{name}", tmp_path / name, **{**longer, "data.range": [0, top]})
        out = tmp_path / f"restored-{name}"
        restore_path(load(run.folder, "cpu", "fp32"), tmp_path / name / "noisy", out)
        errors = []
        for test in run_test_names(run):
            restored = tifffile.imread(out / test).astype(np.float64) / top
            errors.append(np.mean((restored - tifffile.imread(truth / test) / (12 / 255)) ** 2))
        reached[name] = -10 * np.log10(np.mean(errors))
    assert reached["sixteen"] == pytest.approx(reached["float"], abs=0.05)
    assert reached["sixteen"] > reached["eight"] + 0.5


def run_test_names(run: Run) -> list[str]:
    """Return the names of the test images of a run."""
    return RunFolder(run.folder).read_images()["test"]
