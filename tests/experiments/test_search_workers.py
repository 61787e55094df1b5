"""A search that is killed, or shared among processes: the same ledger and the same choice."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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


def search_until_it_ends(images: Path, out: Path, events: Sequence[int], asked: int = 0) -> None:
    """Start a search again whenever it has died, which it does at one event after another."""
    killed = 0
    for number in itertools.cycle(events):
        process = start_search(images, out, dies_at=number, asked=asked)
        process.join(timeout=60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        killed += 1
        assert killed < 40
    assert killed >= 5


@pytest.mark.long
def test_a_search_killed_again_and_again_ends_as_one_that_was_not(images: Path, whole: Path, tmp_path: Path) -> None:
    search_until_it_ends(images, tmp_path / "search", (7, 1, 24, 37, 12, 45, 30, 53))
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
    first = start_search(images, out, dies_at=20)  # of some 50 events, of which it would have half
    until = time.monotonic() + 120
    while not (out / "trainings").is_dir() and time.monotonic() < until:
        time.sleep(0.02)
    second = start_search(images, out)
    first.join()
    second.join()
    assert (first.exitcode, second.exitcode) == (-signal.SIGKILL, 0)
    assert lines_of(out) == lines_of(whole)
    assert read_json(out / "found.json") == read_json(whole / "found.json")


@pytest.mark.long
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


@pytest.fixture(scope="module")
def asked(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing interrupted, of three drawn networks, and three that Optuna's estimator asked for."""
    pytest.importorskip("optuna")
    out = tmp_path_factory.mktemp("asked") / "whole"
    process = start_search(images, out, asked=2)
    process.join()
    assert process.exitcode == 0 and (out / "asked-2.json").exists()
    return out


@pytest.mark.long
def test_a_search_that_asks_killed_again_and_again_ends_as_one_that_was_not(
    images: Path, asked: Path, tmp_path: Path
) -> None:
    """Also while it asks, and between the networks that it asked for and its journal."""
    search_until_it_ends(images, tmp_path / "search", (37, 40, 42, 43, 44, 12, 3, 2, 1, 24), asked=2)
    assert lines_of(tmp_path / "search") == lines_of(asked)
    for name in ("found.json", "asked-1.json", "asked-2.json"):
        assert read_json(tmp_path / "search" / name) == read_json(asked / name)


@pytest.mark.long
@pytest.mark.parametrize("rank", [None, 1], ids=["", "by torchrun"])
def test_two_processes_share_a_search_that_asks(images: Path, asked: Path, tmp_path: Path, rank: int | None) -> None:
    out = tmp_path / "search"
    both = [start_search(images, out, asked=2, rank=rank and number) for number in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert lines_of(out) == lines_of(asked)
    assert read_json(out / "found.json") == read_json(asked / "found.json")
    assert list((out / CLAIMS).iterdir()) == []


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


@dataclass
class Five:
    """Five trainings, of which none takes part in a search."""

    left: dict[str, Plan]

    @classmethod
    def of(cls, images: Path, folder: Path) -> Five:
        return cls({name: Plan(name, tiny_recipe(images), folder / name, "train") for name in "abcde"})

    def pending(self) -> list[Plan]:
        return list(self.left.values())

    def trained(self, plan: Plan) -> bool:
        return False

    def end(self, plan: Plan, seconds: float, failed: str) -> None:
        del self.left[plan.name]


class Fake:
    """A process that ends each training at once; ``lives`` trainings, then it is killed while it waits."""

    begun: ClassVar[list[list[str]]] = []
    lives: ClassVar[int] = 5

    def __init__(self, plan: Plan, threads: int) -> None:
        self.names: list[str] = []
        self.begun.append(self.names)
        self.begin(plan)

    @property
    def alive(self) -> bool:
        return len(self.names) < self.lives

    def begin(self, plan: Plan) -> None:
        assert self.alive
        self.names.append(plan.name)

    def status(self) -> int:
        return 0


@pytest.mark.parametrize(("lives", "processes"), [(5, 2), (2, 3), (1, 5)])
def test_a_process_takes_one_training_after_another_while_it_lives(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lives: int, processes: int
) -> None:
    from clearer.experiments import runner, search_workers

    monkeypatch.setattr(Fake, "begun", [])
    monkeypatch.setattr(Fake, "lives", lives)
    stopped: list[Any] = []
    monkeypatch.setattr(search_workers, "ShortWorker", Fake)
    monkeypatch.setattr(search_workers.short_worker, "stop", stopped.extend)
    monkeypatch.setattr(runner, "POLL", 0.0)
    workers = Workers(2, 1, "cpu")
    five = Five.of(images, tmp_path)
    train_together(five, name="five", claims=tmp_path / "claims", workers=workers, console=QUIET)
    assert len(Fake.begun) == len(stopped) == processes
    assert sorted(itertools.chain(*Fake.begun)) == list("abcde")
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_process_that_died_while_it_waited_is_not_handed_a_training(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sound when it was put back."""
    from clearer.experiments import search_workers

    stopped: list[Any] = []
    monkeypatch.setattr(search_workers, "ShortWorker", Fake)
    monkeypatch.setattr(search_workers.short_worker, "stop", stopped.extend)
    monkeypatch.setattr(Fake, "begun", [])
    first, second, third = Five.of(images, tmp_path).pending()[:3]
    idle: list[Any] = [Fake(first, 1), Fake(second, 1)]
    living, dead = idle
    monkeypatch.setattr(dead, "names", list("abcde"))
    taken: Any = search_workers._begun(third, idle, 1)
    assert taken is living and taken.names == ["a", "c"] and stopped == [dead] and idle == []
    assert len(Fake.begun) == 2


@pytest.mark.long
def test_each_process_of_torchrun_is_a_worker(images: Path, whole: Path, tmp_path: Path) -> None:
    """Each training is a run of its own, on one thread, and not one of several processes."""
    out = tmp_path / "search"
    both = [start_search(images, out, rank=rank) for rank in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert lines_of(out) == lines_of(whole)
    assert read_json(out / "found.json") == read_json(whole / "found.json")
