"""Print a file of speed.py as a table, and what the published search takes by its measured steps.

python benchmarks/speed/speed_table.py gpu-speed.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WEIGHT_STEPS, ARCHITECTURE_STEPS = 10_000, 9_500


def main() -> None:
    value = json.loads(Path(sys.argv[1]).read_text())
    lines = {line["work"]: line for line in value["lines"]}
    first = value["lines"][0]
    print(f"{first['device']}, torch {first['torch']}, width {first['width']}")
    print(f"{'work':<18} {'ours':>12} {'GFLOP/s':>10} {'of ceiling':>11} {'reference':>12} {'faster':>7} {'MiB':>7}")
    for name, line in lines.items():
        ours, share = line["ours"], line.get("share_of_ceiling")
        print(
            f"{name:<18} {1e3 * ours['seconds']:>9.1f} ms {ours.get('gflops', 0):>10,.0f}"
            f" {'' if share is None else f'{100 * share:.0f} %':>11} {1e3 * line['reference']['seconds']:>9.1f} ms"
            f" {line['ratio_to_reference']:>7.2f} {ours['peak_mib']:>7,}"
        )
    if {"weight-step", "architecture-step"} <= set(lines):
        steps = [lines[name]["ours"]["seconds"] for name in ("weight-step", "architecture-step")]
        minutes = (WEIGHT_STEPS * steps[0] + ARCHITECTURE_STEPS * steps[1]) / 60
        print(
            f"the published search, extrapolated from these steps: {minutes:,.1f} minutes"
            f" ({WEIGHT_STEPS:,} weight and {ARCHITECTURE_STEPS:,} architecture steps, width {first['width']})"
        )


if __name__ == "__main__":
    main()
