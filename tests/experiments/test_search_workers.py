"""A search that is killed, or shared among processes: the same ledger and the same choice."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from clearer.core.files import read_json
from clearer.experiments.runner import Plan
from clearer.experiments.search_claims import CLAIMS
from clearer.experiments.search_ledger import add_to_ledger
from clearer.experiments.search_workers import Workers, train_together
from clearer.runs.ledger import Trained, read_ledger
from helpers.tiny_search import QUIET, lines_of, start_search, tiny_recipe

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked")


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing interrupted."""
    out = tmp_path_factory.mktemp("search") / "whole"
    process = start_search(images, out)
    process.join()
    assert process.exitcode == 0 and len(lines_of(out)) in (7, 8)  # 8 where the default network is no finalist
    return out


@pytest.mark.slow
def test_a_search_killed_again_and_again_ends_as_one_that_was_not(images: Path, whole: Path, tmp_path: Path) -> None:
    killed = 0
    for number in itertools.cycle((7, 1, 24, 37, 12, 45, 30, 53)):
        process = start_search(images, tmp_path / "search", dies_at=number)
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        assert killed < 40
    assert killed >= 5
    assert lines_of(tmp_path / "search") == lines_of(whole)
    assert read_json(tmp_path / "search" / "found.json") == read_json(whole / "found.json")


@pytest.mark.slow
def test_two_processes_share_a_search(images: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    both = [start_search(images, out) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    lines = lines_of(whole)
    assert lines_of(out) == lines and len((out / "ledger.jsonl").read_text().splitlines()) == len(lines)
    assert read_json(out / "found.json") == read_json(whole / "found.json")
    assert list((out / CLAIMS).iterdir()) == []


@pytest.mark.slow
def test_the_other_process_takes_over_what_a_killed_one_had(images: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "search"
    first, second = start_search(images, out, dies_at=30), start_search(images, out)
    first.join()
    second.join()
    assert (first.exitcode, second.exitcode) == (-signal.SIGKILL, 0)
    assert lines_of(out) == lines_of(whole)
    assert read_json(out / "found.json") == read_json(whole / "found.json")


@pytest.mark.slow
def test_several_trainings_at_a_time_are_as_one(images: Path, whole: Path, tmp_path: Path) -> None:
    """Each is a process; it writes a checkpoint and ends when the search is killed."""
    out = tmp_path / "search"
    process = start_search(images, out, jobs=2)
    until = time.monotonic() + 120
    while not (out / "trainings").is_dir() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1)
    process.kill()
    process.join()
    again = start_search(images, out, jobs=2)
    again.join()
    assert again.exitcode == 0
    assert lines_of(out) == lines_of(whole)
    assert read_json(out / "found.json") == read_json(whole / "found.json")


def test_a_line_cut_short_is_ended_and_not_counted(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    one, two = (Trained(0, text, 0, 100, 25.5, 1.0, 2.0, "MAC/pixel") for text in ("P-P", "F-F"))
    add_to_ledger(ledger, one)
    with ledger.open("a") as file:
        file.write('{"rung": 0, "arch')
    assert read_ledger(ledger) == [one]
    add_to_ledger(ledger, two)
    add_to_ledger(ledger, one)  # by another process, which did not know of it
    assert read_ledger(ledger) == [one, two]
    assert ledger.read_bytes().endswith(b"\n") and len(ledger.read_text().splitlines()) == 4


def test_workers_share_the_cores_and_keep_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from clearer.experiments import search_workers

    monkeypatch.setattr(search_workers, "cores", lambda: 8)
    assert Workers.here("cpu") == Workers(8, 1, "cpu")
    assert Workers.here("cpu", jobs=2) == Workers(2, 4, "cpu")
    assert Workers.here("cpu", threads=4) == Workers(2, 4, "cpu")  # as the first process of the search
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "4"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert Workers.here("cpu") == Workers(1, 1, "cpu")


def test_a_process_takes_one_training_after_another(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clearer.experiments import runner, search_workers

    begun: list[list[str]] = []

    class Fake:
        """Ends each training at once."""

        def __init__(self, plan: Plan, threads: int) -> None:
            self.names = [plan.name]
            begun.append(self.names)

        def begin(self, plan: Plan) -> None:
            self.names.append(plan.name)

        def status(self) -> int:
            return 0

    recipe = tiny_recipe(images)
    left = {name: Plan(name, recipe, tmp_path / name, "train") for name in "abcde"}

    class Five:
        def pending(self) -> list[Plan]:
            return list(left.values())

        def trained(self, plan: Plan) -> bool:
            return False

        def end(self, plan: Plan, seconds: float, failed: str) -> None:
            del left[plan.name]

    stopped: list[Any] = []
    monkeypatch.setattr(search_workers, "ShortWorker", Fake)
    monkeypatch.setattr(search_workers.short_worker, "stop", stopped.extend)
    monkeypatch.setattr(runner, "POLL", 0.0)
    workers = Workers(2, 1, "cpu")
    train_together(Five(), name="five", claims=tmp_path / "claims", workers=workers, console=QUIET)
    assert len(begun) == len(stopped) == 2 and sorted(itertools.chain(*begun)) == list("abcde")
    assert list((tmp_path / "claims").iterdir()) == []


@pytest.mark.slow
def test_each_process_of_torchrun_is_a_worker(images: Path, whole: Path, tmp_path: Path) -> None:
    """Each training is a run of its own, on one thread, and not one of several processes."""
    out = tmp_path / "search"
    both = [start_search(images, out, rank=rank) for rank in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert lines_of(out) == lines_of(whole)
    assert read_json(out / "found.json") == read_json(whole / "found.json")
