"""Measure what a short training of a search buys: PSNR after equal seconds, by batch, patch and learning rate.

    python benchmarks/studies/short_training.py denoise-gray --train bsds500/train --validation bsds500/val \\
        --seconds 120 --settings 16:64:1 8:64:1 32:32:1 -o docs/results/short-training.json

A setting is BATCH:PATCH:RATE, the rate as a multiple of that of a search. Every network is trained with each setting,
on one thread, from one seed, for as many steps as take the seconds of the processor.
"""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from clearer.core.files import write_json
from clearer.experiments.runner import Plan
from clearer.experiments.short_training import end_of, psnr_of, short
from clearer.inference.latency_table import device_name
from clearer.network.architecture import Architecture
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe, recipe_from_dict
from clearer.recipe.schema import Recipe

NETWORKS = (
    "FPFF-FFFF@channels=1,width=32,norm=none,residual,unshuffle=2",
    "PPPP@channels=1,width=48,norm=none,residual,unshuffle=2,topology=unet",
)
FEW = (2, 2, 42)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--settings", nargs="+", default=["16:64:1"])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = {"data.train": given.train, "data.validation": given.validation}
    rows: list[dict[str, Any]] = []
    for setting in given.settings:
        batch, patch, rate = setting.split(":")
        recipe = load_recipe(given.recipe, {**images, "train.batch": int(batch), "train.patch": int(patch)})
        for network in given.networks:
            for seed in range(given.seeds):
                row = trained(recipe, Architecture.parse(network), seed, float(rate), given.seconds)
                rows.append({"setting": setting, "network": network, "seed": seed, **row})
                print(rows[-1], flush=True)
    command = f"python benchmarks/studies/short_training.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "processor": device_name(torch.device("cpu")), "rows": rows})


def trained(recipe: Recipe, network: Architecture, seed: int, rate: float, seconds: float) -> dict[str, Any]:
    """Train for about the seconds; return the validation PSNR, the steps, and processor seconds of a step."""
    with tempfile.TemporaryDirectory() as folder:
        brief = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, validation_images=1))
        spent = []
        for number, steps in enumerate(FEW):
            began = time.process_time()  # other processes do not count
            run(with_rate(short(brief, network, seed, steps), rate), Path(folder) / f"timing-{number}", steps)
            spent.append(time.process_time() - began)
        step = (spent[2] - spent[1]) / (FEW[2] - FEW[1])  # the first has loaded what all need
        steps = max(100, round(seconds / step / 100) * 100)
        psnr = run(with_rate(short(recipe, network, seed, steps), rate), Path(folder) / "run", steps)
        return {"psnr": psnr, "steps": steps, "seconds_per_step": step, "seconds_besides": spent[1] - FEW[1] * step}


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """Return the recipe with its learning rate times ``rate``."""
    optimizer = recipe.train.optimizer
    changed = dataclasses.replace(optimizer, lr=rate * optimizer.lr, lr_final=rate * optimizer.lr_final)
    return recipe_from_dict(
        dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, optimizer=changed)).to_dict()
    )


def run(recipe: Recipe, folder: Path, steps: int) -> float:
    """Carry out a training; return the validation PSNR at its end."""
    fit(recipe, folder, stages=("train",), console=Console(quiet=True))
    end = end_of(Plan("short", recipe, folder, "train"), steps)
    assert end is not None
    return psnr_of(end)


if __name__ == "__main__":
    main()
