"""Measure the effect of the tile overlap: largest and mean difference from the image restored whole.

    python benchmarks/studies/overlap.py -o docs/results/overlap.json \\
        --of runs/denoise gray-awgn-50 bsds500/test --of runs/derain rain-rgb rain800/test_syn

Each model restores the images of its protocol whole and in tiles with every overlap. Differences are in gray levels
(of 255), of results clamped to [0, 1] and not rounded. The tiles are small, to have many seams.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.files import write_json
from clearer.evaluation.evaluate import evaluate
from clearer.inference.restorer import load
from clearer.network.receptive_field import receptive_field

OVERLAPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112)


def measured(model: str, protocol: str, data: str, limit: int, tile: int) -> dict[str, Any]:
    """Return the differences of one model by overlap."""
    restorer = load(model, "cpu", "fp32")
    full = receptive_field(restorer.architecture)
    overlaps = [*(o for o in OVERLAPS if o < full), full]
    # Largest difference, sum of differences and count, by overlap.
    found = {overlap: [0.0, 0.0, 0] for overlap in overlaps}

    def restore(x: Tensor) -> Tensor:
        whole = restorer(x).clamp(0, 1)
        if min(x.shape[-2:]) <= tile:
            return whole  # the crop on which the evaluation warms up
        for overlap in overlaps:
            off = 255 * (restorer(x, tile=tile, overlap=overlap).clamp(0, 1) - whole).abs()
            entry = found[overlap]
            entry[0] = max(entry[0], float(off.max()))
            entry[1] += float(off.sum())
            entry[2] += off.numel()
        return whole

    result = evaluate(
        restore, data, protocol, limit=limit, progress=lambda k, n: print(model, k, n, found, file=sys.stderr)
    )
    a = restorer.architecture
    return {
        "architecture": a.to_dict(),
        "protocol": protocol,
        "images": result.images,
        "psnr": round(result.psnr, 2),
        "input_psnr": round(result.input_psnr, 2),
        "receptive_field": full,
        "rows": [
            {"overlap": overlap, "largest": largest, "mean": total / max(count, 1)}
            for overlap, (largest, total, count) in found.items()
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs=3, action="append", required=True, metavar=("MODEL", "PROTOCOL", "FOLDER"))
    parser.add_argument("--limit", type=int, default=6, help="images per model")
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    torch.set_grad_enabled(False)
    write_json(
        given.out,
        {
            "command": f"python benchmarks/studies/overlap.py {shlex.join(sys.argv[1:])}",
            "tile": given.tile,
            "models": [measured(*of, given.limit, given.tile) for of in given.of],
        },
    )


if __name__ == "__main__":
    main()
