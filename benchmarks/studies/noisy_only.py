"""Noisy images alone against clean ones: the same network, trained for the same processor time, and classical filters.

    python benchmarks/studies/noisy_only.py bsd68 --seconds 300
    python benchmarks/studies/noisy_only.py w2s --seconds 300

The environment variable CLEARER_SHARED names the folder of the images.
``bsd68``: the training and test images of BSDS500 in gray, each degraded once by sigma 25 and saved as an 8-bit file.
The noisy runs, one for each loss, have these files alone; the supervised one has the clean images and fresh noise.
Validation: the images of BSDS500 val that are not in BSD68. ``w2s``: the noisy folder of W2S against its pairs; every
sixth field of view validates. The test images are measured once, at the end. Results are
added to docs/results/noisy-only.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from clearer.core.files import write_json
from clearer.data.folders import find_items
from clearer.data.items import Item, read_item
from clearer.data.splits import Splits
from clearer.evaluation.evaluate import evaluate
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image, write_image
from clearer.inference.restorer import load
from clearer.methods.base import Method, as_restore
from clearer.methods.registry import METHODS
from clearer.noise.profile import profile_images
from clearer.pipeline.fit import fit
from clearer.pipeline.noisy import with_measured_noise
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.trainer import WeightTraining

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "noisy-only.json"
SIGMA = 25
STEPS = 25
"""Steps of an epoch: the learning rate changes from epoch to epoch."""


def noisy_files(sources: list[Path], folder: Path) -> None:
    """Write each image in gray with noise of a fixed seed, 8 bits, unless it is there."""
    for path in sources:
        target = folder / f"{path.parent.name}-{path.stem}.png"
        if not target.exists():
            clean = read_image(path, 1).astype(np.float64)
            seed = [ord(letter) for letter in target.stem]
            noisy = clean + np.random.default_rng(seed).normal(0, SIGMA, clean.shape)
            write_image(target, np.clip(noisy, 0, 255).round().astype(np.uint8))


def copied(sources: list[Path], folder: Path, channels: int | None = None) -> None:
    """Copy images as PNG files, the names as in `noisy_files`."""
    for path in sources:
        target = folder / f"{path.parent.name}-{path.stem}.png"
        if not target.exists():
            write_image(target, read_image(path, channels))


def prepare_bsd68(shared: Path, work: Path, limit: int | None) -> dict[str, dict[str, Any]]:
    """Write the files; return the settings of the two runs and where the test pairs are."""
    images = shared / "data" / "bsds500"
    train = sorted([*(images / "train").iterdir(), *(images / "test").iterdir()])[:limit]
    stems = {Path(name).stem for name in (ROOT / "docs" / "val_without_bsd68.txt").read_text().split()}
    validation = sorted(path for path in (images / "val").iterdir() if path.stem in stems)
    test = sorted((shared / "data" / "bsd68").glob("*.png"))[:limit]
    for part, sources in (("train", train), ("validation", validation), ("test", test)):
        noisy_files(sources, work / part / "noisy")
        copied(sources, work / part / "clean", 1)
    noisy = {"data.folder": str(work / "train/noisy"), "data.validation": str(work / "validation/noisy")}
    clean = {
        "data.train": str(work / "train/clean"),
        "data.validation": str(work / "validation/clean"),
        "data.degradation.kind": "gaussian",
        "data.degradation.sigma": SIGMA,
        "data.degradation.clip8": True,
    }
    return {"noisy": noisy, "supervised": clean}


def prepare_w2s(shared: Path, work: Path, limit: int | None) -> dict[str, dict[str, Any]]:
    """Write the files; return the settings of the two runs."""
    for part, kind in (("train", "noisy"), ("train", "truth"), ("val", "noisy"), ("val", "truth")):
        for path in sorted((shared / "data" / "microscopy_w2s" / part / kind).glob("*.png"))[:limit]:
            held_out = int(path.stem.split("_")[0]) % 18 == 1
            name = "test" if part == "val" else "validation" if held_out else "train"
            target = work / name / ("clean" if kind == "truth" else kind) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(path, target)
    noisy = {"data.folder": str(work / "train/noisy"), "data.validation": str(work / "validation/noisy")}
    pairs = {"data.train": str(work / "train"), "data.validation": str(work / "validation"), "data.leaks": "drop"}
    return {"noisy": noisy, "supervised": pairs}


def recipe_of(kind: str, settings: dict[str, Any], epochs: int | None = None) -> Recipe:
    """Return the recipe of a run: that of noisy images with the loss ``kind``, or the same one with ground truth."""
    common = {"train.steps_per_epoch": STEPS, "evaluate.protocols": [], "train.validation_images": 8}
    if epochs is not None:
        common |= {"train.epochs": epochs, "train.validate_every": max(1, epochs // 3)}
    if kind == "supervised":
        with_truth = {"data.layout": "auto", "train.loss": "mse", "train.batch": 8}
        return load_recipe("noisy-gray", {**with_truth, **common, **settings})
    # a step of Neighbor2Neighbor sees a quarter of the pixels, one of SURE a quarter of the patches twice
    batch = 16 if "neighbor2neighbor" in kind or kind == "sure" else 8
    return load_recipe("noisy-gray", {"train.loss": kind, "train.batch": batch, **common, **settings})


def seconds_per_step(recipe: Recipe, out: Path) -> float:
    """Return the processor time of a training step, the mean of 10 over the course of the training, after 3."""
    items = find_items(next(path for path in (recipe.data.folder, recipe.data.train) if isinstance(path, str)))[:8]
    images = [read_item(item) for item in items]
    noisy = recipe.data.layout == "noisy"
    training = [(None, a) for a, _ in images] if noisy else images
    held_out = [(images[0][0], images[0][1])]
    context = RunContext.of(recipe, RunFolder(out), training, held_out)
    if noisy:
        context = with_measured_noise(context, recipe, Splits(items, items[:1], []))
    assert recipe.given is not None
    job = WeightTraining(recipe, recipe.given, context)
    for step in range(3):
        job.step(step)
    begun = time.process_time()
    for tenth in range(10):
        job.step((2 * tenth + 1) * job.steps // 20)
    return (time.process_time() - begun) / 10


def gaussian_blur(x: Tensor) -> Tensor:
    """Return the image blurred by a Gaussian of 2 pixels."""
    from scipy.ndimage import gaussian_filter

    return to_batch(gaussian_filter(to_array(x), (2, 2, 0), mode="mirror").astype(np.float32))


def at_estimated_level(method: Method) -> Callable[[Tensor], Tensor]:
    """Return a method that gets the level measured on each image."""

    def restore(x: Tensor) -> Tensor:
        image = np.ascontiguousarray(to_array(x))
        return as_restore(method, 255 * profile_images([image]).level)(x)

    return restore


def scores(work: Path, models: dict[str, Path], items: list[Item], also: list[str]) -> dict[str, dict[str, Any]]:
    """Measure the models and the classical filters on the test pairs."""
    restored: dict[str, Callable[[Tensor], Tensor]] = {name: load(path, "cpu", "fp32") for name, path in models.items()}
    restored["Gaussian blur of 2 pixels"] = gaussian_blur
    for name in also:
        restored[f"{METHODS.get(name)().name}, estimated level"] = at_estimated_level(METHODS.get(name)())
    found = {}
    for name, restore in restored.items():
        result = evaluate(restore, items, "pairs-gray")
        each = [score["psnr"] for score in result.per_image]
        found[name] = {"psnr": result.psnr, "ssim": result.ssim, "input_psnr": result.input_psnr, "each": each}
        print(f"{name}: {result.psnr:.2f} dB", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("bsd68", "w2s"))
    parser.add_argument("--seconds", type=float, default=600, help="processor time of each training")
    parser.add_argument("--work", type=Path, default=Path("noisy-only"))
    parser.add_argument("--limit", type=int, help="images of each part")
    parser.add_argument(
        "--losses", nargs="*", default=["neighbor2neighbor", "neighbor2neighbor+sure"], help="for noisy images"
    )
    parser.add_argument("--only", metavar="NAME", help="train with one loss, or 'supervised'; measure nothing")
    parser.add_argument("--classical", nargs="*", default=["nlm", "bm3d"])
    parser.add_argument("-o", "--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shared, work = Path(os.environ["CLEARER_SHARED"]), options.work / options.data
    prepare = {"bsd68": prepare_bsd68, "w2s": prepare_w2s}[options.data]
    settings = prepare(shared, work, options.limit)
    runs, models = {}, {}
    for kind in [*options.losses, "supervised"] if options.only is None else [options.only]:
        images = settings["supervised" if kind == "supervised" else "noisy"]
        out, plan = work / f"run-{kind}", work / f"run-{kind}.json"
        if not plan.exists():  # the number of steps is kept, so that a rerun resumes
            step = seconds_per_step(recipe_of(kind, images), work / "timing")
            write_json(plan, {"seconds_per_step": step, "epochs": max(2, round(options.seconds / step / STEPS))})
        planned = json.loads(plan.read_text())
        run = fit(recipe_of(kind, images, planned["epochs"]), out, console=Console(stderr=True))
        models[kind if kind == "supervised" else f"noisy images, {kind}"] = out / "model.safetensors"
        runs[kind] = {**planned, "train": run.result["train"], "macs_per_pixel": run.result["macs_per_pixel"]}
    if options.only is not None:
        return
    items = find_items(work / "test")
    result = {
        "command": shlex.join(["python", "benchmarks/studies/noisy_only.py", *sys.argv[1:]]),
        "runs": runs,
        "test": scores(work, models, items, options.classical),
    }
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    write_json(options.out, {**known, options.data: result})


if __name__ == "__main__":
    main()
