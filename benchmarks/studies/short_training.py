"""Measure what a short training of a search buys: PSNR after equal seconds, by batch, patch and learning rate.

    python benchmarks/studies/short_training.py denoise-gray --train bsds500/train --validation bsds500/val \\
        --only-validation docs/val_without_bsd68.txt --seconds 120 --settings 16:64:1 8:64:1 32:32:1 \\
        -o docs/results/short-training.json

A setting is BATCH:PATCH:RATE, the rate as a multiple of that of a search. Every network is trained with each setting,
on one thread, from one seed, for as many steps as take the seconds of the processor.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from brief_training import begun, options, recipe_of, trained_psnr

from clearer.core.files import write_json
from clearer.experiments.short_training import short
from clearer.inference.latency_table import device_name
from clearer.network.architecture import Architecture
from clearer.recipe.load import recipe_from_dict
from clearer.recipe.schema import Recipe

NETWORKS = (
    "FPFF-FFFF@channels=1,width=32,norm=none,residual,unshuffle=2",
    "PPPP@channels=1,width=48,norm=none,residual,unshuffle=2,topology=unet",
)
FEW = (2, 2, 42)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--settings", nargs="+", default=["16:64:1"])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=1)
    given = begun(parser)
    rows: list[dict[str, Any]] = []
    for setting in given.settings:
        batch, patch, rate = setting.split(":")
        recipe = recipe_of(given, batch=int(batch), patch=int(patch))
        for network in given.networks:
            for seed in range(given.seeds):
                row = trained(recipe, Architecture.parse(network), seed, float(rate), given.seconds)
                rows.append({"setting": setting, "network": network, "seed": seed, **row})
                print(rows[-1], flush=True)
    processor = device_name(torch.device("cpu"))
    write_json(given.out, {"command": given.command, "processor": processor, "rows": rows})


def trained(recipe: Recipe, network: Architecture, seed: int, rate: float, seconds: float) -> dict[str, Any]:
    """Train for about the seconds; return the validation PSNR, the steps, and processor seconds of a step."""
    with tempfile.TemporaryDirectory() as folder:
        brief = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, validation_images=1))
        spent = []
        for number, steps in enumerate(FEW):
            began = time.process_time()  # other processes do not count
            trained_psnr(with_rate(short(brief, network, seed, steps), rate), Path(folder) / f"timing-{number}", steps)
            spent.append(time.process_time() - began)
        step = (spent[2] - spent[1]) / (FEW[2] - FEW[1])  # the first has loaded what all need
        steps = max(100, round(seconds / step / 100) * 100)
        psnr = trained_psnr(with_rate(short(recipe, network, seed, steps), rate), Path(folder) / "run", steps)
        return {"psnr": psnr, "steps": steps, "seconds_per_step": step, "seconds_besides": spent[1] - FEW[1] * step}


def with_rate(recipe: Recipe, rate: float) -> Recipe:
    """Return the recipe with its learning rate times ``rate``."""
    optimizer = recipe.train.optimizer
    changed = dataclasses.replace(optimizer, lr=rate * optimizer.lr, lr_final=rate * optimizer.lr_final)
    return recipe_from_dict(
        dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, optimizer=changed)).to_dict()
    )


if __name__ == "__main__":
    main()
