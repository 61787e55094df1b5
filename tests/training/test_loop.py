"""The loop that runs a TrainingJob: epochs, metrics, checkpoints, interruption, convergence."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from clearer.core.errors import Interrupted, UserError
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine
from clearer.training.job import RunContext, TrainingJob
from clearer.training.loop import run_job
from clearer.training.progress import in_words, progress_lines


class Counting(TrainingJob):
    """Returns the index of each step as its loss, and keeps the sum of the steps done."""

    name = "train"
    epochs, steps_per_epoch = 3, 4

    def __init__(self, stop_before: int | None = None, enough: float = float("inf")) -> None:
        self.total = 0
        self.stop_before, self.enough = stop_before, enough
        self.taken: list[int] = []

    def step(self, index: int) -> dict[str, Tensor]:
        if index == self.stop_before:
            os.kill(os.getpid(), signal.SIGTERM)
        self.taken.append(index)
        self.total += index
        return {"loss": torch.tensor(float(index))}

    def end_epoch(self, epoch: int, means: dict[str, float]) -> EpochLine:
        return {"loss": means["loss"], "psnr": float(epoch)}

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = state["total"]

    def converged(self) -> bool:
        return self.total >= self.enough


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    return RunContext.of(load_recipe("quickstart", {"device": "cpu"}), RunFolder(tmp_path / "run"))


def _lines(context: RunContext) -> list[tuple[int, int, float, float]]:
    return [(line["epoch"], line["step"], line["loss"], line["psnr"]) for line in context.folder.train.read_metrics()]


WHOLE = [(1, 4, 1.5, 0.0), (2, 8, 5.5, 1.0), (3, 12, 9.5, 2.0)]


def test_every_step_is_done_once_and_every_epoch_logged(context: RunContext) -> None:
    logged: list[tuple[str, int]] = []
    context = dataclasses.replace(context, log=lambda name, line: logged.append((name, line["epoch"])))
    job = Counting()
    assert run_job(job, context, minutes=10)[0] == 12
    assert job.taken == list(range(12)) and _lines(context) == WHOLE
    assert logged == [("train", 1), ("train", 2), ("train", 3)]
    # The job's state at its end is kept, so that a second call does nothing.
    again = Counting()
    assert run_job(again, context, minutes=10)[0] == 12 and again.taken == [] and again.total == 66


@pytest.mark.parametrize("index", [1, 3, 6])
def test_an_interrupted_job_ends_like_an_uninterrupted_one(context: RunContext, index: int) -> None:
    with pytest.raises(Interrupted) as stopped:
        run_job(Counting(stop_before=index), context, minutes=10)
    # The step that the signal came in is done.
    assert str(stopped.value) == (
        f"train: stopped at step {index + 1} of 12; the checkpoint is written. Rerun the command to resume."
    )
    said = io.StringIO()
    job = Counting()
    run_job(job, dataclasses.replace(context, console=Console(file=said)), minutes=10)
    assert said.getvalue().startswith(f"train: resumed at step {index + 1} of 12\n")
    assert job.taken == list(range(index + 1, 12)) and job.total == 66 and _lines(context) == WHOLE


def test_a_job_that_has_converged_ends_with_its_epoch(context: RunContext) -> None:
    job = Counting(enough=10)  # reached in the middle of the second epoch
    assert run_job(job, context, minutes=10)[0] == 8
    assert job.taken == list(range(8)) and _lines(context) == WHOLE[:2]


def test_a_value_that_is_not_finite_ends_the_job_before_its_checkpoint(context: RunContext) -> None:
    class Diverging(Counting):
        def step(self, index: int) -> dict[str, Tensor]:
            return {"loss": torch.tensor(float("inf") if index == 5 else 0.0)}

    with pytest.raises(UserError, match=r"^train: loss is not finite at step 6; .*precision=fp32"):
        run_job(Diverging(), context, minutes=1e-9)
    assert sorted(path.name for path in context.folder.train.checkpoints.iterdir()) == [
        "step-00000004.safetensors",
        "step-00000005.safetensors",
    ]


def test_a_validation_that_is_not_finite_ends_the_job_before_its_line_and_checkpoint(context: RunContext) -> None:
    class Diverging(Counting):
        def end_epoch(self, epoch: int, means: dict[str, float]) -> EpochLine:
            return {"loss": means["loss"], "psnr": float("nan") if epoch == 2 else 20.0}

    with pytest.raises(UserError, match=r"^train: psnr of the validation is not finite at step 12; .*precision=fp32"):
        run_job(Diverging(), context, minutes=1e-9)
    assert [line["psnr"] for line in context.folder.train.read_metrics()] == [20.0, 20.0]
    assert sorted(path.name for path in context.folder.train.checkpoints.iterdir()) == [
        "step-00000010.safetensors",
        "step-00000011.safetensors",
    ]


@pytest.mark.parametrize("part", ["network", "supernet"])
def test_weights_that_are_not_finite_replace_no_checkpoint(context: RunContext, part: str) -> None:
    class Overflowing(Counting):
        def state_dict(self) -> dict[str, Any]:
            value = float("nan") if len(self.taken) == 6 else 1.0  # spoilt by the sixth step, whose loss was finite
            return {"total": self.total, part: {"stem.weight": torch.full((3,), value), "steps": torch.tensor(3)}}

    with pytest.raises(UserError, match=r"^train: weight stem.weight is not finite at step 6; earlier checkpoints"):
        run_job(Overflowing(), context, minutes=1e-9)
    assert sorted(path.name for path in context.folder.train.checkpoints.iterdir()) == [
        "step-00000004.safetensors",
        "step-00000005.safetensors",
    ]


def test_progress_names_its_numbers_within_80_columns() -> None:
    said = io.StringIO()
    console = Console(file=said, width=80, force_terminal=True, no_color=True, legacy_windows=False)
    with progress_lines(console, "search", 0, 10000) as show:
        show(5000, 10000, {"loss": 0.0119544826, "psnr": 19.7807, "gap": 0.0166})
        show(10000, 10000, {"loss": 0.0119544826, "psnr": 19.7807, "gap": 0.0166})
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.getvalue()).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("search ") and line.rstrip().endswith(" 10000/10000") for line in lines)
    assert "loss 0.01195  psnr 19.78 dB  gap 0.017  0:00:00 elapsed  0:00:00 remaining" in map(str.rstrip, lines)
    assert in_words({"epoch": 1, "lr": 0.1}) == ""
