"""Runs that version 0.1 left unfinished end as they would have ended in that version.

The fixtures in tests/data/run-0.1 were made by version 0.1 on one thread: a search and a training that were each
stopped at step 7 of 12, and a run of the same recipe that was not stopped.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

from clearer.pipeline.fit import fit
from clearer.runs.layout import RunFolder

FIXTURES = Path(__file__).parents[1] / "data" / "run-0.1"
EXACT = 2e-5
"""Other processors round otherwise; on the one that made the fixtures, the weights are equal bit for bit."""


def _unpacked(name: str, folder: Path) -> RunFolder:
    with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return RunFolder(folder)


def _write_images(folder: Path) -> None:
    """Write the images that version 0.1 trained on: integer patterns, the same everywhere."""
    rows, columns = np.mgrid[0:48, 0:56]
    for part, numbers in (("train", (0, 1, 2)), ("validation", (10, 11)), ("test", (20, 21))):
        (folder / part).mkdir(parents=True)
        for k in numbers:
            waves = rows * (k % 7 + 2) + columns * (k % 5 + 3) + rows * columns // (k + 3)
            checks = ((rows // (4 + k % 3) + columns // 6) % 2) * 60
            Image.fromarray(((waves + checks + 37 * k) % 256).astype(np.uint8)).save(folder / part / f"image{k:02}.png")


@pytest.fixture
def whole(tmp_path: Path) -> RunFolder:
    """The run that was not stopped."""
    return _unpacked("whole", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stage"), [("mid-search", "search"), ("mid-train", "train")])
def test_a_run_of_version_0_1_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: RunFolder, name: str, stage: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_images(tmp_path / "images")  # where the recipe expects them
    folder = _unpacked(name, tmp_path / name)
    assert folder.images.name == "pictures.json" and folder.read_images()["test"] == ["image20.png", "image21.png"]

    said = io.StringIO()
    run = fit(folder.recipe, folder.path, console=Console(file=said))

    assert f"{stage}: resumed at step 7 of 12" in said.getvalue()
    assert str(run.architecture) == "PF-PP"
    expected = load_file(whole.weights)  # the last epoch was the best
    for path in (folder.weights, folder.last_weights):
        weights = load_file(path)
        assert weights.keys() == expected.keys()
        for key, value in weights.items():
            torch.testing.assert_close(value, expected[key], atol=EXACT, rtol=0)
    assert run.result["search"]["gap"] == pytest.approx(0.05780576914548874, abs=EXACT)
    assert run.result["train"]["best_psnr"] == pytest.approx(19.85293197631836, abs=1e-3)
    assert run.result["protocols"]["gray-awgn-50"]["psnr"] == pytest.approx(15.451251983642578, abs=1e-3)
    for ours, theirs in ((folder.search, whole.search), (folder.train, whole.train)):
        found, wanted = ours.read_metrics(), theirs.read_metrics()
        assert [line.keys() for line in found] == [line.keys() for line in wanted]
        assert [line["loss"] for line in found] == pytest.approx([line["loss"] for line in wanted], abs=EXACT)
    # What was written anew has the present names only.
    assert "probabilities" not in folder.stage(stage).metrics.read_text()
    assert folder.search.read_result()["mixing_weights"] == [
        pytest.approx(pair, abs=EXACT) for pair in whole.search.read_result()["mixing_weights"]
    ]


def test_a_finished_stage_of_version_0_1_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write_images(tmp_path / "images")
    folder = _unpacked("mid-train", tmp_path / "run")
    before = folder.search.result.read_bytes()
    run = fit(folder.recipe, folder.path, stages=("search",), console=Console(quiet=True))
    assert str(run.architecture) == "PF-PP" and folder.search.result.read_bytes() == before
    assert "probabilities" in json.loads(before) and "mixing_weights" in run.result["search"]
