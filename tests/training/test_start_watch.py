"""A training that starts from a model: kept, or given up for fresh weights that do better in as many steps."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from clearer.core.errors import Interrupted
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe, TrainSettings
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.loop import run_job
from clearer.training.start_watch import LEAST_GAIN, watched_epochs
from clearer.training.trainer import WeightTraining, train
from clearer.zoo.weights import load_weights, save_weights
from helpers.photos import photograph
from helpers.recipes import TINY

EPOCHS, STEPS, WATCHED = 6, 4, 8
SETTINGS: dict[str, Any] = {
    **TINY,
    "checkpoint_minutes": 10,
    "architecture": "PF",
    "network.unshuffle": 2,
    "data.degradation.kind": "none",
    "train.epochs": EPOCHS,
    "train.steps_per_epoch": STEPS,
    "train.watch_start": WATCHED,
    "train.validate_every": 1,
    "train.average": 0.5,
    "train.optimizer.lr": 0.003,
    "train.optimizer.warmup_epochs": 0,
}


def network_of(scale: float) -> RestorationNetwork:
    """A network whose weights are ``scale`` times random ones, its last convolution too: 0 returns the image."""
    torch.manual_seed(5)
    network = RestorationNetwork(Architecture.parse("PF", width=4, unshuffle=2, norm="none", residual=True))
    with torch.no_grad():
        network.get_parameter("last.weight").normal_(std=scale)
    return network


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for seed, name in enumerate(("camera.png", "coffee.png")):
        clean = photograph(name, 48)
        noise = np.random.default_rng(seed).normal(0, 25, clean.shape)
        found.append((clean, np.clip(clean + noise, 0, 255).astype(np.uint8)))
    return found


def context_of(folder: Path, start: Path | None, **changes: Any) -> tuple[Recipe, RunContext, io.StringIO]:
    settings = {**SETTINGS, **changes} | ({} if start is None else {"train.start": str(start)})
    recipe, said = load_recipe("quickstart", settings), io.StringIO()
    images = pairs()
    context = RunContext.of(recipe, RunFolder(folder), images[:1], images[1:], console=Console(file=said, width=999))
    return recipe, context, said


def trained(folder: Path, start: Path | None, **changes: Any) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Train to the end; return the best weights, the result, and what was said."""
    recipe, context, said = context_of(folder, start, **changes)
    assert recipe.given is not None
    result = train(recipe, recipe.given, context)
    return load_weights(folder / "model.safetensors")[0].state_dict(), dict(result), said.getvalue()


def alike(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(torch.equal(found[key], value) for key, value in wanted.items())


@pytest.fixture
def useless(tmp_path: Path) -> Path:
    """Weights that add strong noise of their own."""
    save_weights(tmp_path / "useless.safetensors", network_of(1.0), {})
    return tmp_path / "useless.safetensors"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a longer training on these very images."""
    folder = tmp_path_factory.mktemp("good")
    trained(folder, None, **{"train.epochs": 60, "train.validate_every": 60})
    return folder / "model.safetensors"


def test_a_useless_start_is_given_up_for_the_training_without_a_start(tmp_path: Path, useless: Path) -> None:
    wanted, plain, _ = trained(tmp_path / "plain", None)
    found, result, said = trained(tmp_path / "run", useless)
    assert alike(found, wanted)
    assert result["steps"] == plain["steps"] == EPOCHS * STEPS and result["best_psnr"] == plain["best_psnr"]
    assert result["start"]["kept"] == "fresh" and result["start"]["fresh_psnr"] > result["start"]["reached_psnr"]
    assert "over the input; fresh weights train as long, then the better ones go on" in said
    assert f"train.start: after {WATCHED} steps " in said and "goes on from the fresh ones" in said
    card = load_weights(tmp_path / "run" / "model.safetensors")[1]
    assert card.start is None
    lines = RunFolder(tmp_path / "run").train.read_metrics()
    assert [line["epoch"] for line in lines] == list(range(1, EPOCHS + 3))
    assert [line.get("fresh", False) for line in lines] == [False] * 2 + [True] * EPOCHS
    plain_lines = RunFolder(tmp_path / "plain").train.read_metrics()
    assert [line["lr"] for line in lines[2:]] == [line["lr"] for line in plain_lines]


def test_a_good_start_is_not_compared_even_if_it_gains_nothing_more(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.training.start_watch.GOOD", 1.0)  # so small a network does not gain 2 dB
    _, result, said = trained(tmp_path / "run", good, **{"train.optimizer.lr": 1e-5})
    start = result["start"]
    assert start["psnr"] > start["input_psnr"] + 1 and start["reached_psnr"] < start["psnr"] + LEAST_GAIN
    assert "fresh" not in said and start["kept"] == "start" and "fresh_psnr" not in start
    assert len(RunFolder(tmp_path / "run").train.read_metrics()) == EPOCHS


def test_a_start_that_gains_nothing_stays_if_fresh_weights_are_worse(
    tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.training.start_watch.GOOD", 99.0)
    small = {"train.optimizer.lr": 1e-5}
    wanted, plain, _ = trained(tmp_path / "plain", good, **small, **{"train.watch_start": 0})
    assert plain["start"] == {"model": str(good)}  # taken as it is: neither examined nor compared
    found, result, said = trained(tmp_path / "run", good, **small)
    assert "goes on from the start" in said and result["start"]["kept"] == "start"
    assert result["start"]["reached_psnr"] > result["start"]["fresh_psnr"] + 1
    assert alike(found, wanted) and result["best_psnr"] == plain["best_psnr"]
    assert load_weights(tmp_path / "run" / "model.safetensors")[1].start == str(good)


def test_a_start_that_learns_is_not_compared(tmp_path: Path, good: Path) -> None:
    network = load_weights(good)[0]
    network.get_parameter("last.weight").data.mul_(0.5)
    save_weights(tmp_path / "a.safetensors", network, {})
    _, result, said = trained(tmp_path / "run", tmp_path / "a.safetensors")
    assert "fresh" not in said and result["start"]["kept"] == "start" and "fresh_psnr" not in result["start"]


class Stopped(WeightTraining):
    """Raises Interrupted before one of its steps, after the checkpoint of the step before."""

    stop_before = -1

    def step(self, index: int) -> dict[str, Tensor]:
        if index == self.stop_before:
            raise Interrupted("stopped", 15)
        return super().step(index)


@pytest.mark.parametrize("which", ["useless", "good"])
def test_a_training_stopped_in_any_phase_ends_like_an_uninterrupted_one(
    tmp_path: Path, which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.training.start_watch.GOOD", 99.0)  # so that both starts are compared
    start, small = request.getfixturevalue(which), {"train.optimizer.lr": 0.003 if which == "useless" else 1e-5}
    wanted, plain, _ = trained(tmp_path / "plain", start, **small)
    recipe, context, _ = context_of(tmp_path / "run", start, **small)
    assert recipe.given is not None
    for stop in (3, WATCHED, WATCHED + 5, 2 * WATCHED, 2 * WATCHED + 6):
        job = Stopped(recipe, recipe.given, context)
        job.stop_before = stop
        with pytest.raises(Interrupted):
            run_job(job, context, minutes=1e-9)
    found, result, _ = trained(tmp_path / "run", start, **small)
    assert alike(found, wanted) and result["start"] == plain["start"]


def test_epochs_that_are_raised_change_neither_the_watch_nor_the_number_of_epochs(
    tmp_path: Path, useless: Path
) -> None:
    """Of 3 epochs one is watched, of 6 two are: a training of 3 that goes on to 6 has still watched one."""
    recipe, context, _ = context_of(tmp_path / "run", useless, **{"train.epochs": 3})
    assert recipe.given is not None
    job = Stopped(recipe, recipe.given, context)
    job.stop_before = STEPS + 2  # in the first epoch of the fresh weights
    with pytest.raises(Interrupted):
        run_job(job, context, minutes=1e-9)
    _, result, _ = trained(tmp_path / "run", useless)
    assert result["start"]["kept"] == "fresh" and result["steps"] == EPOCHS * STEPS
    lines = RunFolder(tmp_path / "run").train.read_metrics()
    assert [line.get("fresh", False) for line in lines] == [False] + [True] * EPOCHS
    assert all(line["lr"] > 0 for line in lines[:-1])


@pytest.mark.parametrize(
    ("start", "watch", "epochs", "wanted"),
    [(None, 500, 100, 0), ("a", 0, 100, 0), ("a", 500, 100, 5), ("a", 501, 100, 6), ("a", 500, 4, 2), ("a", 9, 1, 0)],
)
def test_whole_epochs_are_watched_at_most_half(start: str | None, watch: int, epochs: int, wanted: int) -> None:
    settings = TrainSettings(start=start, watch_start=watch, epochs=epochs, steps_per_epoch=100)
    assert watched_epochs(settings) == wanted
    assert watched_epochs(dataclasses.replace(settings, epochs=1)) == 0
