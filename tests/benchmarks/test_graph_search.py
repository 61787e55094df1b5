"""Searches and trainings whose steps a GPU replays as graphs do what plain ones do."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from clearer.data.items import read_images
from clearer.pipeline.run_checks import check_run
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.search.bilevel import SearchJob
from clearer.training.job import RunContext
from clearer.training.trainer import WeightTraining
from helpers.photos import NAMES, write_photos

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
SMALL = {
    "network.width": 8, "network.scales": 2, "network.modules_per_cell": 1, "search.batch": 4, "search.patch": 16,
    "search.steps_per_epoch": 4, "search.warmup_epochs": 1, "search.epochs": 3,
}  # fmt: skip


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield runpy.run_path(str(BENCHMARKS / "graph_runs.py"), run_name="runs")
    for name in ("graph_step", "graph_search"):
        sys.modules.pop(name, None)


def prepared(folder: Path, name: str, recipe: str, **settings: object) -> tuple[Any, RunContext]:
    for part, names in (("train", NAMES[:2]), ("val", NAMES[2:3])):
        if not (folder / part).exists():
            write_photos(folder / part, names)
    images = {"data.train": str(folder / "train"), "data.validation": str(folder / "val")}
    loaded = load_recipe(recipe, images | settings)
    run = RunFolder(folder / name)
    device, splits = check_run(loaded, run, ("search", "train"), print)
    training, validation = (read_images(some, loaded.network.channels) for some in (splits.train, splits.validation))
    return loaded, RunContext.of(loaded, run, training, validation, device=device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("order", ["alpha", "weights"])
def test_it_moves_weights_and_alpha_as_the_search_does(
    runs: dict[str, Any], tmp_path: Path, device: str, order: str
) -> None:
    given = SMALL | {"precision": "fp32", "device": device, "search.order": order, "search.lambda_comp": 0.1}
    plain = SearchJob(*prepared(tmp_path, "a", "paper-denoise-50", **given))
    graphed = runs["GraphSearch"](*prepared(tmp_path, "b", "paper-denoise-50", **given))
    before = {name: value.clone() for name, value in plain.supernet.state_dict().items()}
    for name, value in graphed.supernet.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)  # the capture has changed nothing
    for index in range(10):
        expected, found = plain.step(index), graphed.step(index)
        assert set(found) == set(expected) and (index < 4) == (len(found) == 2)
        near = (1e-3 if device == "cpu" else 3e-3) * 2 ** (index / 2)  # rounding grows from step to step
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value.detach()), rel=near), (index, name)
    moved = apart = 0.0
    for name, value in plain.supernet.state_dict().items():
        if name != "alpha":
            moved += float((value - before[name]).float().norm())
            apart += float((value - graphed.supernet.state_dict()[name]).float().norm())
    assert moved > 0.1 and apart < 1e-2 * moved
    step = float((plain.supernet.alpha.detach() - before["alpha"]).norm())
    assert float((plain.supernet.alpha - graphed.supernet.alpha).detach().norm()) < 0.02 * step


@pytest.mark.parametrize("device", DEVICES)
def test_a_training_takes_the_same_batches_and_rates(runs: dict[str, Any], tmp_path: Path, device: str) -> None:
    given = {"architecture": "P", "network.scales": 2, "network.modules_per_cell": 1, "network.width": 8}
    given |= {"train.batch": 2, "train.patch": 16, "train.epochs": 4, "train.steps_per_epoch": 2, "precision": "fp32"}
    jobs = []
    for name, kind in (("a", WeightTraining), ("b", runs["GraphTraining"])):
        recipe, context = prepared(tmp_path, name, "denoise-gray", device=device, **given)
        jobs.append(kind(recipe, recipe.form, context))
    for index in range(6):
        expected, found = (job.step(index) for job in jobs)
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value.detach()), rel=5e-3), (index, name)
        assert len({job.optimizer.param_groups[0]["lr"] for job in jobs}) == 1


@pytest.mark.long
def test_the_commands_of_clearer_run_with_it(tmp_path: Path) -> None:
    for part, names in (("train", NAMES[:2]), ("val", NAMES[2:3])):
        write_photos(tmp_path / part, names)
    settings = [f"--set={key}={value}" for key, value in SMALL.items()]
    command = ["reproduce", "table1", "--data", str(tmp_path), "--lambda", "0.1", "--lambda", "0", "--jobs", "2"]
    command += ["-o", str(tmp_path / "out"), "--set", "precision=fp32", "--set", "search.lambda_comp=0.0", *settings]
    script = [sys.executable, str(BENCHMARKS / "graph_runs.py")]
    done = subprocess.run([*script, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for value in ("0", "0.1"):
        log = (tmp_path / "out" / f"lambda-{value}.log").read_text()
        assert "Traceback" not in log
        assert (tmp_path / "out" / f"lambda-{value}" / "search" / "result.json").exists()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("first", ["plain", "graph"])
def test_either_goes_on_from_a_checkpoint_of_the_other(
    runs: dict[str, Any], tmp_path: Path, device: str, first: str
) -> None:
    search = SMALL | {"precision": "fp32", "device": device}
    train = {"architecture": "P", "network.scales": 2, "network.modules_per_cell": 1, "network.width": 8}
    train |= {"train.batch": 2, "train.patch": 16, "train.epochs": 4, "train.steps_per_epoch": 2, "train.average": 0.9}
    train |= {"precision": "fp32", "device": device}

    def searching(kind: str) -> Any:
        job = {"plain": SearchJob, "graph": runs["GraphSearch"]}[kind]
        return job(*prepared(tmp_path, "search", "paper-denoise-50", **search))

    def training(kind: str) -> Any:
        recipe, context = prepared(tmp_path, "train", "denoise-gray", **train)
        return {"plain": WeightTraining, "graph": runs["GraphTraining"]}[kind](recipe, recipe.form, context)

    second = {"plain": "graph", "graph": "plain"}[first]
    for made in (searching, training):
        begun, whole, other = made(first), made(first), made(second)
        for index in range(6):
            whole.step(index)
            if index < 5:
                begun.step(index)
        other.load_state_dict(begun.state_dict())
        expected, found = whole.step(6), (other.step(5), other.step(6))[1]
        for name, value in expected.items():
            assert float(found[name]) == pytest.approx(float(value.detach()), rel=5e-3), name
