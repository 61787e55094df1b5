"""Compare training in bf16 and in fp32: the same runs in both precisions.

    python benchmarks/studies/precision.py --train bsds500/train --validation bsds500/val \\
        -o docs/results/precision-training.json

Trains the published architecture by a reduced recipe denoise-gray in both precisions from the same weights, patches
and noise, with batch norm and without. Then measures the last weights in fp32 on the validation images. --folder keeps
the runs: rerun the command to resume.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.data.splits import resolve_splits
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.inference.restorer import load
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.training.run_device import choose_device
from clearer.training.validation import Validation

NORMS, PRECISIONS = ("none", "batch"), ("fp32", "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--limit", type=int, default=32, help="validation images")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=20, help="epochs of 100 steps")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("precision"), help="folder of the runs")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    plans = {
        (norm, seed, precision): plan_of(given, norm, seed, precision)
        for norm in NORMS
        for seed in range(given.seeds)
        for precision in PRECISIONS
    }
    console = Console(stderr=True)
    carry_out(list(plans.values()), jobs=default_jobs("cpu", len(plans)), console=console)
    recipe = next(iter(plans.values())).recipe
    splits = resolve_splits(recipe.data, channels=1, patch=64, seed=0, say=console.print)
    held_out = Validation(
        read_images(splits.validation, recipe.network.channels),
        recipe.data.degradation,
        crop=256,
        device=choose_device("cpu"),
    )
    values = {key: held_out.measure(load(plan.run.last_weights, "cpu", "fp32")) for key, plan in plans.items()}
    rows = []
    for norm in NORMS:
        pairs = [[values[norm, seed, precision] for precision in PRECISIONS] for seed in range(given.seeds)]
        rows.append(
            {
                "norm": norm,
                "fp32": [round(a, 3) for a, _ in pairs],
                "bf16": [round(b, 3) for _, b in pairs],
                "difference": round(statistics.mean(b - a for a, b in pairs), 3),
                "seconds": {
                    precision: [seconds(plans[norm, seed, precision]) for seed in range(given.seeds)]
                    for precision in PRECISIONS
                },
            }
        )
    write_json(
        given.out,
        {
            "command": f"python benchmarks/studies/precision.py {shlex.join(sys.argv[1:])}",
            "steps": given.epochs * 100,
            "width": given.width,
            "input_psnr": round(held_out.input_psnr, 2),
            "rows": rows,
        },
    )


def plan_of(given: argparse.Namespace, norm: str, seed: int, precision: str) -> Plan:
    settings: dict[str, Any] = {
        "architecture": "FPPF-FFFF-PFFP",
        "precision": precision,
        "network.width": given.width,
        "network.norm": norm,
        "train.batch": given.batch,
        "train.epochs": given.epochs,
        "train.optimizer.warmup_epochs": 1,
        "train.validate_every": given.epochs,
        "train.validation_images": 1,
        "data.train": given.train,
        "data.validation": given.validation,
        "data.limit_validation": given.limit,
        "evaluate.protocols": [],
        "evaluate.samples": 0,
    }
    recipe: Recipe = load_recipe("denoise-gray", settings)
    name = f"{norm}-{precision}-seed{seed}"
    recipe = dataclasses.replace(recipe, name=name, train=dataclasses.replace(recipe.train, seed=seed))
    return Plan(name, recipe, given.folder / name, "train")


def seconds(plan: Plan) -> float:
    return plan.run.train.read_result()["seconds"]


if __name__ == "__main__":
    main()
