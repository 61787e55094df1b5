"""The loop that search and training share: epochs of steps that can be stopped and resumed at any moment."""

from __future__ import annotations

import functools
import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from clearer.core import signals
from clearer.core.errors import Interrupted, UserError
from clearer.core.files import write_text
from clearer.runs.schema import EpochLine
from clearer.training import distributed
from clearer.training.checkpoints import save_checkpoint, shared_checkpoint
from clearer.training.job import RunContext, TrainingJob
from clearer.training.progress import announced_length, progress_lines

CHECK_EVERY = 50
"""Steps between checks for values that are not finite, where a check has to wait for the device."""


def run_job(job: TrainingJob, context: RunContext, *, minutes: float) -> tuple[int, float]:
    """Run a job to its end, resuming from the newest checkpoint; return the steps done and the seconds taken.

    Writes a line of metrics per epoch. Seconds are summed over all resumptions. The result does not depend on
    where the job was interrupted. Only the first of several processes writes; all stop at the same step.

    Args:
        job: the job to run.
        context: of the run; the job's files go to the folder of its name.
        minutes: minutes between checkpoints.

    Raises:
        Interrupted: SIGTERM or Ctrl-C reached a process; a checkpoint was written.
        UserError: a value is not finite, the disk is full, or another process is gone.
    """
    loop = _Loop(job, context)
    loop.resume()
    with caught_signals() as caught, progress_lines(context.console, job.name, loop.done, job.steps) as show:
        show(loop.done, job.steps, loop.figures)
        announce = announced_length(job.name, loop.done, job.steps, context.say)
        while not loop.ended:
            loop.step()
            announce(loop.done)
            if loop.at_epoch_end:
                loop.end_epoch()
            show(loop.done, job.steps, loop.figures)
            due = loop.ended or time.monotonic() - loop.saved > 60 * minutes
            stop, save = distributed.agreed(caught[0] if caught else 0, int(due))
            if stop or save:
                loop.save()
            if stop:
                raise Interrupted(
                    f"{job.name}: stopped at step {loop.done} of {job.steps}; the checkpoint is written. "
                    "Rerun the command to resume.",
                    stop,
                )
    return loop.done, loop.elapsed()


class _Loop:
    """A job in progress.

    ``done``: steps done; ``sums``: sums of the scalars that the steps of this epoch returned; ``figures``: the last
    value of each key of the metrics, as not every epoch has a validation.
    """

    def __init__(self, job: TrainingJob, context: RunContext) -> None:
        self.job, self.context = job, context
        self.stage = context.folder.stage(job.name)
        self.done = 0
        self.sums: dict[str, Tensor] = {}
        self.figures: EpochLine = {}
        self.earlier = 0.0  # seconds before this process
        self.began = self.saved = time.monotonic()

    @property
    def at_epoch_end(self) -> bool:
        return self.done % self.job.steps_per_epoch == 0

    @property
    def ended(self) -> bool:
        return self.done == self.job.steps or (self.at_epoch_end and self.job.converged())

    def elapsed(self) -> float:
        return self.earlier + time.monotonic() - self.began

    def resume(self) -> None:
        """Continue from the newest checkpoint, if there is one; lines of metrics after it are removed."""
        lines: list[EpochLine] = []
        found = shared_checkpoint(self.stage.checkpoints, self.context.say)
        if found is not None:
            self.done, self.earlier, self.sums = found["step"], found["seconds"], found["sums"]
            self.job.load_state_dict(found["job"])
            if self.done < self.job.steps:
                self.context.say(f"{self.job.name}: resumed at step {self.done} of {self.job.steps}")
            if self.context.rank == 0:
                lines = [line for line in self.stage.read_metrics("step", strict=False) if line["step"] <= self.done]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        distributed.first(lambda: write_text(self.stage.metrics, text))
        for line in lines:
            self.figures |= line
        self.began = self.saved = time.monotonic()

    def step(self) -> None:
        for key, value in self.job.step(self.done).items():
            self.sums[key] = self.sums[key] + value.detach() if key in self.sums else value.detach().clone()
        self.done += 1
        if self.context.device.type == "cpu" or self.at_epoch_end or self.done % CHECK_EVERY == 0:
            self.refuse_unfinite()

    def end_epoch(self) -> None:
        means = {key: float(value) / self.job.steps_per_epoch for key, value in self.sums.items()}
        self.sums = {}
        epoch = self.done // self.job.steps_per_epoch
        measured = self.job.end_epoch(epoch - 1, means)
        validated = {"psnr": measured.get("psnr", 0.0), "estimated_psnr": measured.get("estimated_psnr", 0.0)}
        for key, value in validated.items():
            if not math.isfinite(value):  # before a line or a checkpoint with it is written
                self.refuse(f"{key} of the validation")
        line: EpochLine = {"epoch": epoch, "step": self.done, **measured, "seconds": round(self.elapsed(), 2)}
        self.figures |= line
        distributed.first(functools.partial(_append, self.stage.metrics, line))
        if self.context.log is not None and self.context.rank == 0:
            self.context.log(self.job.name, line)

    def save(self) -> None:
        self.refuse_unfinite()
        job = self.job.state_dict()
        # The last update may have spoilt the weights by a gradient that overflowed, though its loss was finite.
        for part in ("network", "supernet"):
            for name, value in job.get(part, {}).items():
                if value.is_floating_point() and not bool(value.isfinite().all()):
                    self.refuse(f"weight {name}")
        state = {"step": self.done, "seconds": self.elapsed(), "sums": self.sums, "job": job}
        distributed.first(lambda: save_checkpoint(self.stage.checkpoints, self.done, state).name)
        self.saved = time.monotonic()

    def refuse_unfinite(self) -> None:
        for key, value in self.sums.items():
            if not math.isfinite(float(value)):
                self.refuse(key)

    def refuse(self, what: str) -> NoReturn:
        raise UserError(
            f"{self.job.name}: {what} is not finite at step {self.done}; earlier checkpoints are sound. "
            "Start again in another folder with a smaller learning rate or precision=fp32."
        )


def _append(path: Path, line: EpochLine) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); the last checkpoint is intact") from error


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """Collect SIGTERM, SIGHUP and Ctrl-C instead of ending; another one, not at once, ends the block.

    Raises:
        Interrupted: the second signal arrived.
    """
    caught: list[int] = []
    before: dict[int, Any] = {}
    latest = 0.0

    def note(number: int, _: object) -> None:
        nonlocal latest
        if caught and time.monotonic() - latest >= signals.REPEATED:
            raise Interrupted("stopped at once; rerun the command to resume from the last checkpoint", number)
        if not caught:
            caught.append(number)
            latest = time.monotonic()

    try:
        for number in map(int, signals.stops()):
            if number in (signal.SIGTERM, signal.SIGINT) or signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, note)
    except ValueError:  # not in the main thread: the caller handles signals
        pass
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
