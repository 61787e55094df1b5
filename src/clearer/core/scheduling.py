"""Keep the scheduling of this process where a library changes it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TASKS = Path("/proc/self/task")


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Give all threads the scheduling that this one has before, on Linux.

    SVT-AV1, where root runs it, makes the thread that opens it and its own real-time ones: they take the processor from
    all other programs, and the processes that they start do so, too.
    """
    if not hasattr(os, "sched_getscheduler") or not TASKS.is_dir():
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in TASKS.iterdir():
            with suppress(OSError):  # it has ended
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
