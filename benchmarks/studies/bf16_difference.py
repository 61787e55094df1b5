"""Measure how far results in bf16 are from those in fp32, on images of 8 bits, in gray levels.

    python benchmarks/studies/bf16_difference.py -o docs/results/bf16-difference.json \\
        --of denoise-gray gray-awgn-50 bsd68 --of derain rain-y rain800/test_syn

Each model restores the degraded images of its protocol, rounded to 8 bits, in both precisions. Differences are of
results clamped to [0, 1]: as the network returns them (the largest, and that which one of 10,000 values exceeds), and
rounded to 8 bits (the share of values that are off by one level, and by more). Beside them is PSNR in both precisions.
"""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.files import write_json
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.protocols import parse_protocol
from clearer.inference.equal_channels import in_equal_channels
from clearer.inference.restorer import load


def measured(model: str, protocol: str, data: str, limit: int | None) -> dict[str, Any]:
    """Return the differences of one model on the images of one protocol."""
    exact, fast = (load(model, "auto", precision) for precision in ("fp32", "bf16"))
    gray_by_color = exact.architecture.channels == 3 and parse_protocol(protocol).channels == 1
    runs = [in_equal_channels(one) if gray_by_color else one for one in (exact, fast)]
    found: list[Tensor] = []  # differences as returned
    steps: list[Tensor] = []  # of the rounded results
    kept: list[Tensor] = []

    def restore(x: Tensor) -> Tensor:
        seen = (x.clamp(0, 1) * 255).round() / 255
        a, b = (run(seen).clamp(0, 1).cpu() for run in runs)
        kept.append(b)
        if min(x.shape[-2:]) > 64:  # not the corner on which the evaluation warms up
            found.append(255 * (a - b).abs().flatten())
            steps.append(((255 * a).round() - (255 * b).round()).abs().flatten())
        return a

    in_fp32 = evaluate(restore, data, protocol, limit=limit)
    in_bf16 = evaluate(lambda x: kept.pop(0), data, protocol, limit=limit)
    off, step = torch.cat(found), torch.cat(steps)
    return {
        "model": model,
        "protocol": protocol,
        "data": Path(data).name,
        "images": in_fp32.images,
        "largest": round(float(off.max()), 3),
        "of_10000": round(float(off.sort().values[-max(1, len(off) // 10_000)]), 3),
        "rms": round(float(off.square().mean().sqrt()), 4),
        "off_by_1": float((step == 1).float().mean()),
        "off_by_more": float((step > 1).float().mean()),
        "psnr_fp32": round(in_fp32.psnr, 3),
        "psnr_bf16": round(in_bf16.psnr, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs=3, action="append", required=True, metavar=("MODEL", "PROTOCOL", "DATA"))
    parser.add_argument("--limit", type=int, help="images of each set, the first ones by name")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    rows = []
    for one in given.of:
        rows.append(measured(*one, given.limit))
        print(rows[-1], file=sys.stderr)
    if given.out is not None:
        facts = {"torch": torch.__version__, "processor": platform.processor() or platform.machine()}
        command = f"python benchmarks/studies/bf16_difference.py {shlex.join(sys.argv[1:])}"
        write_json(given.out, {"command": command, **facts, "rows": rows})


if __name__ == "__main__":
    main()
