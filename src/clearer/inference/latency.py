"""The latency of a network on this machine: the wall time of restoring one image that is in memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clearer.inference.budget import MEGAPIXEL, ImageSize

WARM_SECONDS, LEAST_RUNS, MOST_RUNS = 0.3, 7, 60
PEAK_SIDE, PEAK_RUNS = 2048, 7


@dataclass(frozen=True)
class Latency:
    """Times of one computation on an image.

    Args:
        size: of the image.
        seconds: each run, in order, after those that warm up.
    """

    size: ImageSize
    seconds: tuple[float, ...]

    @property
    def milliseconds(self) -> float:
        """The median."""
        return 1000 * statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and third quartile, in milliseconds: half of the runs lie between."""
        first, _, third = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return 1000 * first, 1000 * third

    @property
    def megapixels_per_second(self) -> float:
        """By the median."""
        return self.size.pixels / MEGAPIXEL / self.milliseconds * 1000


def random_image(size: ImageSize, channels: int) -> NDArray[np.float32]:
    """Return an image of noise, (H, W) or (H, W, C) in [0, 1]: the time does not depend on what is shown."""
    shape = (size.height, size.width) if channels == 1 else (size.height, size.width, channels)
    return np.random.default_rng(0).random(shape, np.float32)


def time_runs(
    run: Callable[[], object], size: ImageSize, seconds: float = 2.0, warm_seconds: float = WARM_SECONDS
) -> Latency:
    """Time a computation that ends when the call returns: at least 7 runs, and as many as ``seconds`` hold."""
    begun, warm = time.perf_counter(), 0
    while warm < 2 or time.perf_counter() - begun < warm_seconds:
        run()
        warm += 1
    found: list[float] = []
    begun = time.perf_counter()
    while len(found) < LEAST_RUNS or (len(found) < MOST_RUNS and time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return Latency(size, tuple(found))


def wait_for(device: torch.device) -> None:
    """Return when a device has computed what it was given: a GPU works on after the call that started it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def using_threads(number: int | None) -> Iterator[int]:
    """Compute with this many threads inside the block; None: as many as torch has now."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield number or before
    finally:
        torch.set_num_threads(before)


@lru_cache
def peak_macs(device: str, precision: str, threads: int) -> float:
    """Return the most multiply-adds a second of a large matrix product or convolution; ``threads`` are in effect.

    Libraries differ: in fp32 on some processors, torch's products reach less than half of its convolutions.
    """
    kind, place = torch.bfloat16 if precision == "bf16" else torch.float32, torch.device(device)
    side, channels, pixels = (PEAK_SIDE, 128, 128) if place.type == "cpu" else (4 * PEAK_SIDE, 512, 256)
    a = torch.rand(side, side, device=device).to(kind)
    x = torch.rand(1, channels, pixels, pixels, device=device).to(kind, memory_format=torch.channels_last)
    weight = torch.rand(channels, channels, 3, 3, device=device).to(kind, memory_format=torch.channels_last)
    with torch.inference_mode():
        product = side**3 / _least_seconds(lambda: a @ a, place)
        convolution = channels**2 * 9 * pixels**2 / _least_seconds(lambda: F.conv2d(x, weight, padding=1), place)
    return float(max(product, convolution))


def _least_seconds(run: Callable[[], Tensor], device: torch.device) -> float:
    best = float("inf")
    for _ in range(PEAK_RUNS):
        start = time.perf_counter()
        run()
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return best
