"""A search of seconds in a process of its own, which can end itself at any moment as `kill -9` would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.files import write_json
from clearer.experiments import search_ledger, search_rung
from clearer.experiments.macro_search import Found, macro_search
from clearer.experiments.runner import data_settings
from clearer.inference.budget import Budget
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.ledger import Trained, read_ledger
from clearer.search import halving
from clearer.search.halving import Gate

QUIET = Console(quiet=True)
BUDGET = Budget.parse("2kmac")
SCHEDULE = {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1, "epoch": 2, "with_default": True}
SMALL = {"train.batch": 2, "train.patch": 16, "train.validation_crop": 32, "train.validation_images": 1}

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["clearer.experiments.macro_search"])


def tiny_recipe(images: Path) -> Recipe:
    """Return a recipe for a folder with the sub-folders ``train`` and ``val``."""
    return load_recipe("denoise-gray", {**data_settings(str(images), None, None), **SMALL})


def start_search(
    images: Path, out: Path, *, dies_at: int = 0, jobs: int = 1, rank: int | None = None, asked: int = 0
) -> ForkServerProcess:
    """Start a search; see `_search`."""
    process = _processes.Process(target=_search, args=(images, out, dies_at, jobs, rank, asked))
    process.start()
    return process


def lines_of(out: Path) -> list[tuple[Any, ...]]:
    """Return the lines of a ledger without what differs from call to call: their order, and the seconds."""
    return sorted(_without_seconds(line) for line in read_ledger(out / "ledger.jsonl"))


def _without_seconds(line: Trained) -> tuple[Any, ...]:
    return line.rung, line.architecture, line.seed, line.steps, line.psnr, line.cost, line.unit, line.failed


def _search(images: Path, out: Path, dies_at: int, jobs: int, rank: int | None, asked: int) -> None:
    """Search, and write the choice; the process dies at the event of this number, if there is one.

    An event is just before and just after a file gets its name, and in the middle of a line of the ledger. After the
    first three networks, some more are ``asked`` for at a time.
    """
    if rank is not None:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "nowhere.example", "MASTER_PORT": "1"}
    Gate.open = True  # type: ignore[assignment, method-assign]
    _die_at(dies_at)
    out.mkdir(exist_ok=True)
    if not (out / "schedule.json").exists():
        write_json(out / "schedule.json", {**SCHEDULE, "networks": 6, "asked": asked} if asked else SCHEDULE)
    halving.UNGUIDED = 3
    some = None if rank is not None else jobs
    found: Found = macro_search(tiny_recipe(images), out, BUDGET, minutes=1, jobs=some, console=QUIET)
    write_json(out / "found.json", {"architecture": found.architecture.text, "default": found.default.text})


def _die_at(number: int) -> None:
    events = 0
    rename, add = Path.replace, search_ledger.add_to_ledger

    def event(*last_words: bytes, ledger: Path | None = None) -> None:
        nonlocal events
        events += 1
        if events == number:
            if ledger is not None:
                with ledger.open("ab") as file:
                    file.writelines(last_words)
            os.kill(os.getpid(), signal.SIGKILL)

    def replace(self: Path, target: Path) -> Path:
        event()
        renamed = rename(self, target)
        event()
        return renamed

    def add_to_ledger(path: Path, line: Trained) -> None:
        event(b'{"rung": 0, "architecture": "P', ledger=path)
        add(path, line)
        event()

    Path.replace = replace  # type: ignore[method-assign, assignment]
    setattr(search_rung, "add_to_ledger", add_to_ledger)  # noqa: B010
