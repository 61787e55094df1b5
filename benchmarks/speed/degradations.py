"""Time every kind of degradation, with its defaults, on a training batch on one core.

    python benchmarks/speed/degradations.py [KIND ...] [--batch 16] [--side 96] [--json FILE]

Prints the median and the least CPU time of a batch in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from clearer.degradations.registry import DEGRADATIONS

REPEATS = 20


def milliseconds(kind: str, batch: int, side: int) -> dict[str, float]:
    """Return the median and the least CPU time of degrading one batch of color patches."""
    generator = torch.Generator().manual_seed(0)
    small = torch.rand(batch, 3, side // 8, side // 8, generator=generator)
    clean = torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic").clamp(0, 1)
    how = DEGRADATIONS.get(kind)()
    times = []
    for _ in range(REPEATS):
        began = time.thread_time()
        how.apply(clean, generator)
        times.append((time.thread_time() - began) * 1000)
    return {"median": round(statistics.median(times), 1), "least": round(min(times), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="kinds to time (default: all)")
    parser.add_argument("--batch", type=int, default=16, help="patches in a batch")
    parser.add_argument("--side", type=int, default=96, help="side of a patch in pixels")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for kind in options.kinds or DEGRADATIONS:
        if not DEGRADATIONS.get(kind).needs_pairs:
            found[kind] = milliseconds(kind, options.batch, options.side)
            print(f"{kind:18} {found[kind]['median']:6} {found[kind]['least']:6}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
