"""The memory that a method takes to restore one image, apart from that of reading and scoring it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypedDict

import torch
from torch import Tensor

from clearer.core.peak_memory import PeakMemory
from clearer.data.items import Item
from clearer.evaluation.pairs import pair_of
from clearer.evaluation.protocols import Protocol
from clearer.methods.base import Method, as_restore

RUNS = 5
SECONDS = 10.0
"""The first run of a method that takes longer is the only one; the others end when they have taken so long."""
DEVICES = ("cuda", "mps")
"""Where the memory of a network is not that of this process."""


class Memory(TypedDict):
    """The memory in MiB that restoring an image takes, None where that is not known, and its width and height."""

    mib: float | None
    mib_size: list[int]


def memory_of(method: Method, item: Item, protocol: Protocol, seed: int, place: int) -> Memory:
    """Return the most memory that restoring an image takes beyond what the process had before.

    What the first run of a size leaves behind, such as imported modules, is not counted: the median of `RUNS` further
    runs is, or of fewer if they are slow. It varies by some MiB, with what the C library keeps of freed memory. It is
    not known where the system does not say, and where the method runs on another device than the CPU.

    Args:
        method: it suits the protocol.
        item: it fits the protocol.
        protocol: how it is degraded.
        seed: of the noise.
        place: of the image among those of its set.
    """
    with torch.inference_mode():
        degraded = pair_of(item, protocol, seed, place).degraded
        known = not method.setup.startswith(DEVICES) and PeakMemory().added() is not None
        taken = _taken(as_restore(method, protocol.sigma), degraded) if known else None
    height, width = degraded.shape[2:]
    return {"mib": taken, "mib_size": [width, height]}


def _taken(restore: Callable[[Tensor], Tensor], image: Tensor) -> float:
    first, seconds = _run(restore, image)
    taken: list[float] = []
    total = 0.0
    while seconds < SECONDS and total < SECONDS and len(taken) < RUNS:
        one, seconds = _run(restore, image)
        taken.append(one)
        total += seconds
    return statistics.median(taken or [first])


def _run(restore: Callable[[Tensor], Tensor], image: Tensor) -> tuple[float, float]:
    """Return the memory in MiB and the seconds of a run."""
    memory, began = PeakMemory(), time.perf_counter()
    restore(image)
    return memory.added() or 0.0, time.perf_counter() - began
