"""Compare the predicted latency of random networks of one cost with the measured one.

    python benchmarks/studies/latency_table.py --at 1mp --kmac 45 --networks 30 -o docs/results/latency-table.json

The networks are drawn as a search draws them. Nothing else may run meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

import torch

from clearer.core.files import write_json
from clearer.inference.budget import ImageSize
from clearer.inference.latency_table import LatencyTable
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.latency import measure_latency
from clearer.search.macro_space import sampled
from clearer.search.ranking import rank_correlation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", default="1mp", help="size of the image")
    parser.add_argument("--kmac", type=float, default=45, help="cost of the networks, kMAC/pixel")
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", default="bf16", help="fp32 or bf16 (default)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    size = ImageSize.parse(given.at)
    table = LatencyTable(size, precision=given.precision)
    fields = {"channels": 1, "norm": "none", "residual": True, "condition": "level"}
    rows: list[dict[str, Any]] = []
    for network in itertools.islice(sampled(macs_per_pixel, 1000 * given.kmac, given.seed, **fields), given.networks):
        predicted = table.milliseconds(network)
        measured = measure_latency(network, at=size, precision=table.precision, seconds=1)["milliseconds"]
        macs = macs_per_pixel(network)
        rows.append(
            {"architecture": network.text, "predicted": predicted, "measured": measured, "macs_per_pixel": macs}
        )
        print(f"{predicted:7.1f} ms predicted, {measured:7.1f} ms measured  {network.text}", flush=True)
    errors = [abs(row["predicted"] / row["measured"] - 1) for row in rows]
    measured_all = [row["measured"] for row in rows]
    result = {
        "command": f"python benchmarks/studies/latency_table.py {shlex.join(sys.argv[1:])}",
        "at": [size.width, size.height],
        "valid_for": table.valid_for,
        "pieces": len(table.times),
        "median_error": statistics.median(errors),
        "worst_error": max(errors),
        "rank_correlation": rank_correlation([row["predicted"] for row in rows], measured_all),
        "rank_correlation_of_macs": rank_correlation([row["macs_per_pixel"] for row in rows], measured_all),
        "rows": rows,
    }
    write_json(given.out, result)
    print({key: value for key, value in result.items() if key != "rows"})


if __name__ == "__main__":
    main()
