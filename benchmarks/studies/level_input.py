"""Ablate the noise level as an input: the same small network with and without it, told the truth and told wrong.

    python benchmarks/studies/level_input.py --train bsds500/train --validation bsds500/val \\
        --names docs/val_without_bsd68.txt -o docs/results/level-input.json

Trains the network of a recipe at a small width on white noise of any level and on the recipe's mixture, each without
and with the input, from the same initial weights: after short trainings, other initial weights change the PSNR by more
than the input does. Measures PSNR in dB on center crops of validation images: without the input, and with it for the
estimated level, the true one (RMS of degraded minus clean), and half and double of the true one.
"""

from __future__ import annotations

import argparse
import math
import shlex
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.data.splits import resolve_splits
from clearer.evaluation.metrics import psnr
from clearer.evaluation.protocols import parse_protocol
from clearer.images.pixels import center_crop
from clearer.images.tensors import to_batch
from clearer.inference.restorer import Restorer, load
from clearer.network.network import RestorationNetwork
from clearer.noise.level import estimate_level
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.trainer import train
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights

RECIPE = "denoise-photo"
WHITE = {"data.degradation.kind": "gaussian", "data.degradation.sigma": [0, 75]}
TRAININGS: dict[str, dict[str, Any]] = {"white noise": WHITE, "mixture": {}}
PROTOCOLS = (
    "color-awgn-5",
    "color-awgn-15",
    "color-awgn-25",
    "color-awgn-50",
    "color-gray-noise-25",
    "color-correlated-25",
    "color-poisson-60",
    "camera-1600",
    "camera-6400",
)
FACTORS = {"true": 1.0, "half": 0.5, "double": 2.0}
CROP = 192


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--names", help="file of the names of the validation images to use")
    parser.add_argument("--limit", type=int, default=8, help="validation images")
    parser.add_argument("--width", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=8, help="epochs of 100 steps")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the batches")
    parser.add_argument("--processes", type=int, default=2, help="trainings that run at once, on a thread each")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    started = time.monotonic()
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        rows = [row for part in pool.map(partial(_trained, given), TRAININGS) for row in part]
    write_json(
        given.out,
        {
            "command": f"python benchmarks/studies/level_input.py {shlex.join(sys.argv[1:])}",
            "steps": given.epochs * 100,
            "batch": given.batch,
            "width": given.width,
            "seed": given.seed,
            "genotype": str(load_recipe(RECIPE).given),
            "images": given.limit,
            "crop": CROP,
            "seconds": round(time.monotonic() - started),
            "rows": rows,
        },
    )


def _settings(given: argparse.Namespace, training: str, condition: str, start: Path) -> dict[str, Any]:
    return {
        "network.width": given.width,
        "network.condition": condition,
        "train.start": str(start),
        "train.watch_start": 0,
        "train.seed": given.seed,
        "train.epochs": given.epochs,
        "train.average": 0.99,
        "train.batch": given.batch,
        "train.patch": 64,
        "train.validate_every": given.epochs,
        "train.validation_images": 2,
        "data.gray_share": 0.0,
        "data.train": given.train,
        "data.validation": given.validation,
        "data.only_validation": given.names,
        "data.limit_validation": given.limit,
        "evaluate.protocols": [],
        "precision": "fp32",
        "device": "cpu",
        **TRAININGS[training],
    }


def _trained(given: argparse.Namespace, training: str) -> list[dict[str, Any]]:
    """Train without and with the input on one kind of noise; return the measured rows."""
    torch.set_num_threads(1)
    console = Console(stderr=True)
    models: dict[str, Restorer] = {}
    clean: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        start = Path(folder) / "start.safetensors"
        for condition in ("none", "level"):
            recipe = load_recipe(RECIPE, _settings(given, training, condition, start))
            architecture = recipe.given
            assert architecture is not None
            if condition == "none":
                torch.manual_seed(given.seed)
                save_weights(start, RestorationNetwork(architecture), ModelCard())
                splits = resolve_splits(recipe.data, channels=3, patch=64, seed=0, say=console.print)
                images, validation = (read_images(part, 3) for part in (splits.train, splits.validation))
                clean = [np.ascontiguousarray(center_crop(image, CROP, CROP)) for image, _ in validation]
            context = RunContext.of(recipe, RunFolder(Path(folder) / condition), images, validation, console=console)
            train(recipe, architecture, context)
            models[condition] = load(context.folder.last_weights, "cpu", "fp32")
    rows = []
    for protocol in PROTOCOLS:
        rows.append({"trained_on": training, "protocol": protocol, **_measured(models, clean, protocol)})
        console.print(rows[-1])
    return rows


def _measured(models: dict[str, Restorer], clean: list[np.ndarray], protocol: str) -> dict[str, float]:
    """Return the mean PSNR of the degraded images and of each way to restore them, and the mean levels."""
    degradation = parse_protocol(protocol).degradation
    found: dict[str, list[float]] = {}

    def note(key: str, restored: torch.Tensor, target: torch.Tensor) -> None:
        found.setdefault(key, []).append(psnr(restored.clamp(0, 1), target).item())

    for k, image in enumerate(clean):
        target = to_batch(image).float() / 255
        degraded = to_batch(degradation.degrade_image(image, 0, k))
        level = float((degraded - target).square().mean().sqrt()) * 255
        note("input", degraded, target)
        note("without", models["none"](degraded), target)
        estimated = float(estimate_level(degraded)) * 255
        note("estimated", models["level"](degraded, level=estimated), target)
        for key, factor in FACTORS.items():
            note(key, models["level"](degraded, level=level * factor), target)
        found.setdefault("level_true", []).append(level)
        found.setdefault("level_estimated", []).append(estimated)
    return {key: round(statistics.mean(values), 2) for key, values in found.items() if math.isfinite(sum(values))}


if __name__ == "__main__":
    main()
