"""The loop that search and training share: epochs of steps that survive being stopped at any moment."""

from __future__ import annotations

import functools
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from clearer.core.errors import Interrupted, UserError
from clearer.core.files import write_text
from clearer.runs.layout import StageFolder
from clearer.runs.schema import EpochLine
from clearer.training import distributed as processes
from clearer.training.checkpoints import save_checkpoint, shared_checkpoint


@dataclass(frozen=True)
class Job:
    """What `run_epochs` repeats.

    Args:
        name: for the progress bar and messages.
        step: does one step; returns scalar tensors to be averaged over the epoch, the same in all processes.
        end_epoch: takes the 0-based epoch and the averages; returns the line to be logged.
        state: everything that the future depends on, but the loop's own counters.
        load: takes up such a state.
        converged: asked at the end of each epoch; true ends the job there.
    """

    name: str
    epochs: int
    steps_per_epoch: int
    step: Callable[[int], dict[str, Tensor]]
    end_epoch: Callable[[int, dict[str, float]], dict[str, Any]]
    state: Callable[[], dict[str, Any]]
    load: Callable[[dict[str, Any]], None]
    converged: Callable[[], bool] = lambda: False


def run_epochs(
    job: Job,
    folder: StageFolder[Any],
    console: Console,
    *,
    minutes: float,
    log: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[int, float]:
    """Run the job to its end, going on from the newest checkpoint in ``folder``/checkpoints.

    Writes ``folder``/metrics.jsonl, a line an epoch. Returns the steps done and the seconds that they
    took, over all resumptions. The result does not depend on where it was interrupted. Of several
    processes the first writes, and all stop at the same step.

    Raises:
        Interrupted: SIGTERM or Ctrl-C came, to any process; a checkpoint was written.
        UserError: the loss is not finite, the disk is full, or another process is gone.
    """
    total = job.epochs * job.steps_per_epoch
    store = folder.checkpoints
    lines: list[EpochLine] = []
    sums: dict[str, Tensor] = {}
    start, seconds = 0, 0.0
    found = shared_checkpoint(store, lambda text: console.print(text, soft_wrap=True, markup=False))
    if found is not None:
        start, seconds, sums = found["step"], found["seconds"], found["sums"]
        job.load(found["job"])
        if processes.rank() == 0:
            # Those after the checkpoint will be written again.
            lines = [line for line in folder.read_metrics(strict=False) if line["step"] <= start]
        if start < total:
            console.print(f"{job.name}: going on from step {start} of {total}")
    began = saved = time.monotonic()

    def elapsed() -> float:
        return seconds + time.monotonic() - began

    def save(step: int) -> None:
        _refuse_unfinite(sums, job.name, step)
        state = {"step": step, "seconds": elapsed(), "sums": sums, "job": job.state()}
        processes.first(lambda: save_checkpoint(store, step, state).name)

    def ended(step: int) -> bool:
        return step == total or (step % job.steps_per_epoch == 0 and job.converged())

    processes.first(lambda: write_text(folder.metrics, "".join(json.dumps(line) + "\n" for line in lines)))
    # Not every epoch has a validation: the bar keeps the last value of each figure.
    shown = {key: value for line in lines for key, value in line.items()}
    with caught_signals() as caught, _bar(console) as progress:
        bar = progress.add_task(job.name, total=total, completed=start, note=_note(shown))
        done = start
        while not ended(done):
            step = done
            for key, value in job.step(step).items():
                sums[key] = sums[key] + value.detach() if key in sums else value.detach().clone()
            done = step + 1
            if torch.device(next(iter(sums.values())).device).type == "cpu" or done % 50 == 0:
                _refuse_unfinite(sums, job.name, done)
            if done % job.steps_per_epoch == 0:
                _refuse_unfinite(sums, job.name, done)
                means = {key: float(value) / job.steps_per_epoch for key, value in sums.items()}
                epoch = step // job.steps_per_epoch
                line = {"epoch": epoch + 1, "step": done, **job.end_epoch(epoch, means), "seconds": round(elapsed(), 2)}
                sums = {}
                processes.first(functools.partial(_append, folder.metrics, line))
                if log is not None:
                    log(line)
                shown |= line
                progress.update(bar, note=_note(shown))
            progress.update(bar, completed=done)
            late = ended(done) or time.monotonic() - saved > 60 * minutes
            stop, due = processes.agreed(caught[0] if caught else 0, int(late))
            if stop:
                save(done)
                text = (
                    f"{job.name}: stopped at step {done} of {total}; the checkpoint is written: "
                    "run the same command to go on"
                )
                raise Interrupted(text, stop)
            if due:
                save(done)
                saved = time.monotonic()
    return done, elapsed()


def _note(line: dict[str, Any]) -> str:
    names = (("loss", "{:.5f}"), ("psnr", "{:.2f} dB"), ("gap", "gap {:.3f}"))
    return "  ".join(form.format(line[key]) for key, form in names if line.get(key) is not None)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}  {task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        refresh_per_second=2,
    )


def _refuse_unfinite(sums: dict[str, Tensor], name: str, step: int) -> None:
    for key, value in sums.items():
        if not math.isfinite(float(value)):
            raise UserError(
                f"{name}: {key} is not finite at step {step}; the checkpoints hold earlier, sound states; "
                "start anew in another folder with a smaller learning rate or precision=fp32"
            )


def _append(path: Path, line: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); the last checkpoint is intact") from error


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying; a second one of them ends the process at once."""
    caught: list[int] = []
    before: dict[int, Any] = {}

    def note(number: int, _: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    try:
        for number in (int(signal.SIGTERM), int(signal.SIGINT)):
            before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: signals are the caller's business
        pass
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
