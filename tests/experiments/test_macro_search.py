"""The search within a budget: equal costs, continued trainings, a ledger that resumes, and a gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.experiments import macro_search as module
from clearer.experiments import short_training
from clearer.experiments.budget_cost import scaled_default
from clearer.experiments.budget_fit import settings_for
from clearer.experiments.macro_search import kept_schedule, macro_search, seconds_of_step
from clearer.experiments.runner import data_settings
from clearer.experiments.search_ledger import read_ledger
from clearer.experiments.short_training import short
from clearer.inference.budget import Budget
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.search.halving import Gate, Schedule, best, gate
from helpers.photos import NAMES, write_photos

QUIET = Console(quiet=True)
BUDGET = Budget.parse("2kmac")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    folder = tmp_path_factory.mktemp("set")
    write_photos(folder / "train", NAMES[:4])
    write_photos(folder / "val", NAMES[4:])
    small = {"train.batch": 2, "train.patch": 16, "train.validation_crop": 32, "train.validation_images": 1}
    return load_recipe("denoise-gray", {**data_settings(str(folder), None, None), **small})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_training, "STEPS_PER_EPOCH", 2)


def searched(recipe: Recipe, out: Path, **more: Any) -> Any:
    out.mkdir(exist_ok=True)
    write_json(out / "schedule.json", {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1})
    return macro_search(recipe, out, BUDGET, minutes=1, jobs=1, console=QUIET, **more)


def test_the_schedule_keeps_a_third_and_fills_the_steps() -> None:
    schedule = Schedule(27, 1000, 3)
    assert [(rung.networks, rung.steps) for rung in schedule] == [(27, 1000), (9, 3000), (3, 9000)]
    assert schedule.total_steps == 27_000 + 9 * 2000 + 3 * 6000 + 2 * 1000
    for steps in (5_000, 20_000, 200_000):
        found = Schedule.within(steps, 27)
        assert 0.7 * steps < found.total_steps <= steps or found.networks < 27
    assert Schedule.within(100_000, 27).networks == 27 and Schedule.within(3_000, 27).networks < 27
    with pytest.raises(UserError, match="allow more minutes"):
        Schedule.within(300, 27)


def test_the_gate_compares_networks_with_seeds() -> None:
    assert not gate([25.0, 25.01, 24.99], [25.0, 25.02, 24.98]).open
    assert gate([25.0, 25.4, 24.6], [25.0, 25.02, 24.98]).open
    assert not Gate(float("nan"), 0.0).open
    assert best({"a": 1.0, "b": 3.0, "c": 3.0}, 2) == ["b", "c"]


def test_the_default_network_is_scaled_to_the_budget(recipe: Recipe) -> None:
    fields = {"channels": 1, "norm": "none", "residual": True}
    found = scaled_default(macs_per_pixel, 45_500, fields)
    assert str(found) == "FPFF-FFFF" and 0.9 * 45_500 < macs_per_pixel(found) <= 45_500
    with pytest.raises(UserError, match="smallest default network costs"):
        scaled_default(macs_per_pixel, 10, fields)


def test_short_trainings_can_go_on(recipe: Recipe) -> None:
    fields = {"channels": 1, "norm": "none", "residual": True}
    network = scaled_default(macs_per_pixel, 2_000, fields)
    a, b = short(recipe, network, 0, 200), short(recipe, network, 0, 600)
    assert (a.train.epochs, b.train.epochs, a.train.steps_per_epoch) == (2, 6, 100)
    assert a.train.optimizer == b.train.optimizer and a.train.optimizer.lr == a.train.optimizer.lr_final
    assert a.given == network and a.train.patch % network.multiple == 0


def test_a_search_trains_judges_and_resumes(recipe: Recipe, tmp_path: Path, tiny: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(Gate, "open", True)
    whole = searched(recipe, tmp_path / "whole")
    lines = read_ledger(tmp_path / "whole" / "ledger.jsonl")
    assert list(whole.trained) == lines and len(lines) == 2 + 3 + 1
    assert [line.steps for line in lines] == [2] * 5 + [6]
    assert all(line.cost <= 2_000 for line in lines)
    first = {line.architecture: line.psnr for line in lines if line.rung == 0 and line.seed == 0}
    assert whole.architecture.text == best(first, 1)[0] == lines[-1].architecture
    # stopped after its second training, with a line cut short: the same choice, and nothing is trained twice
    kept = (tmp_path / "whole" / "ledger.jsonl").read_text().splitlines()
    (tmp_path / "whole" / "ledger.jsonl").write_text("\n".join([*kept[:2], kept[2][:40]]) + "\n")
    again = searched(recipe, tmp_path / "whole")
    assert again.architecture == whole.architecture
    assert [(x.architecture, x.psnr) for x in again.trained] == [(x.architecture, x.psnr) for x in whole.trained]


def test_a_closed_gate_takes_the_default_network(recipe: Recipe, tmp_path: Path, tiny: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(Gate, "open", False)
    found = searched(recipe, tmp_path / "closed")
    assert found.architecture == found.default and {line.rung for line in found.trained} == {0}


def test_the_time_of_a_step_sets_the_schedule(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "TIMED_STEPS", 2)
    network = scaled_default(macs_per_pixel, 2_000, {"channels": 1, "norm": "none", "residual": True})
    found = kept_schedule(tmp_path, 10, 2, lambda: seconds_of_step(recipe, network, tmp_path / "timing"))
    kept = json.loads((tmp_path / "schedule.json").read_text())
    assert (kept["networks"], kept["steps"], kept["minutes"]) == (found.networks, found.steps, 10)
    assert kept_schedule(tmp_path, 99, 2, lambda: 1.0) == found


def test_fit_takes_a_budget(recipe: Recipe, tmp_path: Path, tiny: None, monkeypatch: Any) -> None:
    """The search and then the training of its choice, into one run folder; a contradiction is refused."""
    monkeypatch.setattr(Gate, "open", True)
    (tmp_path / "run" / "budget").mkdir(parents=True)
    write_json(tmp_path / "run" / "budget" / "schedule.json", {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1})
    data = {"data.train": recipe.data.train, "data.validation": recipe.data.validation}
    small = {"train.batch": 2, "train.patch": 24, "train.epochs": 1, "train.steps_per_epoch": 2}
    overrides = {**data, **small, "evaluate.protocols": [], "evaluate.samples": 0, "train.validation_crop": 32}
    folder, found = settings_for("denoise-gray", tmp_path / "run", overrides, "2kmac", jobs=1, console=QUIET)
    kept = read_json(folder / "budget" / "result.json")
    assert found["architecture"] == kept["architecture"] and len(kept["trained"]) == 6
    run = fit("denoise-gray", folder, found, console=QUIET)
    assert run.architecture.text == kept["architecture"] and macs_per_pixel(run.architecture) <= 2_000
    assert run.restorer("cpu").architecture == run.architecture
    for more in ({"architecture": "PF-FF"}, {"train.start": "denoise-gray"}):
        with pytest.raises(UserError, match="one is given too; leave out one of them"):
            settings_for("denoise-gray", folder, {**overrides, **more}, "2kmac", console=QUIET)
