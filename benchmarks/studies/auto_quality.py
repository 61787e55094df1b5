"""Measure what `clearer restore auto` gives on color images, noisy and clean, beside each model that it could choose.

    python benchmarks/studies/auto_quality.py photos_cid22 -o docs/results/auto-quality.json

Photographs are degraded in ways of the protocol `robustness`, each is restored by each model, and the model that `auto`
chooses for it is noted. The figures are means over the images, of their centers; of clean images, which have no PSNR
unless they are changed, 60 dB stand for all above.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.degradations.registry import degradation_from_dict
from clearer.images.pixels import center_crop
from clearer.images.view import read_image
from clearer.inference.choice import candidates
from clearer.inference.restorer import load
from clearer.inference.trial import chosen_for


def compressed(sigma: float, quality: int) -> dict[str, Any]:
    """Return white noise that is saved as JPEG."""
    return {"kind": "chain", "steps": [{"kind": "gaussian", "sigma": sigma}, {"kind": "jpeg", "quality": quality}]}


MODELS = ("denoise-color", "denoise-photo")
SIDE = 320
WHITE = {f"white {sigma}": {"kind": "gaussian", "sigma": sigma} for sigma in (5, 10, 15, 25, 50)}
CAMERA = {f"camera, ISO {iso}": {"kind": "camera", "iso": iso} for iso in (400, 1600, 6400, 25600)}
SAVED: dict[str, dict[str, Any]] = {
    f"camera, ISO {iso}, JPEG 90": {
        "kind": "chain",
        "steps": [{"kind": "camera", "iso": iso}, {"kind": "jpeg", "quality": 90}],
    }
    for iso in (400, 1600, 6400)
}
CLEAN: dict[str, dict[str, Any]] = {"clean": {"kind": "none"}} | {
    f"clean, JPEG {quality}": {"kind": "jpeg", "quality": quality} for quality in (95, 90, 85)
}
HIGHEST = 60.0
CASES: dict[str, dict[str, Any]] = WHITE | CAMERA | SAVED | CLEAN | {
    "white 25, in 8 bits": {"kind": "gaussian", "sigma": 25, "clip8": True},
    "uneven channels": {"kind": "gaussian", "sigma": 25, "channel_spread": 0.9},
    "partly shared by the channels": {"kind": "gaussian", "sigma": 25, "channel_correlation": 0.2},
    "the same in all channels": {"kind": "gaussian", "sigma": 25, "channel_correlation": 1.0},
    "blurred by 0.5": {"kind": "correlated", "sigma": 25, "blur": 0.5, "stretch": 1},
    "blurred by 0.4": {"kind": "correlated", "sigma": 25, "blur": 0.4, "stretch": 1},
    "100 photons": {"kind": "poisson-gaussian", "photons": 100, "read": 0},
    "1,000 photons": {"kind": "poisson-gaussian", "photons": 1000, "read": 2},
    "30 looks": {"kind": "speckle", "looks": 30},
    "white 25, JPEG 95": compressed(25, 95),
    "white 10, JPEG 98": compressed(10, 98),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=16, help="images, evenly spread by name (default: 16)")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    paths = list_images(given.photos)
    paths = paths[:: max(1, len(paths) // given.images)][: given.images]
    offered = list(candidates())
    restorers = {name: load(name) for name in MODELS}
    rows = []
    for name, value in CASES.items():
        found: dict[str, list[float]] = {model: [] for model in (*MODELS, "auto")}
        chosen: Counter[str] = Counter()
        for k, path in enumerate(paths):
            clean = center_crop(read_image(path, 3), SIDE, SIDE).astype(np.float32) / 255
            noisy = degraded(clean, value, seed=k)
            choice = chosen_for(noisy, None, restorers.__getitem__, offered)[1]
            model = choice.model or "nothing"
            chosen[model] += 1
            scores = {each: _score(restorer.restore(noisy), clean) for each, restorer in restorers.items()}
            for each, score in scores.items():
                found[each].append(score)
            found["auto"].append(scores.get(model, _score(noisy, clean)))
        means = {each: round(statistics.mean(values), 3) for each, values in found.items()}
        rows.append({"case": name, "psnr": means, "chosen": dict(chosen.most_common())})
        print(rows[-1], flush=True)
    command = f"python benchmarks/studies/auto_quality.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "images": len(paths), "rows": rows})


def degraded(clean: np.ndarray, value: dict[str, Any], seed: int) -> np.ndarray:
    """Return an image with noise, (H, W, 3) as ``clean``."""
    batch = torch.from_numpy(clean).permute(2, 0, 1)[None]
    noisy = degradation_from_dict(value).apply(batch, torch.Generator().manual_seed(seed))
    return np.ascontiguousarray(noisy[0].permute(1, 2, 0).numpy())


def _score(image: np.ndarray, clean: np.ndarray) -> float:
    return min(HIGHEST, -10 * float(np.log10(np.square(image - clean).mean() + 1e-9)))


if __name__ == "__main__":
    main()
