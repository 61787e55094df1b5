"""Time a training step with and without torch.compile, and the compilation itself.

    python benchmarks/studies/compiled.py -o docs/results/compiled-cpu.json

Uses the published setting (batch 32, patch 64, width 32) in the precision that `auto` chooses. Eager and compiled
steps take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
import workloads
from torch import nn

from clearer.core.allocator import keep_freed_memory
from clearer.core.device import autocast, choose_precision
from clearer.network.architecture import SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.training.run_device import choose_device, device_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--mode", default="default", help="mode of torch.compile; reduce-overhead uses CUDA graphs")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    device = choose_device(given.device)
    precision = choose_precision("auto", device)
    keep_freed_memory()
    architecture = SearchSpace(width=given.width).architecture(workloads.PUBLISHED.replace("-", ""))
    network = RestorationNetwork(architecture).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    degraded, clean = workloads.sampler(device).draw()
    degraded = degraded.contiguous(memory_format=torch.channels_last)

    def seconds(forward: nn.Module) -> float:
        began = time.perf_counter()
        with autocast(precision, device):
            output = forward(degraded)
        loss = nn.functional.mse_loss(output.float(), clean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    seconds(network)
    compiled = torch.compile(network, mode=given.mode)
    first = seconds(compiled)  # type: ignore[arg-type]
    seconds(compiled)  # type: ignore[arg-type]
    pairs = [(seconds(network), seconds(compiled)) for _ in range(given.rounds)]  # type: ignore[arg-type]
    plain, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
    result = {
        "command": f"python benchmarks/studies/compiled.py {' '.join(sys.argv[1:])}",
        "device": device_name(device),
        "torch": torch.__version__,
        "width": given.width,
        "precision": precision,
        "mode": given.mode,
        "step": round(plain, 5),
        "compiled_step": round(fast, 5),
        "times_faster": round(plain / fast, 2),
        "compiling": round(first - fast, 1),
    }
    print(json.dumps(result))
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
