"""Profile a step: the share of each operation, and the throughput of each convolution beside the machine's peak.

    python benchmarks/studies/step_profile.py -o docs/results/profile-cpu.json

Prints the share of each operation in the steps that speed.py times (weight, architecture, training), by torch's
profiler. Then times single convolutions of the network's shapes (forward, gradient of the features, gradient of the
weights) beside a large matrix product.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
import workloads
from torch.profiler import ProfilerActivity, profile

from clearer.core.device import choose_precision
from clearer.training.run_device import choose_device, device_name

STEPS = ("weight-step", "architecture-step", "training-step")
GROUPS = {
    "convolutions, forward": ("aten::mkldnn_convolution", "aten::cudnn_convolution"),
    "convolutions, backward": ("aten::convolution_backward",),
    "batch norms": ("aten::native_batch_norm", "aten::native_batch_norm_backward", "aten::cudnn_batch_norm"),
    "ReLUs": ("aten::clamp_min_", "aten::threshold_backward", "aten::relu_"),
    "sums, mixtures": ("aten::add", "aten::add_", "aten::mul", "aten::mul_", "aten::sum"),
    "upsampling": ("aten::upsample_nearest2d", "aten::upsample_nearest2d_backward"),
    "the optimizer": ("aten::_fused_adam_", "aten::_fused_sgd_"),
}


def shares(name: str, device: torch.device, width: int) -> dict[str, float]:
    """Return the share of each group of operations in a step's time."""
    (step, _), _ = workloads.prepare(name, "ours", str(device), width, "auto")
    step()
    with profile(activities=[ProfilerActivity.CPU]) as record:
        step()
    spent: dict[str, float] = defaultdict(float)
    for event in record.key_averages():
        group = next((group for group, names in GROUPS.items() if event.key in names), "all else")
        spent[group] += event.self_cpu_time_total
    total = sum(spent.values())
    return {group: round(spent[group] / total, 3) for group in (*GROUPS, "all else")}


def convolutions(device: torch.device, width: int, kind: torch.dtype) -> list[dict[str, Any]]:
    """Return GFLOP/s of the network's convolutions at batch 32, patch 64, in their three passes."""
    rows = []
    for scale in range(4):
        rows.append(_convolution(device, width << scale, width << scale, workloads.PATCH >> scale, 3, 1, kind))
        if scale < 3:
            rows.append(_convolution(device, width << scale, width << scale + 1, workloads.PATCH >> scale, 3, 2, kind))
            fine = workloads.PATCH >> scale + 1
            rows.append(_convolution(device, width << scale + 1, width << scale, fine, 1, 1, kind))
    return rows


def _convolution(
    device: torch.device, source: int, target: int, side: int, kernel: int, stride: int, kind: torch.dtype
) -> dict[str, Any]:
    like = {"device": device, "dtype": kind}
    x = torch.randn(workloads.BATCH, source, side, side, **like).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(target, source, kernel, kernel, **like).contiguous(memory_format=torch.channels_last)
    pad = kernel // 2
    y = torch.nn.functional.conv2d(x, weight, None, stride, pad)
    gflop = 2 * y.numel() * source * kernel**2 / 1e9

    def backward(*wanted: bool) -> Callable[[], object]:
        rest = ([stride, stride], [pad, pad], [1, 1], False, [0, 0], 1, [*wanted, False])
        return lambda: torch.ops.aten.convolution_backward(y, x, weight, None, *rest)

    return {
        "convolution": f"{kernel}x{kernel}{', stride 2' if stride == 2 else ''}, {source} to {target}, {side}x{side}",
        "forward": round(gflop / _seconds(lambda: torch.nn.functional.conv2d(x, weight, None, stride, pad))),
        "feature": round(gflop / _seconds(backward(True, False))),
        "weight": round(gflop / _seconds(backward(False, True))),
    }


def _seconds(work: Callable[[], object], rounds: int = 9) -> float:
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    device = choose_device("cpu")
    precision = choose_precision("auto", device)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    product, gflop = workloads.peak(device, precision)
    result = {
        "command": f"python benchmarks/studies/step_profile.py {' '.join(sys.argv[1:])}",
        "device": device_name(device),
        "torch": torch.__version__,
        "width": given.width,
        "precision": precision,
        "peak": round(gflop / _seconds(product)),
        "steps": {name: shares(name, device, given.width) for name in STEPS},
        "convolutions": convolutions(device, given.width, kind),
    }
    print(json.dumps(result))
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
