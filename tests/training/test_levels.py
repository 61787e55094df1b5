"""The noise levels that patches are told in training: true and estimated, resumable, for any number of processes."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.losses.base import Batch
from clearer.losses.registry import LOSSES
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.noise.level import estimate_level
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import TrainSettings
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.levels import PatchLevels
from clearer.training.trainer import WeightTraining
from helpers.recipes import TINY

TOLD = {**TINY, "network.condition": "level"}


def context(tmp_path: Path, **change: Any) -> RunContext:
    found = RunContext.of(load_recipe("quickstart", TOLD), RunFolder(tmp_path))
    return dataclasses.replace(found, **change)


def levels(tmp_path: Path, estimated: float, jitter: float, batch: int = 6, **change: Any) -> PatchLevels:
    settings = TrainSettings(level_estimated=estimated, level_jitter=jitter)
    return PatchLevels(settings, True, batch, 3, context(tmp_path, **change))


def patches(batch: int = 6) -> Batch:
    torch.manual_seed(0)
    clean = torch.rand(batch, 1, 1, 1).expand(batch, 1, 32, 32) * 0.5
    sigma = torch.linspace(0.02, 0.2, batch).view(-1, 1, 1, 1)
    return Batch(clean + sigma * torch.randn(batch, 1, 32, 32), clean)


def test_without_jitter_a_level_is_the_true_one_or_the_estimate(tmp_path: Path) -> None:
    batch = patches()
    true = (batch.degraded - batch.clean).square().mean((1, 2, 3)).sqrt()
    estimate = estimate_level(batch.degraded)
    assert (true - estimate).abs().min() > 1e-5
    torch.testing.assert_close(levels(tmp_path, 0, 0).draw(batch), true)
    torch.testing.assert_close(levels(tmp_path, 1, 0).draw(batch), estimate)
    torch.testing.assert_close(levels(tmp_path, 0, 0).draw(Batch(batch.degraded, None)), estimate)
    exposures = levels(tmp_path, 0, 0)
    exposures.truth = False
    torch.testing.assert_close(exposures.draw(batch), estimate)
    both = levels(tmp_path, 0.5, 0)
    estimated = torch.stack([(both.draw(batch) - estimate).abs() < 1e-6 for _ in range(40)])
    assert 0.4 < estimated.float().mean() < 0.6


def test_jitter_is_log_normal(tmp_path: Path) -> None:
    batch = patches()
    many = levels(tmp_path, 0, 0.3)
    true = (batch.degraded - batch.clean).square().mean((1, 2, 3)).sqrt()
    factors = torch.cat([many.draw(batch) / true for _ in range(200)]).log()
    assert abs(float(factors.mean())) < 0.03 and float(factors.std()) == pytest.approx(0.3, rel=0.06)


def test_processes_share_the_draws_of_a_batch(tmp_path: Path) -> None:
    whole, batch = levels(tmp_path, 0.5, 0.2), patches()
    halves = [levels(tmp_path, 0.5, 0.2, rank=rank, world=2) for rank in range(2)]
    for _ in range(3):
        parts = [
            half.draw(Batch(batch.degraded[3 * k : 3 * k + 3], batch.clean[3 * k : 3 * k + 3]))  # type: ignore[index]
            for k, half in enumerate(halves)
        ]
        torch.testing.assert_close(torch.cat(parts), whole.draw(batch))


def test_they_continue_from_their_state(tmp_path: Path) -> None:
    one, other, batch = levels(tmp_path, 0.5, 0.2), levels(tmp_path, 0.5, 0.2), patches()
    one.draw(batch)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.draw(batch), other.draw(batch))


def test_a_loss_may_call_the_network_on_parts_of_the_patches(tmp_path: Path) -> None:
    told: list[Tensor | None] = []

    class Spy(torch.nn.Module):
        def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
            told.append(level)
            return x

    source, batch = levels(tmp_path, 0, 0), patches()
    restore = source.restore(Spy(), batch)
    restore(batch.degraded[..., ::2, 1::2])
    restore(torch.cat([batch.degraded, batch.degraded]))
    restore(batch.degraded[:4])
    true = (batch.degraded - batch.clean).square().mean((1, 2, 3)).sqrt()
    assert told[0] is not None and told[1] is not None and told[2] is None
    torch.testing.assert_close(told[0], true)
    torch.testing.assert_close(told[1], torch.cat([true, true]))


@pytest.mark.parametrize("batch", [1, 2, 4, 8])
@pytest.mark.parametrize(("progress", "told"), [(0.5, True), (0.9, False)])
def test_copies_of_some_patches_are_not_told_the_levels_of_others(
    tmp_path: Path, batch: int, progress: float, told: bool
) -> None:
    class Spy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[Tensor | None] = []

        def forward(self, x: Tensor, level: Tensor | None = None) -> Tensor:
            self.told.append(level)
            return x

    given = patches(batch)
    given = dataclasses.replace(given, variance=torch.full_like(given.degraded, 0.01), progress=progress)
    loss = LOSSES.get("neighbor2neighbor+sure")  # SURE restores two copies of every fourth patch
    source, spy = PatchLevels(TrainSettings(), True, batch, 3, context(tmp_path), loss=loss), Spy()
    before = source.state_dict()["generator"]
    loss(source.restore(spy, given), given)
    assert (spy.told[0] is not None) == told and (told or len(spy.told) == 1)
    assert not torch.equal(source.state_dict()["generator"], before)  # the levels of later steps stay the same


def test_a_search_and_a_training_take_the_level(tmp_path: Path, photos: Path) -> None:
    run = fit("quickstart", tmp_path / "run", {**TOLD, "data.folder": str(photos)})
    restorer = run.restorer()
    assert restorer.architecture.condition == "level"
    assert run.result["protocols"]["gray-awgn-50"]["psnr"] > 0
    with pytest.raises(UserError, match=r"level_estimated: 1.5 is not a share"):
        load_recipe("quickstart", {"train.level_estimated": 1.5})


def test_a_training_resumes_with_the_same_levels(tmp_path: Path) -> None:
    recipe = load_recipe("quickstart", {**TOLD, "train.level_jitter": 0.5})
    image = (torch.rand(40, 40, 1, generator=torch.Generator().manual_seed(0)) * 255).byte().numpy()
    images: Any = [(image, None)]
    here = RunContext.of(recipe, RunFolder(tmp_path), images, images)
    architecture = recipe.space.architecture("PF")

    def steps(job: WeightTraining, start: int, stop: int) -> WeightTraining:
        for index in range(start, stop):
            job.step(index)
        return job

    whole = steps(WeightTraining(recipe, architecture, here), 0, 4)
    state = copy.deepcopy(steps(WeightTraining(recipe, architecture, here), 0, 2).state_dict())
    resumed = WeightTraining(recipe, architecture, here)
    resumed.load_state_dict(state)
    steps(resumed, 2, 4)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
    # Levels matter: with others, the same steps lead elsewhere.
    other = WeightTraining(recipe, architecture, here)
    other.load_state_dict({**state, "levels": {}})
    steps(other, 2, 4)
    assert not torch.equal(other.network.last.weight, whole.network.last.weight)


@pytest.mark.slow
def test_training_makes_the_network_obey_the_level(tmp_path: Path, photos: Path) -> None:
    change = {"train.epochs": 4, "train.steps_per_epoch": 100, "train.batch": 8, "train.patch": 32}
    change |= {"architecture": "PF", "network.norm": "none", "network.residual": True, "network.width": 8}
    noise = {"data.degradation.sigma": [0, 75], "data.folder": str(photos), "checkpoint_minutes": 5.0}
    run = fit("quickstart", tmp_path / "run", {**TOLD, **change, **noise})
    network = run.restorer().network
    assert isinstance(network, RestorationNetwork)
    torch.manual_seed(0)
    x = 0.5 + 0.1 * torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        left = [float(network(x, level).std()) for level in (0.0, 0.05, 0.1)]
    assert left[0] > left[1] > left[2]
    assert left[0] > 1.3 * left[2]


def test_networks_without_the_input_draw_no_levels(tmp_path: Path) -> None:
    settings = TrainSettings()
    none = PatchLevels(settings, False, 6, 3, context(tmp_path))
    before = none.state_dict()["generator"]
    network = RestorationNetwork(Architecture.parse("P", width=2, norm="none")).eval()
    batch = patches()
    assert none.restore(network, batch)(batch.degraded).shape == batch.degraded.shape
    assert torch.equal(none.state_dict()["generator"], before)
