"""Train the recipe `microscopy` on real pairs of a fluorescence microscope and compare it with blur and BM3D.

    python benchmarks/studies/microscopy.py --steps 2400 --jobs 3 -o docs/results/microscopy.json

Reads W2S (Zhou et al. 2020), ``data/microscopy_w2s`` of the folder that the environment variable CLEARER_SHARED
names: ``train`` is split by field of view into training and validation images; ``val`` is opened once, at the end,
after the training and after the choice of the blur on the validation images. ``--dry`` measures the validation images
instead. Rows that the file of results has already are kept; ``--again`` measures them again. BM3D needs the package
``bm3d``; it gets the noise level that `clearer.noise.level` estimates. The second BM3D
stabilizes the variance first, by the Poisson-Gaussian noise that `clearer.noise.profile` fits to the image: generalized
Anscombe transform, and its closed-form unbiased inverse (Makitalo and Foi, TIP 2013).
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from clearer.core.files import read_json, write_json
from clearer.data.folders import find_items
from clearer.data.items import Item
from clearer.evaluation.evaluate import Result, evaluate
from clearer.evaluation.pairs import read_for
from clearer.evaluation.protocols import parse_protocol
from clearer.inference.restorer import load
from clearer.methods.bm3d import bm3d
from clearer.noise.level import estimate_level
from clearer.noise.profile import profile_images
from clearer.pipeline.fit import Run, fit
from clearer.runs.layout import RunFolder

PROTOCOL = "pairs-gray"
BLURS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
FRACTIONS = [0.85, 0.1, 0.05]
Restore = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/microscopy"), help="run folder; a rerun resumes")
    parser.add_argument("--steps", type=int, default=1500, help="training steps, a multiple of 50")
    parser.add_argument("--recipe", default="microscopy")
    parser.add_argument("--dry", action="store_true", help="measure the validation images; val stays closed")
    parser.add_argument("--without-bm3d", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="processes for BM3D")
    parser.add_argument("--limit", type=int, help="number of images to measure")
    parser.add_argument("--again", action="store_true", help="measure rows again that the results have")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = Path(os.environ["CLEARER_SHARED"]) / "data" / "microscopy_w2s"
    known = None if given.again or given.out is None or not given.out.exists() else read_json(given.out)
    result = known or before_rows(data, given)
    items = (validation_items(data, given) if given.dry else find_items(data / "val"))[: given.limit]
    result["images"] = len(items)
    measured_before = {line["name"] for line in result["rows"]}
    for name, make in methods(items, given).items():
        if name not in measured_before:
            result["rows"].append(row(name, measured(make(), items, None)))
            if given.out is not None:
                write_json(given.out, result)


def before_rows(data: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Train, choose the blur on the validation images, and return the result without rows."""
    run = trained(data, given)
    held_out = validation_items(data, given)
    chosen = max(BLURS, key=lambda sigma: measured(blurred(sigma), held_out, given.limit).psnr)
    return {
        "command": shlex.join(["python", *sys.argv]),
        "part": "validation" if given.dry else "val",
        "blur_chosen_on_validation": chosen,
        "training": {key: run.result[key] for key in ("architecture", "parameters", "macs_per_pixel", "train")},
        "rows": [],
    }


def methods(items: Sequence[Item], given: argparse.Namespace) -> dict[str, Callable[[], Restore]]:
    """Return what makes each method; classical ones restore the items when they are made."""
    made: dict[str, Callable[[], Restore]] = {
        **{f"Gaussian blur, sigma {sigma:g}": partial(blurred, sigma) for sigma in BLURS},
        given.recipe: lambda: load(given.run, "cpu", "fp32"),
    }
    if not given.without_bm3d:
        made["BM3D, estimated level"] = partial(computed_before, by_bm3d, items, given.jobs)
        made["BM3D after variance stabilization"] = partial(computed_before, by_stabilized_bm3d, items, given.jobs)
    return made


def trained(data: Path, given: argparse.Namespace) -> Run:
    """Train on fields of view of ``train``."""
    overrides = {
        "data.folder": str(data / "train"), "data.fractions": FRACTIONS, "train.epochs": given.steps // 50,
        "train.steps_per_epoch": 50, "evaluate.protocols": [],
    }  # fmt: skip
    return fit(given.recipe, given.run, overrides)


def validation_items(data: Path, given: argparse.Namespace) -> list[Item]:
    """Return the images on which the best weights were chosen."""
    names = set(RunFolder(given.run).read_images()["validation"])
    return [item for item in find_items(data / "train") if item.name in names]


def blurred(sigma: float) -> Restore:
    """Return a Gaussian blur."""
    return lambda x: torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="reflect"))


def computed_before(restore: Restore, items: Sequence[Item], jobs: int) -> Restore:
    """Return a slow function that has been applied to the degraded images in several processes."""
    inputs = [torch.from_numpy(read_for(item, parse_protocol(PROTOCOL))[1] / np.float32(255)) for item in items]
    inputs = [image.permute(2, 0, 1)[None].float() for image in inputs]
    with ProcessPoolExecutor(jobs) as pool:
        known = dict(zip(map(_digest, inputs), pool.map(restore, inputs), strict=True))
    return lambda x: known[_digest(x)] if x.shape[-1] > 64 else x  # a corner is restored to warm up


def _digest(x: Tensor) -> str:
    levels = (x * 255).round().to(torch.uint8)
    return hashlib.sha256(levels.numpy().tobytes()).hexdigest()


def by_bm3d(x: Tensor) -> Tensor:
    """Restore by BM3D with the noise level estimated from the image."""
    sigma = float(estimate_level(x)[0]) * 255
    restored = bm3d().restore(x[0].permute(1, 2, 0).numpy(), sigma)
    return torch.from_numpy(restored).permute(2, 0, 1)[None].float()


def by_stabilized_bm3d(x: Tensor) -> Tensor:
    """Restore by BM3D between a generalized Anscombe transform and its closed-form unbiased inverse."""
    profile = profile_images([x[0].permute(1, 2, 0).numpy()])
    gain, variance = max(profile.gain[0], 1e-6), profile.offset[0]
    read = max(variance, 0) / gain**2  # in photons
    stable = 2 * (x / gain + 3 / 8 + read).clamp_min(0).sqrt()
    low, high = stable.min(), stable.max()
    d = (by_bm3d((stable - low) / (high - low)) * (high - low) + low).clamp_min(0.5)
    root = math.sqrt(1.5)
    photons = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8 - read
    return photons * gain


def measured(restore: Restore, items: Sequence[Item], limit: int | None) -> Result:
    """Return the result of a method by the protocol of gray pairs."""
    return evaluate(restore, items, PROTOCOL, limit=limit)


def row(name: str, result: Result) -> dict[str, Any]:
    """Return a line of the table, and print it."""
    print(f"{result.psnr:6.2f} dB  {result.ssim:.4f}  {result.seconds / result.images:6.2f} s  {name}", flush=True)
    facts = result.to_dict()
    return {"name": name, **{key: facts[key] for key in ("input_psnr", "input_ssim", "psnr", "ssim")}} | {
        key: facts[key] for key in ("intensity", "per_image") if facts.get(key)
    }


if __name__ == "__main__":
    main()
