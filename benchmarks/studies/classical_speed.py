"""Time the classical methods on this machine, in seconds a megapixel.

    python benchmarks/studies/classical_speed.py bsds500/val -o docs/results/classical-speed.json

Each restores the center of the first photograph, gray and noisy (sigma 50) or in color, some times; the median counts.
Torch computes in one thread. BM3D, whose library has threads of its own, is timed with one, and with one a core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from clearer.core.files import write_json
from clearer.data.folders import find_items
from clearer.experiments.runner import cores
from clearer.images.pixels import center_crop
from clearer.images.view import read_image
from clearer.methods.base import ImageArray, Method
from clearer.methods.bm3d import bm3d
from clearer.methods.registry import METHODS

SIGMA = 50
BM3D_SIDE = 320
"""BM3D is fast enough for a larger square, on which its threads have something to share."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder of photographs")
    parser.add_argument("--side", type=int, default=192, help="of the square in pixels (default: 192)")
    parser.add_argument("--times", type=int, default=3, help="runs of each method (default: 3)")
    parser.add_argument("--only", nargs="+", help="methods to time (default: all)")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, cores()}),
                        help="threads of BM3D, 0 as its library chooses (default: one, and one a core)")  # fmt: skip
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    photograph = read_image(find_items(given.folder, "clean")[0].clean, 3)
    rows = []
    wanted = given.only or list(METHODS)
    timed = [(name, 1, METHODS.get(name)(), given.side) for name in wanted if name != "bm3d"]
    if "bm3d" in wanted:
        timed += [("bm3d", threads, partial(bm3d, threads)(), BM3D_SIDE) for threads in given.threads]
    for name, threads, method, side in timed:
        image, sigma = _seen(method, photograph, side)
        seconds = [_seconds(method, image, sigma) for _ in range(given.times)]
        per_megapixel = statistics.median(seconds) * 1e6 / (image.shape[0] * image.shape[1])
        rows.append({"method": name, "threads": threads, "side": side, "seconds_per_megapixel": per_megapixel,
                     "seconds": seconds})  # fmt: skip
        print(f"{per_megapixel:8.1f} s/MP  {name}, {threads} thread(s)", flush=True)
    if given.out is not None:
        command = f"python benchmarks/studies/classical_speed.py {given.folder} -o docs/results/{given.out.name}"
        write_json(given.out, {"command": command, "sigma": SIGMA, "cores": cores(), "rows": rows})


def _seen(method: Method, photograph: np.ndarray, side: int) -> tuple[ImageArray, float | None]:
    """Return what a method restores, and its noise level."""
    color = center_crop(photograph, side, side).astype(np.float32) / 255
    if method.degradation != "gaussian":
        return color, None
    gray = color.mean(2, keepdims=True)
    noise = np.random.default_rng(0).standard_normal(gray.shape, np.float32) * np.float32(SIGMA / 255)
    return gray + noise, SIGMA


def _seconds(method: Method, image: ImageArray, sigma: float | None) -> float:
    began = time.perf_counter()
    method.restore(image, sigma)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
