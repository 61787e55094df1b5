"""Runs that belong together: their recipes, and the doing of them, several at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from clearer.core.errors import Interrupted, UserError
from clearer.core.files import write_text
from clearer.pipeline.fit import fit
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.loop import caught_signals
from clearer.training.run_device import choose_device

STAGE_OF = {"search": ("search",), "train": ("train", "evaluate")}
POLL = 0.5  # seconds


@dataclass(frozen=True)
class Plan:
    """One run to be made: ``stage`` (``search`` or ``train``) of ``recipe``, into ``folder``."""

    name: str
    recipe: Recipe
    folder: Path
    stage: str

    @property
    def run(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.folder)

    @property
    def finished(self) -> bool:
        """Whether it has its result."""
        return self.run.stage(self.stage).finished

    @property
    def steps(self) -> int:
        """Weight steps in all, or fewer where a search settles earlier."""
        settings: Any = getattr(self.recipe, self.stage)
        return int(settings.epochs * settings.steps_per_epoch)

    def steps_done(self) -> int:
        """Weight steps done, to the epoch."""
        if self.finished:
            return self.steps
        lines = self.run.stage(self.stage).read_metrics(strict=False)
        return lines[-1]["step"] if lines else 0


def data_settings(data: str | None, train: str | None, validation: str | None) -> dict[str, Any]:
    """Return the recipe's settings for the images of an experiment: those that train and that validate.

    ``data`` is a folder that holds both as sub-folders (``train``, ``val``). Test images take no part.

    Raises:
        UserError: none are named, or both ways are used.
    """
    if (data is None) == (train is None):
        raise UserError("images: give --data FOLDER with its sub-folders train and val, or --train and --validation")
    if data is None:
        return {"data.train": train, "data.validation": validation}
    parts = {"train": "train", "validation": "val"}
    found: dict[str, Any] = {}
    for part, prefix in parts.items():
        try:
            inside = sorted(p for p in Path(data).iterdir() if p.is_dir() and p.name.lower().startswith(prefix))
        except OSError as error:
            raise UserError(f"{data}: cannot be read ({error.strerror}); give --data another folder") from error
        if len(inside) > 1 or (part == "train" and not inside):
            names = ", ".join(p.name for p in inside) or "none"
            raise UserError(f"{data}: one sub-folder {prefix}... is needed ({names} found); give --train, --validation")
        found[f"data.{part}"] = str(inside[0]) if inside else None
    return found


def default_jobs(device: str, plans: int) -> int:
    """Return how many runs go side by side: small networks leave cores idle, one GPU is one run's.

    On a CPU one run a core, as many as there are plans.
    """
    if choose_device(device).type != "cpu":
        return 1
    return max(1, min(plans, _cores()))


def carry_out(plans: Sequence[Plan], *, jobs: int, console: Console) -> None:
    """Make all runs, ``jobs`` at a time, each going on where an earlier call stopped.

    With one job they are made in this process; else each is a process of its own, its output in
    ``FOLDER.log``, with its share of the cores as threads. What is finished is not made again.

    Raises:
        UserError: a folder holds a finished run of another recipe; or a run failed and the others were stopped,
            resumably.
        Interrupted: SIGTERM or Ctrl-C; every run has written its checkpoint.
    """
    for plan in plans:
        if plan.finished:
            refuse_other_recipe(plan.folder, plan.recipe)
    waiting = [plan for plan in plans if not plan.finished]
    if jobs <= 1 or len(waiting) <= 1:
        for plan in waiting:
            fit(plan.recipe, plan.folder, stages=STAGE_OF[plan.stage], console=console)
        return
    threads = max(1, _cores() // jobs)
    running: list[tuple[Plan, subprocess.Popen[bytes]]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with caught_signals() as caught, Progress(*columns, *left, console=console, refresh_per_second=1) as progress:
        bars = {
            plan.folder: progress.add_task(plan.name, total=plan.steps, completed=plan.steps_done())
            for plan in waiting
        }
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    plan = waiting.pop(0)
                    running.append((plan, _start(plan, threads)))
                time.sleep(POLL)
                for plan, process in list(running):
                    progress.update(bars[plan.folder], completed=plan.steps_done())
                    if process.poll() is not None:
                        running.remove((plan, process))
                        if not caught:
                            _check(plan, process)
                if caught:
                    _stop([process for _, process in running])
                    text = "stopped; every run keeps its checkpoint: run the same command to go on"
                    raise Interrupted(text, caught[0])
        finally:
            _stop([process for _, process in running])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(plan: Plan, threads: int) -> subprocess.Popen[bytes]:
    """Start the verb that makes the run; the recipe goes by a file beside the run's folder."""
    recipe = plan.folder.with_name(f"{plan.folder.name}.yaml")
    write_text(recipe, plan.recipe.to_yaml())
    command = [sys.executable, "-m", "clearer", plan.stage, str(recipe), "--out", str(plan.folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with plan.folder.with_name(f"{plan.folder.name}.log").open("ab") as log:
        # Its own session: Ctrl-C reaches this process alone, which then stops them all in turn.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _check(plan: Plan, process: subprocess.Popen[bytes]) -> None:
    if process.returncode == 0:
        return
    log = plan.folder.with_name(f"{plan.folder.name}.log")
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["it said nothing"]
    text = lines[-1].removeprefix("clearer: ")
    raise UserError(f"{plan.name}: failed with status {process.returncode}: {text} (all of it: {log})")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()


def scaled(name: str, scale: str, scales: dict[str, dict[str, Any]], overrides: dict[str, Any]) -> Recipe:
    """Return the recipe ``name`` at a scale, with single settings replaced.

    Raises:
        UserError: no such scale, or a setting does not fit.
    """
    if scale not in scales:
        raise UserError(f"scale: {scale!r} is not one of {', '.join(scales)}")
    return load_recipe(name, {**scales[scale], **overrides})
