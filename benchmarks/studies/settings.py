"""Compare the settings of our recipes with the paper's: one change at a time, equal steps.

    python benchmarks/studies/settings.py denoise-gray --train FOLDER --validation FOLDER -o OUT.json

Trains the published architecture by a reduced recipe with a Charbonnier loss and averaged weights (the candidate),
then again with one setting of the paper each. Reports PSNR on the validation images. Reads no test images.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.data.splits import resolve_splits
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.trainer import train

PAPER: dict[str, dict[str, Any]] = {
    "the candidate": {},
    "batch norm, as published": {"network.norm": "batch"},
    "no global residual, as published": {"network.residual": False},
    "batch norm and no global residual": {"network.norm": "batch", "network.residual": False},
    "mean squared error, as published": {"train.loss": "mse"},
    "no averaged weights, as published": {"train.average": 0.0},
    "the paper's optimizer (Adam, no warm-up)": {
        "train.optimizer.kind": "adam",
        "train.optimizer.weight_decay": 0.0,
        "train.optimizer.warmup_epochs": 0,
        "train.optimizer.lr_final": 0.0,
        "train.optimizer.clip": 5.0,
    },
}
PAPER_RATE = {"denoise-gray": 0.01, "derain": 0.002}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=sorted(PAPER_RATE))
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation")
    parser.add_argument("--limit", type=int, default=32, help="validation images")
    parser.add_argument("--limit-train", type=int, default=200)
    parser.add_argument("--layout", default="auto")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=6, help="epochs of 100 steps")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="rows to run, counted from 0 (default: all)")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    base: dict[str, Any] = {
        "architecture": "FPPF-FFFF-PFFP",
        "network.width": given.width,
        "train.epochs": given.epochs,
        # As the recipes were when docs/notebook/recipe-settings.md was measured.
        "train.optimizer.kind": "adamw",
        "train.optimizer.warmup_epochs": 1,
        "train.loss": "charbonnier",
        "train.average": 0.99,
        "train.validate_every": given.epochs,
        "data.train": given.train,
        "data.layout": given.layout,
        "data.leaks": "drop",
        "data.limit_train": given.limit_train,
        "data.limit_validation": given.limit,
        "data.fractions": [0.6, 0.2, 0.2],
    }
    if given.validation:
        base["data.validation"] = given.validation
    console = Console(stderr=True)
    recipe = load_recipe(given.recipe, base)
    splits = resolve_splits(recipe.data, channels=recipe.network.channels, patch=64, seed=0, say=console.print)
    training, validation = (read_images(part, recipe.network.channels) for part in (splits.train, splits.validation))
    rows = []
    for number, (name, change) in enumerate(PAPER.items()):
        if given.only and number not in given.only:
            continue
        if "optimizer" in name:
            change = {**change, "train.optimizer.lr": PAPER_RATE[given.recipe]}
        changed = load_recipe(given.recipe, {**base, **change})
        values, seconds, source = [], [], 0.0
        for seed in range(given.seeds):
            one = dataclasses.replace(changed, seed=seed)
            architecture = one.given
            assert architecture is not None
            with tempfile.TemporaryDirectory() as folder:
                context = RunContext.of(one, RunFolder(Path(folder)), training, validation, console=console)
                result = train(one, architecture, context)
            values.append(round(result["last_psnr"], 3))
            seconds.append(result["seconds"])
            source = result["input_psnr"]
        console.print(name, values)
        mean = round(statistics.mean(values), 2)
        rows.append({"setting": name, "psnr": mean, "per_seed": values, "seconds": round(statistics.mean(seconds))})
    write_json(
        given.out,
        {
            "command": f"python benchmarks/studies/settings.py {shlex.join(sys.argv[1:])}",
            "recipe": given.recipe,
            "steps": given.epochs * 100,
            "width": given.width,
            "images": {part: len(names) for part, names in splits.names().items()},
            "input_psnr": round(source, 2),
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
