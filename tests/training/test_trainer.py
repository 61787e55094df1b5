"""The training job: averaged weights, event files, and a loss that needs no ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.losses.base import Batch, Loss
from clearer.losses.registry import LOSSES
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine
from clearer.training.checkpoints import load_checkpoint
from clearer.training.ema import AveragedWeights
from clearer.training.job import RunContext
from clearer.training.loop import run_job
from clearer.training.tensorboard import tensorboard_log
from clearer.training.trainer import WeightTraining, train
from helpers.photos import photograph
from helpers.recipes import TINY


def test_averaged_weights_follow_slowly_and_forget_the_first_ones() -> None:
    network = RestorationNetwork(Architecture.parse("PF", width=4))
    averaged = AveragedWeights(network, decay=0.3)
    first = {name: value.clone() for name, value in network.named_parameters()}
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1.0)
    averaged.update(network, step=0)  # keeps 1 / 10
    for name, value in averaged.network.named_parameters():
        torch.testing.assert_close(value, first[name] + 0.9)
    averaged.update(network, step=100)  # keeps 0.3, less than 101 / 110
    for name, value in averaged.network.named_parameters():
        torch.testing.assert_close(value, first[name] + 1 - 0.1 * 0.3)
    assert not any(value.requires_grad for value in averaged.network.parameters())


def test_event_files_hold_every_number_of_the_metrics(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    line: EpochLine = {"epoch": 1, "step": 3, "loss": 0.5, "mixing_weights": [[0.75, 0.25]]}
    with tensorboard_log(tmp_path, wanted=True) as log:
        assert log is not None
        log("search", line)
        log("train", {"epoch": 1, "step": 5, "psnr": 20.0})
    with tensorboard_log(tmp_path / "none", wanted=False) as log:
        assert log is None
    found = {}
    for job in ("search", "train"):
        events = EventAccumulator(str(tmp_path / job))
        events.Reload()
        found |= {(job, tag): [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert found == {
        ("search", "loss"): [(3, 0.5)],
        ("search", "module 1/candidate 1"): [(3, 0.75)],
        ("search", "module 1/candidate 2"): [(3, 0.25)],
        ("train", "psnr"): [(5, 20.0)],
    }


class StayClose(Loss):
    """Asks the network to keep its input: it sees no ground truth."""

    needs_clean = False

    def __init__(self) -> None:
        self.seen: list[Batch] = []

    def __call__(self, network: Any, batch: Batch) -> Tensor:
        self.seen.append(batch)
        return (network(batch.degraded) - batch.degraded).square().mean()


def _context(tmp_path: Path, images: Any) -> tuple[Any, RunContext]:
    recipe = load_recipe("quickstart", {**TINY, "architecture": "PF", "data.degradation.kind": "none"})
    held_out = [(photograph("camera.png", 32), photograph("camera.png", 32))]
    return recipe, RunContext.of(recipe, RunFolder(tmp_path / "run"), images, held_out)


def test_a_loss_without_ground_truth_trains_on_degraded_images_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = photograph("coffee.png", 40)
    recipe, context = _context(tmp_path, [(None, noisy)])
    loss = StayClose()
    monkeypatch.setattr(LOSSES, "get", lambda name: loss)
    job = WeightTraining(recipe, Architecture.parse("PF", width=4, norm="none"), context)
    assert run_job(job, context, minutes=10)[0] == 12
    assert len(loss.seen) == 12 and all(batch.clean is None for batch in loss.seen)
    values = (loss.seen[0].degraded * 255).round().long().unique().tolist()
    assert set(values) <= set(np.unique(noisy).tolist())
    losses = [line["loss"] for line in context.folder.train.read_metrics()]
    assert losses[-1] < losses[0]


def test_an_update_that_spoils_the_weights_leaves_the_best_ones_in_a_checkpoint(tmp_path: Path) -> None:
    photo = photograph("coffee.png", 40)
    recipe, context = _context(tmp_path, [(photo, photo)])
    assert recipe.given is not None

    class Overflowing(WeightTraining):
        def step(self, index: int) -> dict[str, Tensor]:
            found = super().step(index)
            if index == 11:  # the last one
                next(self.network.parameters()).data.fill_(float("nan"))
                if self.averaged is not None:
                    next(self.averaged.network.parameters()).data.fill_(float("nan"))
            return found

    with pytest.raises(UserError, match=r"^train: psnr of the validation is not finite at step 12; earlier check"):
        run_job(Overflowing(recipe, recipe.given, context), context, minutes=1e-9)
    kept = load_checkpoint(context.folder.train.checkpoints, print)
    assert kept is not None and kept["step"] == 11 and kept["job"]["best"]["epoch"] == 2
    assert all(bool(value.isfinite().all()) for value in kept["job"]["best"]["weights"].values())


def test_a_supervised_loss_refuses_images_without_ground_truth(tmp_path: Path) -> None:
    clean = photograph("coffee.png", 40)
    recipe, context = _context(tmp_path, [(clean, clean), (None, clean)])
    assert recipe.given is not None
    with pytest.raises(UserError, match=r"^train\.loss: .* needs ground truth, which some training images lack"):
        train(recipe, recipe.given, context)
