"""Runs of baselines: trained by our loop, resumed, measured, and refused where only networks of clearer serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import clearer
from clearer.core.errors import Interrupted, UserError
from clearer.methods.scan import SCAN
from clearer.methods.trained_model import method_of_model
from clearer.network.baselines.base import baseline_macs_per_pixel, count_baseline_parameters
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe
from clearer.training import loop
from clearer.training.optimizers import learning_rate
from clearer.zoo.weights import load_any_weights
from helpers.command import clearer as command
from helpers.photos import NAMES, photograph

SMALL: dict[str, Any] = {
    "train.epochs": 2, "train.steps_per_epoch": 2, "train.validate_every": 1, "train.batch": 2, "train.patch": 16,
    "train.validation_crop": 32, "evaluate.protocols": [], "device": "cpu", "precision": "fp32",
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of color pairs, the clean half on the left."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for name in NAMES:
        clean = np.repeat(photograph(name, 48), 3, 2)
        rainy = np.clip(clean + 60.0 * (rng.random((48, 48, 1)) > 0.95), 0, 255).astype(np.uint8)
        Image.fromarray(np.concatenate([clean, rainy], 1)).save(folder / f"{Path(name).stem}.png")
    return folder


def settings(pairs: Path, **more: Any) -> dict[str, Any]:
    return SMALL | {"data.folder": str(pairs), "data.layout": "side-by-side"} | more


@pytest.fixture(scope="module")
def run(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trained run of SCAN."""
    return fit("baselines/scan-short", tmp_path_factory.mktemp("runs") / "scan", settings(pairs)).folder


def test_the_run_states_the_baseline_and_its_cost(run: Path) -> None:
    network, card = load_any_weights(run / "model.safetensors")
    assert isinstance(network, SCAN) and (card.recipe, card.task) == ("baselines/scan-short", "derain")
    method = method_of_model(f"mine={run}", "cpu")
    assert (method.name, method.degradation, method.channels) == ("mine", "rain", 3)
    assert method.parameters == count_baseline_parameters(network) == 28_695
    assert method.macs_per_pixel == baseline_macs_per_pixel(network)


def test_a_method_computes_what_the_trained_network_does(run: Path) -> None:
    network, _ = load_any_weights(run / "model.safetensors")
    x = torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0))
    image = x[0].permute(1, 2, 0).numpy()
    expected = network(x)[0].detach().permute(1, 2, 0)
    assert np.allclose(method_of_model(run, "cpu").restore(image, None), expected, atol=1e-6)


def test_evaluate_measures_the_weights(run: Path, pairs: Path) -> None:
    found = clearer.evaluate(str(run), str(pairs), "rain-rgb", limit=1)
    assert found["architecture"] == "scan" and found["parameters"] == 28_695 and 5 < found["psnr"] < 60


def test_a_stopped_training_resumes_with_the_same_weights(
    run: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed = iter([(0, 0), (15, 1)])
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(loop.distributed, "agreed", lambda *_: next(agreed))
        fit("baselines/scan-short", tmp_path / "run", settings(pairs))
    fit("baselines/scan-short", tmp_path / "run", settings(pairs))
    mine, whole = (load_any_weights(path / "last.safetensors")[0].state_dict() for path in (tmp_path / "run", run))
    assert all(torch.equal(mine[name], whole[name]) for name in whole)


def test_its_own_loss_trains_a_network_of_several_outputs(pairs: Path, tmp_path: Path) -> None:
    trained = fit("baselines/rescan-short", tmp_path / "run", settings(pairs, **{"train.average": 0.9}))
    assert load_recipe("baselines/rescan-short").train.loss == "own" and np.isfinite(
        trained.result["train"]["last_psnr"]
    )


@pytest.mark.parametrize("call", [lambda run: clearer.load(run), lambda run: clearer.describe(run)])
def test_verbs_for_networks_of_clearer_refuse_it_in_one_line(call: Any, run: Path) -> None:
    with pytest.raises(UserError, match="baseline") as error:
        call(str(run))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "PPPP-PPPP-PPPP"}, "leave one out"),
        ({"network.width": 8}, "network.width: 8, but the recipe trains the baseline rescan"),
        ({"teacher.stride": 2}, "learns from no teacher"),
        ({"baseline": "rescna"}, "rescan"),
        ({"baseline": None}, "train.loss: own"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_recipe("baselines/rescan", changes)


@pytest.mark.parametrize(
    ("changes", "stages", "said"),
    [
        ({"network.channels": 1}, ("train",), "set network.channels=3"),
        ({}, ("search",), "nothing to search"),
        ({"train.start": "derain"}, ("train",), "random weights"),
    ],
)
def test_runs_that_cannot_work_are_refused_before_they_begin(
    pairs: Path, tmp_path: Path, changes: dict[str, Any], stages: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        fit("baselines/scan-short", tmp_path / "run", settings(pairs, **changes), stages=stages)
    assert not (tmp_path / "run").exists()


def test_published_schedules() -> None:
    steps = load_recipe("baselines/scan").train.optimizer
    assert [learning_rate(steps, epoch, 200) for epoch in (0, 149, 150, 175)] == pytest.approx([5e-3, 5e-3, 5e-4, 5e-5])
    falling = load_recipe(
        "quickstart", {"train.optimizer": {"lr": 1e-3, "lr_final": 1e-6, "schedule": "exponential"}}
    ).train.optimizer
    assert [learning_rate(falling, e, 50) for e in (0, 25, 50)] == pytest.approx([1e-3, 1e-3 * 10**-1.5, 1e-6])


@pytest.mark.parametrize("option", [("--start", "derain"), ("--architecture", "P-P"), ("--budget", "50ms@1mp")])
def test_options_for_networks_of_clearer_are_refused_by_their_names(option: tuple[str, str], pairs: Path) -> None:
    ended = command("train", "baselines/scan-short", "--data", pairs, *option)
    assert ended.status == 2 and f"{option[0]}: is for networks of clearer" in ended.err


def test_the_command_says_that_there_is_no_page(run: Path, pairs: Path) -> None:
    changes = [word for key, value in settings(pairs).items() for word in ("--set", f"{key}={value}")]
    ended = command("train", "baselines/scan-short", "-o", run, *changes)
    assert ended.status == 0 and "the report page is for networks of clearer alone" in ended.out
    assert not (run / "report.html").exists()
