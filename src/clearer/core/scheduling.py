"""Keep the scheduling of this process where a library changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Keep the scheduling of all threads, on Linux; new ones get that of this thread.

    SVT-AV1, where root runs it, makes the thread that opens it and its own real-time ones: they take the processor from
    all other programs, and the processes that they start do so, too.
    """
    if not hasattr(os, "sched_getscheduler") or not TASKS.is_dir():
        yield
        return
    own, before = _scheduling(0), {}
    for task in _tasks():
        with suppress(OSError):  # it has ended
            before[task] = _scheduling(task)
    try:
        yield
    finally:
        for task in _tasks():
            policy, parameters = before.get(task, own)
            with suppress(OSError):
                if os.sched_getscheduler(task) != policy:
                    os.sched_setscheduler(task, policy, parameters)


def _tasks() -> list[int]:
    return [int(task.name) for task in TASKS.iterdir()]


def _scheduling(task: int) -> tuple[int, os.sched_param]:
    return os.sched_getscheduler(task), os.sched_getparam(task)
