"""Compare the network that another way of searching chose with those of a verdict, trained and measured alike.

    python benchmarks/studies/search_ways.py runs/equal runs/slim --test bsd68 -o docs/results/search-ways.json

The first run has a search within one budget and its verdict, `clearer verdict RUN --space macro`; the second one a
search within the same budget in another way, such as `--search slimmable`. Its choice is trained as the verdict trained
the choice of the first one: by the same recipe, for as many steps, with the same seeds. Rerun the command to resume.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from clearer.core.files import read_json, write_json
from clearer.evaluation.intervals import paired_difference
from clearer.experiments import macro_verdict
from clearer.experiments.runner import carry_out, default_jobs
from clearer.experiments.search_candidates import precision_of_search
from clearer.experiments.search_choice import Choice
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.runs.layout import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("run", type=Path, help="run with a search within one budget and its verdict")
    parser.add_argument("other", type=Path, help="run with another search within this budget")
    parser.add_argument("--test", required=True, help="the test images of the verdict")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    command = f"python benchmarks/studies/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, **compared(RunFolder(given.run), RunFolder(given.other), given.test)})


def compared(run: RunFolder, other: RunFolder, test: str) -> dict[str, Any]:
    """Train and measure the choice of the other search; return its figures and the differences."""
    verdict: Any = read_json(run.verdict / "macro-verdict.json")
    (budget,) = verdict["latencies"]
    network = Architecture.parse(Choice.read(other.budget / "choice.json").architecture)
    recipe, out = run.read_recipe(), run.verdict / "other"
    plans = [
        macro_verdict._plan(recipe, "other", network, seed, verdict["steps"], out) for seed in range(verdict["seeds"])
    ]
    carry_out(plans, jobs=default_jobs(recipe.device, len(plans)), console=Console(stderr=True))
    scores = [macro_verdict._test_scores(plan, recipe.device, test, verdict["protocols"], out) for plan in plans]
    size, precision = Budget.parse(budget["budget"]).size, precision_of_search(run, recipe)
    differences = {}
    for arm in budget["arms"]:
        found = paired_difference(np.array(scores), np.array(arm["per_image"]))
        differences[arm["architecture"]] = {"kind": arm["kind"], **macro_verdict._interval(found)}
    return {
        "architecture": network.text,
        "milliseconds": macro_verdict._milliseconds(network, size, recipe.device, precision, out),
        "macs_per_pixel": macs_per_pixel(network),
        "steps": verdict["steps"],
        "validation": [plan.run.train.read_result("last_psnr")["last_psnr"] for plan in plans],
        "test": [float(np.mean(each)) for each in scores],
        "differences": differences,
        "per_image": [each.tolist() for each in scores],
    }


if __name__ == "__main__":
    main()
