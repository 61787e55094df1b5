"""The step that a GPU replays as one graph does what a plain step does; here its operations run on a CPU."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.photos import NAMES, write_photos

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield runpy.run_path(str(BENCHMARKS / "timed_training.py"), run_name="timed")
    sys.modules.pop("graph_step", None)


def settings(folder: Path, **more: object) -> dict[str, object]:
    for part, names in (("train", NAMES[:2]), ("val", NAMES[2:3])):
        if not (folder / part).exists():
            write_photos(folder / part, names)
    network = {"scales": 2, "modules_per_cell": 1, "width": 8, "topology": "unet", "unshuffle": 2, "condition": "level"}
    return {
        "architecture": "P-P-P", "data.train": str(folder / "train"), "data.validation": str(folder / "val"),
        "train.batch": 2, "train.patch": 16, "train.average": 0.9, "train.optimizer.weight_decay": 0.1,
        **{f"network.{key}": value for key, value in network.items()}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_moves_the_weights_and_their_average_as_plain_steps_do(
    timed: dict[str, Any], tmp_path: Path, precision: str
) -> None:
    given = settings(tmp_path, precision=precision)
    plain, graphed = (timed["prepared"]("denoise-gray", given, 0.0, tmp_path / name)[0] for name in ("a", "b"))
    step = timed["GraphStep"](graphed)
    graphed.sampler.load_state_dict(graphed.first_draws["sampler"])  # it has drawn a batch
    graphed.levels.load_state_dict(graphed.first_draws["levels"])
    before = {key: value.clone() for key, value in plain.network.state_dict().items()}
    rate = timed["learning_rate"](plain.settings.optimizer, 7, timed["UNITS"])
    for number in range(4):
        assert float(timed["timed_step"](plain, number, 7)) == pytest.approx(float(step(rate, number)), rel=1e-3)
    for one, other in ((plain.network, graphed.network), (plain.averaged.network, graphed.averaged.network)):
        moved = sum(float((value - before[key]).norm()) for key, value in one.state_dict().items())
        between = (one.state_dict().items(), other.state_dict().values())
        apart = sum(float((value - new).norm()) for (_, value), new in zip(*between, strict=True))
        assert moved > 0.01 and apart < (1e-3 if precision == "fp32" else 0.1) * moved


def test_forgetting_the_moments(timed: dict[str, Any], tmp_path: Path) -> None:
    job, _ = timed["prepared"]("denoise-gray", settings(tmp_path), 0.0, tmp_path / "run")
    step = timed["GraphStep"](job)
    step(0.001, 0)
    assert step.count == 1 and any(float(one.abs().sum()) for one in step.first)
    step.reset()
    assert step.count == 0 and not any(float(one.abs().sum()) for one in (*step.first, *step.second))


def test_it_needs_muon(timed: dict[str, Any], tmp_path: Path) -> None:
    given = settings(tmp_path, **{"train.optimizer.kind": "adamw"})
    job, _ = timed["prepared"]("denoise-gray", given, 0.0, tmp_path / "run")
    with pytest.raises(SystemExit, match=r"train\.optimizer\.kind=muon"):
        timed["GraphStep"](job)


@pytest.mark.parametrize(("key", "value"), [("train.loss", "neighbor2neighbor"), ("network.norm", "batch")])
def test_what_it_is_not_written_for(timed: dict[str, Any], tmp_path: Path, key: str, value: str) -> None:
    job, _ = timed["prepared"]("denoise-gray", settings(tmp_path, **{key: value}), 0.0, tmp_path / "run")
    with pytest.raises(SystemExit, match="graphs are written for"):
        timed["GraphStep"](job)


def test_levels_are_validated_apart(timed: dict[str, Any], tmp_path: Path) -> None:
    job, folder = timed["prepared"]("denoise-gray", settings(tmp_path), 0.0, tmp_path / "run")
    timed["train"](job, folder, 0.2, 0, timed["GraphStep"](job))
    timed["by_level"](job, folder, [15, 50])
    found = folder.train.read_result("by_level")["by_level"]
    assert set(found) == {"15", "50"} and 15 < found["50"] < found["15"] < 40
