"""Time other operations for a module beside the pair of 3x3 convolutions, by width, as fused inference computes them.

    python benchmarks/studies/operations.py --threads 1 -o docs/results/operations.json

- pair: the residual block of the supplement, 3x3, ReLU, 3x3, + input, ReLU.
- folded: one 3x3 convolution, ReLU: what a re-parameterizable block of 3x3, 1x1 and identity folds to (RepVGG; Ding et
  al., CVPR 2021).
- separable: depthwise 5x5, ReLU, 1x1, + input, ReLU.
- separable pair: depthwise 5x5 twice, each with a 1x1 (a block as deep as the pair).

The times are compared with those of the pair of the same width, and of the pair of as many multiply-adds, which is
narrower. Each takes features that have left the caches. On one thread, the time is that of the processor, which other
programs disturb least; on several it is wall time, and nothing else may run.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.files import write_json
from clearer.inference.latency import peak_macs
from clearer.inference.latency_table import device_name

WIDTHS = (16, 32, 48, 64, 96)
TURNED = 2**27
"""Bytes of features that take turns."""
Run = Callable[[Tensor], Tensor]


class Convolution:
    """A convolution by oneDNN with its bias, and what comes after it: nothing, a ReLU, or a sum and a ReLU."""

    def __init__(self, source: int, target: int, kernel: int, kind: torch.dtype, groups: int = 1) -> None:
        chance = torch.Generator().manual_seed(0)
        weight = torch.randn(target, source // groups, kernel, kernel, generator=chance)
        self.weight = (weight / (source // groups * kernel**2) ** 0.5).to(kind, memory_format=torch.channels_last)
        self.bias = torch.zeros(target, dtype=kind)
        self.padding, self.groups = [kernel // 2] * 2, groups
        self.macs = weight.numel()

    def __call__(self, x: Tensor, relu: bool = False) -> Tensor:
        rest = (self.weight, self.bias, self.padding, [1, 1], [1, 1], self.groups)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *rest, "relu" if relu else "none", [], "")
        return found

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """Return the ReLU of its result and ``other``."""
        rest = (self.weight, self.bias, self.padding, [1, 1], [1, 1], self.groups)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(x, other, *rest, "add", 1.0, "relu", [], None)
        return found


def operations(width: int, kind: torch.dtype) -> dict[str, tuple[Run, int]]:
    """Return each operation as a function of a feature, and its multiply-adds per position."""
    a, b = (Convolution(width, width, 3, kind) for _ in range(2))
    deep, wide = (Convolution(width, width, 5, kind, groups=width) for _ in range(2))
    flat, last = (Convolution(width, width, 1, kind) for _ in range(2))
    return {
        "pair": (lambda x: b.plus(a(x, relu=True), x), a.macs + b.macs),
        "folded": (lambda x: a(x, relu=True), a.macs),
        "separable": (lambda x: flat.plus(deep(x, relu=True), x), deep.macs + flat.macs),
        "separable pair": (
            lambda x: last.plus(wide(flat(deep(x, relu=True), relu=True), relu=True), x),
            deep.macs + wide.macs + flat.macs + last.macs,
        ),
    }


def width_of_pair(macs: int) -> int:
    """Return the width of the pair of 3x3 convolutions with about as many multiply-adds.

    A multiple of 16, as the library computes others as slowly as the next one; the time is scaled to the multiply-adds.
    """
    return max(16, round((macs / 18) ** 0.5 / 16) * 16)


def features_of(width: int, side: int, kind: torch.dtype) -> Iterator[Tensor]:
    """Return copies of a feature in turns."""
    x = torch.randn(1, width, side, side).to(kind, memory_format=torch.channels_last)
    count = max(2, min(16, TURNED // x.nbytes))
    return itertools.cycle([x.clone(memory_format=torch.preserve_format) for _ in range(count)])


def milliseconds(runs: list[tuple[Run, Iterator[Tensor]]], clock: Callable[[], float], seconds: float) -> list[float]:
    """Return the least time of each function; they take turns, so that a change of the machine meets all alike."""
    best = [float("inf")] * len(runs)
    begun = time.perf_counter()
    for number in itertools.count():
        for place, (run, features) in enumerate(runs):
            x = next(features)
            start = clock()
            run(x)
            if number > 0:
                best[place] = min(best[place], 1000 * (clock() - start))
        if number >= 7 and time.perf_counter() - begun > seconds:
            return best
    raise AssertionError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[500, 125], help="of the square features")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each width and side")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = time.process_time if given.threads == 1 else time.perf_counter
    kind = torch.bfloat16 if given.precision == "bf16" else torch.float32
    rows: list[dict[str, Any]] = []
    with torch.inference_mode():
        for side, width in itertools.product(given.side, WIDTHS):
            named, features = operations(width, kind), features_of(width, side, kind)
            runs = [(run, features) for run, _ in named.values()]
            pairs = {name: width_of_pair(macs) for name, (_, macs) in named.items()}
            for narrow in pairs.values():
                pair, _ = operations(narrow, kind)["pair"]
                runs.append((pair, features_of(narrow, side, kind)))
            times = milliseconds(runs, clock, given.seconds)
            for place, (name, (_, macs)) in enumerate(named.items()):
                ms, equal = times[place], times[len(named) + place] * macs / (18 * pairs[name] ** 2)
                row = {"side": side, "width": width, "operation": name, "macs": macs, "milliseconds": ms}
                row |= {"gmacs": macs * side**2 / ms / 1e6, "of_pair": ms / times[0], "of_equal_macs": ms / equal}
                rows.append(row | {"width_of_equal_macs": pairs[name]})
                print(
                    "{side:4d} {width:3d} {operation:15} {milliseconds:8.2f} ms {gmacs:6.1f} GMAC/s; of the pair of "
                    "this width {of_pair:5.2f}, of equal multiply-adds {of_equal_macs:5.2f}".format(**rows[-1]),
                    flush=True,
                )
    result = {
        "command": f"python benchmarks/studies/operations.py {shlex.join(sys.argv[1:])}",
        "device": device_name(torch.device("cpu")),
        "system": platform.platform(),
        "torch": torch.__version__,
        "threads": given.threads,
        "precision": given.precision,
        "peak_gmacs": peak_macs("cpu", given.precision, given.threads) / 1e9,
        "rows": rows,
    }
    write_json(given.out, result)


if __name__ == "__main__":
    main()
