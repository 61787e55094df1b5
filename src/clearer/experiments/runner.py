"""Run the searches and trainings of an experiment, several at a time."""

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

from clearer.core.cores import cores
from clearer.core.errors import Interrupted, UserError
from clearer.core.files import write_text
from clearer.core.signals import PARENT_HOLDS_INPUT
from clearer.pipeline.fit import fit
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.loop import caught_signals
from clearer.training.run_device import choose_device

STAGE_OF = {"search": ("search",), "train": ("train", "evaluate")}
POLL = 0.5  # seconds
COMMAND: tuple[str, ...] = (sys.executable, "-m", "clearer")
"""Starts the process of a run."""
KILLED = -9
"""Status of a process that SIGKILL has ended, as the system ends one where memory runs out."""
OF_TORCHRUN = (
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
"""Variables of a process of torchrun: a run that such a process starts is one of its own."""


@dataclass(frozen=True)
class Plan:
    """A planned run: ``stage`` (``search`` or ``train``) of ``recipe``, into ``folder``."""

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
        """Whether the stage has its result; a training of fewer epochs than planned goes on."""
        stage = self.run.stage(self.stage)
        return stage.finished and (self.stage != "train" or stage.read_result("steps")["steps"] >= self.steps)

    @property
    def steps(self) -> int:
        """Number of weight steps; a search that converges early takes fewer."""
        settings: Any = getattr(self.recipe, self.stage)
        return int(settings.epochs * settings.steps_per_epoch)

    def steps_done(self) -> int:
        """Return the number of weight steps done, up to the last full epoch."""
        if self.finished:
            return self.steps
        lines = self.run.stage(self.stage).read_metrics("step", strict=False)
        return lines[-1]["step"] if lines else 0


def data_settings(data: str | None, train: str | None, validation: str | None) -> dict[str, Any]:
    """Return the recipe's data settings for an experiment: training and validation images.

    Args:
        data: a folder with the sub-folders ``train`` and ``val``, or None. Test images take no part.
        train, validation: two folders instead, or None.

    Returns:
        Dotted key to value.

    Raises:
        UserError: neither or both ways are used.
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
            raise UserError(f"{data}: one sub-folder {prefix}... is needed, found {names}; use --train, --validation")
        found[f"data.{part}"] = str(inside[0]) if inside else None
    return found


def default_jobs(device: str, plans: int) -> int:
    """Return the number of runs at a time: one on a GPU, one per core on a CPU, at most ``plans``.

    Small networks leave cores idle, so parallel runs finish sooner than consecutive ones.
    """
    if choose_device(device).type != "cpu":
        return 1
    return max(1, min(plans, cores()))


def carry_out(plans: Sequence[Plan], *, jobs: int, console: Console) -> None:
    """Do all runs, ``jobs`` at a time. Finished runs are kept, stopped ones resume.

    One job runs in this process. With more, each run is a process with its share of the cores as threads, also the
    last one that is left, so that times can be compared; it writes its output to ``FOLDER.log``.

    Raises:
        UserError: a folder has a finished run of another recipe; or a run failed, and the others were stopped
            with a checkpoint.
        Interrupted: SIGTERM or Ctrl-C; every run has written its checkpoint.
    """
    for plan in plans:
        if plan.finished:
            refuse_other_recipe(plan.run, plan.recipe)
    waiting = [plan for plan in plans if not plan.finished]
    if jobs <= 1 or not waiting:
        for plan in waiting:
            fit(plan.recipe, plan.folder, stages=STAGE_OF[plan.stage], console=console)
        return
    threads = max(1, cores() // jobs)
    running: list[tuple[Plan, subprocess.Popen[bytes]]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with caught_signals() as caught, Progress(*columns, *left, console=console, refresh_per_second=1) as progress:
        bars = {
            plan.folder: progress.add_task(plan.name, total=plan.steps, completed=plan.steps_done()) for plan in waiting
        }
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    plan = waiting.pop(0)
                    running.append((plan, start(plan, threads)))
                time.sleep(POLL)
                for plan, process in list(running):
                    progress.update(bars[plan.folder], completed=plan.steps_done())
                    status = process.poll()
                    if status is not None:
                        running.remove((plan, process))
                        if not caught:
                            check(plan, status)
                if caught:
                    stop([process for _, process in running])
                    raise Interrupted("stopped with a checkpoint of every run; rerun the command to resume", caught[0])
        finally:
            stop([process for _, process in running])


def start(plan: Plan, threads: int) -> subprocess.Popen[bytes]:
    """Start the command of a run, on so many threads; its recipe is passed as a file beside the run folder."""
    command = [*COMMAND, plan.stage, str(write_recipe(plan)), "--out", str(plan.folder)]
    return launch(command, threads, log_of(plan))


def launch(command: list[str], threads: int, log: Path, *, answers: bool = False) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one.

    Args:
        command: the process.
        threads: that it computes on.
        log: file to which its output is added.
        answers: its standard output is a pipe instead, of which this process reads.
    """
    # Without its parent a run would go on, and refuse the next call, which finds it at work in the folder.
    environment = {key: value for key, value in os.environ.items() if key not in OF_TORCHRUN}
    environment |= {"OMP_NUM_THREADS": str(threads), PARENT_HOLDS_INPUT: "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        # A session of its own: Ctrl-C reaches only this process, which then stops all runs.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )


def write_recipe(plan: Plan) -> Path:
    """Write the recipe of a run beside its folder, and return the file."""
    recipe = plan.folder.with_name(f"{plan.folder.name}.yaml")
    write_text(recipe, plan.recipe.to_yaml())
    return recipe


def log_of(plan: Plan) -> Path:
    """Return the file of what the process of a run prints."""
    return plan.folder.with_name(f"{plan.folder.name}.log")


def check(plan: Plan, status: int) -> None:
    """Raise a UserError if a run failed: with the last line of its output, or the signal that killed it.

    Args:
        plan: the run.
        status: with which its process ended, negative for a signal.
    """
    if status == 0:
        return
    log = log_of(plan)
    output, where = "", ""
    with suppress(FileNotFoundError):  # a process that is killed early has not begun it
        output, where = log.read_text(encoding="utf-8", errors="replace").strip(), f" (full output: {log})"
    if status < 0:
        cause = ", memory may have run out" if status == KILLED else ""
        raise UserError(f"{plan.name}: killed by signal {-status}{cause}; rerun the command to resume{where}")
    text = (output.splitlines() or ["no output"])[-1].removeprefix("clearer: ")
    raise UserError(f"{plan.name}: failed with status {status}: {text}{where}")


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Stop runs, and wait for their checkpoints."""
    for process in processes:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()


def scaled(name: str, scale: str, scales: dict[str, dict[str, Any]], overrides: dict[str, Any]) -> Recipe:
    """Return the recipe ``name`` at a scale, with settings replaced.

    Raises:
        UserError: no such scale, or a setting does not fit.
    """
    if scale not in scales:
        raise UserError(f"scale: {scale!r} is not one of {', '.join(scales)}")
    return load_recipe(name, {**scales[scale], **overrides})
