"""Measure what early stopping would have saved in finished searches, and whether the genotype is the same.

    python benchmarks/studies/stopping.py RUN [RUN ...] -o docs/results/stopping.json

Reads the mixing weights that each search logged at the end of every epoch, which `search.stop_gap` and
`search.stop_steps` use too. Runs no search.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from pathlib import Path
from typing import Any

from clearer.core.files import write_json
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders with a finished search")
    parser.add_argument("--gaps", nargs="+", type=float, default=[0.1, 0.2, 0.3, 0.4, 0.5])
    parser.add_argument("--steps", type=int, default=500, help="architecture steps without a change of the genotype")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    searches = []
    for run in given.runs:
        lines = RunFolder(run).search.read_metrics()
        changes = [b["arch_step"] for a, b in itertools.pairwise(lines) if genotype_of(a) != genotype_of(b)]
        searches.append(
            {
                "run": run.name,
                "minutes": round(lines[-1]["seconds"] / 60),
                "architecture_steps": lines[-1]["arch_step"],
                "last_change": changes[-1] if changes else 0,
                "rows": [{"gap": gap, **stopped(lines, gap, given.steps)} for gap in given.gaps],
            }
        )
    command = f"python benchmarks/studies/stopping.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "steps": given.steps, "searches": searches})


def genotype_of(line: EpochLine) -> str:
    return "".join("PF"[b > a] for a, b in line["mixing_weights"])


def stopped(lines: list[EpochLine], gap: float, steps: int) -> dict[str, Any]:
    """Return the share of the seconds that would be saved, and whether the genotype equals the final one."""
    since: int | None = None
    for before, line in itertools.pairwise(lines):
        if line["gap"] < gap:
            since = None
            continue
        if since is None or genotype_of(before) != genotype_of(line):
            since = line["arch_step"]
        if line["arch_step"] - since >= steps:
            saved = 1 - line["seconds"] / lines[-1]["seconds"]
            same = genotype_of(line) == genotype_of(lines[-1])
            return {"arch_step": line["arch_step"], "saved": round(saved, 3), "same_genotype": same}
    return {"arch_step": None, "saved": 0.0, "same_genotype": None}


if __name__ == "__main__":
    main()
