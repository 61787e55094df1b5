"""The progress of a job on the terminal: how long it takes, a bar, and beneath it the last figures with their names."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn
from rich.text import Text

from clearer.core.text import duration
from clearer.runs.schema import EpochLine

WARM_STEPS, TIMED_STEPS, TIMED_SECONDS = 3, 10, 15.0
"""Steps before the pace is measured, and the least steps and seconds that it is measured over."""
WORTH_SAYING = 300.0
"""Seconds of a job whose length is announced."""


@contextmanager
def progress_lines(
    console: Console, name: str, done: int, steps: int
) -> Iterator[Callable[[int, int, EpochLine], None]]:
    """Show the progress of a job, ``done`` of ``steps`` steps so far; yield a function to call after each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _Lines(*columns, console=console, refresh_per_second=2) as progress:
        bar = progress.add_task(name, total=steps, completed=done, figures="")
        yield lambda done, steps, figures: progress.update(bar, completed=done, total=steps, figures=in_words(figures))


def announced_length(name: str, done: int, steps: int, say: Callable[[str], None]) -> Callable[[int], None]:
    """Return a function to call with the steps done, which says once how long the rest takes: a log shows no bar.

    A job that is resumed is announced anew. The time is that of the first steps; one that is short is not announced.
    """
    warm, start, told = done + WARM_STEPS, 0.0, False

    def note(done: int) -> None:
        nonlocal start, told
        if done == warm:
            start = time.monotonic()
        seconds = time.monotonic() - start
        if told or done < warm + TIMED_STEPS or seconds < TIMED_SECONDS:
            return
        told = True
        left = (steps - done) * seconds / (done - warm)
        if left >= WORTH_SAYING:
            say(f"{name}: about {duration(left)} left for {steps - done:,} steps, as fast as the first ones")

    return note


def in_words(figures: EpochLine) -> str:
    """Return the figures that matter, each with its name.

    >>> in_words({"epoch": 2, "loss": 0.0119544826, "psnr": 19.7807, "gap": 0.0166})
    'loss 0.01195  psnr 19.78 dB  gap 0.017'
    """
    words = []
    if "loss" in figures:
        words.append(f"loss {figures['loss']:.5f}")
    if "psnr" in figures:
        words.append(f"psnr {figures['psnr']:.2f} dB")
    if "estimated_psnr" in figures:
        known = figures["standard_error"] <= 10
        figure = f"{figures['estimated_psnr']:.2f} ± {figures['standard_error']:.2f} dB" if known else "not known"
        words.append(f"estimated psnr {figure}")
    if "gap" in figures:
        words.append(f"gap {figures['gap']:.3f}")
    return "  ".join(words)


class _Lines(Progress):
    """A bar, and one line of text beneath it: together they are too long for 80 columns."""

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            yield self.make_tasks_table([task])
            yield Text("  ".join(filter(None, (task.fields["figures"], *_times(task)))), no_wrap=True)


def _times(task: Task) -> list[str]:
    elapsed = task.finished_time if task.finished else task.elapsed
    known = ((elapsed, "elapsed"), (task.time_remaining, "remaining"))
    return [f"{datetime.timedelta(seconds=int(value))} {name}" for value, name in known if value is not None]
