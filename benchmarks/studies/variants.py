"""Compare variants of small networks: one change at a time, each trained for the same processor time.

    python benchmarks/studies/variants.py denoise --train bsds500/train bsds500/test --validation bsds500/val \
        --only-validation bsd68/val_without_bsd68.txt --minutes 3 -o docs/results/forms-denoise.json

First estimates from the processor time of a few steps how many fit, and fits the learning rate's schedule to them: a
variant that is twice as fast gets twice the steps. Reports PSNR of the last weights on the validation images in fp32;
for pairs SSIM, too. --test names a test set only to leave out training pairs that show an image of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.data.splits import resolve_splits
from clearer.degradations.gaussian import Gaussian
from clearer.evaluation.metrics import psnr, ssim
from clearer.inference.restorer import load
from clearer.network.cost import macs_per_pixel, parameters
from clearer.recipe.load import load_recipe, parse_override
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.run_device import choose_device
from clearer.training.trainer import train
from clearer.training.validation import Validation

PUBLISHED = "FPPF-FFFF-PFFP"
ADAMW: dict[str, Any] = {"train.optimizer.kind": "adamw", "train.optimizer.lr": 0.002}
MUON: dict[str, Any] = {"train.optimizer.kind": "muon", "train.optimizer.lr": 0.002, "train.optimizer.momentum": 0.95}
UNSHUFFLE: dict[str, Any] = {"network.unshuffle": 2, "network.width": 32}
THREE: dict[str, Any] = {**UNSHUFFLE, "network.scales": 3, "architecture": "FPPF-FFFF"}
BASE: dict[str, Any] = {"network.norm": "none", "network.residual": True, "network.width": 16, "network.unshuffle": 1}
BASE |= {"data.augment": True, "train.loss": "mse", "train.average": 0.0, "train.batch": 16, "train.patch": 64}
RAIN: dict[str, Any] = {**MUON, "data.degradation.kind": "rain"}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "denoise": {
        "AdamW, no norm, residual, width 16": ADAMW,
        "batch norm": {**ADAMW, "network.norm": "batch"},
        "no global residual": {**ADAMW, "network.residual": False},
        "2x2 pixel unshuffle, width 32": {**ADAMW, **UNSHUFFLE},
        "Muon": MUON,
        "Muon at half the rate": {**MUON, "train.optimizer.lr": 0.001},
        "Muon at twice the rate": {**MUON, "train.optimizer.lr": 0.004},
        "Muon, 2x2 pixel unshuffle, width 32": {**MUON, **UNSHUFFLE},
        "Muon, 2x2 pixel unshuffle, width 32, 3 scales": {**MUON, **THREE},
        "Muon, ln(MSE) of each patch": {**MUON, "train.loss": "log-mse"},
        "Muon, Charbonnier": {**MUON, "train.loss": "charbonnier"},
        "Muon, averaged weights": {**MUON, "train.average": 0.995},
        "Muon, patches of 128 pixels, batch 4": {**MUON, "train.patch": 128, "train.batch": 4},
        "Muon, batch 8": {**MUON, "train.batch": 8},
        "Muon, genotype of our search": {**MUON, "architecture": "FFFF-FFFF-PPPF"},
        "Muon, no biases": {**MUON, "network.norm": "bias-free"},
        "Muon, trained on sigma 0 to 50": {**MUON, "data.degradation.sigma": [0.0, 50.0]},
        "Muon, no biases, trained on sigma 0 to 50": {
            **MUON,
            "network.norm": "bias-free",
            "data.degradation.sigma": [0.0, 50.0],
        },
    },
    "derain": {
        "AdamW, no norm, residual, width 16": ADAMW,
        "batch norm": {**ADAMW, "network.norm": "batch"},
        "Muon": MUON,
        "Muon, no global residual": {**MUON, "network.residual": False},
        "Muon, 2x2 pixel unshuffle, width 32, 3 scales": {**MUON, **THREE},
        "Muon, Charbonnier": {**MUON, "train.loss": "charbonnier"},
        "Muon, Charbonnier and SSIM": {**MUON, "train.loss": "charbonnier+ssim"},
        "Muon, patches of 128 pixels, batch 4": {**MUON, "train.patch": 128, "train.batch": 4},
        "Muon, synthetic rain on a fifth": {**RAIN, "data.degradation.share": 0.2},
        "Muon, synthetic rain on half": {**RAIN, "data.degradation.share": 0.5},
        "Muon, genotype of our search": {**MUON, "architecture": "PPPF-FPPF-FPFP"},
        "Muon, from the weights of denoise-gray-50": {**MUON, "train.start": "denoise-gray-50"},
    },
}
RECIPES = {"denoise": "denoise-gray", "derain": "derain"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(VARIANTS))
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--validation")
    parser.add_argument("--only-validation")
    parser.add_argument("--test", help="test set whose images are left out of the training")
    parser.add_argument("--layout", default="auto")
    parser.add_argument("--limit", type=int, default=32, help="number of validation images")
    parser.add_argument("--minutes", type=float, default=3.0, help="minutes per training")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of all variants")
    parser.add_argument("--levels", nargs="*", type=float, default=[15.0, 25.0, 50.0], help="noise levels to measure")
    parser.add_argument("--only", type=int, nargs="*", help="variants to run, counted from 0 (default: all)")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    console = Console(stderr=True)
    everything = {name: recipe_of(given, change) for name, change in VARIANTS[given.task].items()}
    first = next(iter(everything.values()))
    splits = resolve_splits(first.data, channels=first.network.channels, patch=64, seed=0, say=console.print)
    training, validation = (read_images(part, first.network.channels) for part in (splits.train, splits.validation))
    rows: list[dict[str, Any]] = []
    if given.out.exists():  # resume: skip the variants that are done
        before = json.loads(given.out.read_text())
        if before["minutes"] != given.minutes or before["recipe"] != RECIPES[given.task]:
            sys.exit(f"{given.out}: was written with another task or --minutes; choose another file")
        rows = before["rows"]
    for number, (name, recipe) in enumerate(everything.items()):
        if (given.only is not None and number not in given.only) or any(row["setting"] == name for row in rows):
            continue
        row = measured(name, recipe, training, validation, given, console)
        console.print(json.dumps(row))
        rows.append(row)
        write_json(
            given.out,
            {
                "command": f"python benchmarks/studies/variants.py {shlex.join(sys.argv[1:])}",
                "recipe": RECIPES[given.task],
                "minutes": given.minutes,
                "images": {part: len(names) for part, names in splits.names().items()},
                "input": measures(held_out(first, validation, given.levels), lambda x: x),
                "rows": rows,
            },
        )


def recipe_of(given: argparse.Namespace, change: dict[str, Any]) -> Recipe:
    base: dict[str, Any] = {
        **BASE,
        "architecture": PUBLISHED,
        "data.train": given.train if len(given.train) > 1 else given.train[0],
        "data.validation": given.validation,
        "data.test": given.test,
        "data.only_validation": given.only_validation,
        "data.layout": given.layout,
        "data.leaks": "drop",
        "data.limit_validation": given.limit,
        "data.fractions": [0.8, 0.1, 0.1],
        "train.optimizer.warmup_epochs": 1,
        "train.validation_images": 1,
    }
    return load_recipe(RECIPES[given.task], {**base, **dict(map(parse_override, given.set)), **change})


def measured(
    name: str, recipe: Recipe, training: Any, validation: Any, given: argparse.Namespace, console: Console
) -> dict[str, Any]:
    architecture = recipe.given
    assert architecture is not None

    def run(epochs: int, steps: int, seed: int, folder: str) -> float:
        settings = dataclasses.replace(
            recipe.train, epochs=epochs, steps_per_epoch=steps, validate_every=epochs, seed=seed
        )
        changed = dataclasses.replace(recipe, train=settings)
        context = RunContext.of(changed, RunFolder(Path(folder)), training, validation, console=console)
        # Processor time, not wall time: other work on the machine does not count.
        began = time.process_time()
        train(changed, architecture, context)
        return (time.process_time() - began) / torch.get_num_threads()

    with tempfile.TemporaryDirectory() as folder:
        short = run(1, 10, 0, f"{folder}/short")
        long = run(1, 40, 0, f"{folder}/long")
    a_step = (long - short) / 30
    steps = int(given.minutes * 60 / a_step)
    epochs = max(2, steps // 100)
    found: list[dict[str, dict[str, float]]] = []
    seconds = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(run(epochs, 100, seed, folder))
            restorer = load(RunFolder(Path(folder)).last_weights, "cpu", "fp32")
        found.append(measures(held_out(recipe, validation, given.levels), restorer))
    values = {
        measure: {key: [round(one[measure][key], digits) for one in found] for key in found[0][measure]}
        for measure, digits in (("psnr", 3), ("ssim", 4))
    }
    return {
        "setting": name,
        "architecture": str(architecture),
        "kmac": round(macs_per_pixel(architecture) / 1e3, 1),
        "parameters": parameters(architecture),
        "steps": epochs * 100,
        "seconds": [round(s) for s in seconds],
        **values,
    }


def measures(by_name: dict[str, Validation], restore: Callable[[Tensor], Tensor]) -> dict[str, dict[str, float]]:
    """Return PSNR and SSIM of ``restore``, (1, C, H, W) -> the same, for each group of held-out images."""
    values: dict[str, dict[str, float]] = {"psnr": {}, "ssim": {}}
    for key, held in by_name.items():
        made = [(restore(x).float().clamp(0, 1), clean) for x, clean in held.pairs.values()]
        for name, measure in (("psnr", psnr), ("ssim", ssim)):
            values[name][key] = sum(measure(y, clean).item() for y, clean in made) / len(made)
    return values


def held_out(recipe: Recipe, validation: Any, levels: list[float]) -> dict[str, Validation]:
    device = choose_device("cpu")
    if recipe.data.degradation.kind == "gaussian":
        return {
            f"sigma {level:g}": Validation(validation, Gaussian(level), crop=256, device=device) for level in levels
        }
    return {"pairs": Validation(validation, recipe.data.degradation, crop=320, device=device)}


if __name__ == "__main__":
    main()
