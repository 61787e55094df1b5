"""A process that trains one network after another: the same weights as alone, failures passed on, and its end."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.experiments import runner
from clearer.experiments.runner import Plan
from clearer.experiments.short_training import short
from clearer.experiments.short_worker import ShortWorker, stop
from clearer.network.architecture import Architecture
from clearer.pipeline.fit import fit
from helpers.tiny_search import tiny_recipe

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]


def plan_of(images: Path, folder: Path, genotype: str, steps: int = 4) -> Plan:
    network = Architecture.parse(f"{genotype}@channels=1,width=4,norm=none,residual,unshuffle=2,topology=unet")
    return Plan(folder.name, short(tiny_recipe(images), network, 0, steps, 2), folder, "train")


def ended(worker: ShortWorker) -> int:
    """Wait for the status of the training in hand."""
    until = time.monotonic() + 120
    while (status := worker.status()) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return status


@pytest.fixture
def workers() -> Iterator[list[ShortWorker]]:
    found: list[ShortWorker] = []
    yield found
    stop(found)
    assert all(worker.process.returncode is not None for worker in found)


def test_one_process_trains_several_networks_as_they_would_be_alone(
    images: Path, tmp_path: Path, workers: list[ShortWorker]
) -> None:
    first, second = (plan_of(images, tmp_path / genotype, genotype) for genotype in ("PPP", "P"))
    recipe = first.recipe
    nowhere = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, train=str(tmp_path / "nowhere")))
    faulty = Plan("faulty", nowhere, tmp_path / "faulty", "train")
    worker = ShortWorker(first, 1)
    workers.append(worker)
    assert ended(worker) == 0
    worker.begin(faulty)
    status = ended(worker)
    with pytest.raises(UserError, match=r"faulty: failed with status 2: .*nowhere.* \(full output: .*faulty\.log\)"):
        runner.check(faulty, status)
    worker.begin(second)
    assert ended(worker) == 0 and worker.process.poll() is None
    for plan in (first, second):
        alone = tmp_path / "alone" / plan.folder.name
        fit(plan.recipe, alone, stages=("train",), console=Console(quiet=True))
        assert (alone / "last.safetensors").read_bytes() == plan.run.last_weights.read_bytes()
        assert "results go to" in runner.log_of(plan).read_text()


def test_a_dead_process_is_noticed_and_a_stopped_one_writes_its_checkpoint(
    images: Path, tmp_path: Path, workers: list[ShortWorker]
) -> None:
    long = [plan_of(images, tmp_path / name, "PPP", 10_000_000) for name in ("killed", "stopped")]
    workers += [ShortWorker(plan, 1) for plan in long]
    until = time.monotonic() + 120
    while not all(plan.run.train.metrics.exists() for plan in long) and time.monotonic() < until:
        time.sleep(0.01)
    while not all(plan.steps_done() for plan in long) and time.monotonic() < until:
        time.sleep(0.01)
    workers[0].process.kill()
    assert ended(workers[0]) == -signal.SIGKILL and not workers[0].alive and workers[1].alive
    workers[0].begin(long[0])  # takes nothing more
    assert ended(workers[0]) == -signal.SIGKILL
    stdin = workers[1].process.stdin
    assert stdin is not None and workers[1].status() is None
    stdin.close()  # as where the parent is killed
    assert ended(workers[1]) == 128 + signal.SIGTERM
    assert list((long[1].folder / "train" / "checkpoints").glob("*.safetensors"))
