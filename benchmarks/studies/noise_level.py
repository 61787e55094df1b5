"""Errors of the blind noise level, and the time that the check of `restore` takes.

    python benchmarks/studies/noise_level.py --bsds500 bsds500/train --photos photos_cid22 \\
        -o docs/results/noise-level.json

30 images of each folder, evenly spread by name, whole and as four patches of 64x64 pixels along a diagonal, with white
noise; every third of them with other noise, scaled to an RMS of 25 gray levels. No test image is read. Times are of one
thread: medians of nine, in CPU time, the check against `denoise-color` in fp32 on a photograph that scikit-image ships.
`--check` times the check alone and keeps the other figures of the file.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import torch
from torch import Tensor

from clearer.core.files import read_json, write_text
from clearer.data.folders import list_images
from clearer.degradations.base import Degradation
from clearer.degradations.chain import Chain
from clearer.degradations.correlated import Correlated
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.images.tensors import to_array, to_batch
from clearer.images.view import read_image
from clearer.inference.fit_check import FitCheck
from clearer.inference.restorer import load
from clearer.noise.level import estimate_level

LEVELS = (0, 5, 10, 15, 25, 50, 75)
COUNT, SIDE = 30, 64
OTHER: dict[str, Degradation] = {
    **{f"blurred, sigma {blur:g} pixels": Correlated(25, blur, 1) for blur in (0.5, 0.7, 1, 1.5)},
    "saved as 8 bits": Gaussian(25),
    **{f"then JPEG of quality {q}, 4:2:0": Chain((Gaussian(25), Jpeg(q))) for q in (95, 50)},
}


def read(folder: Path) -> list[Tensor]:
    paths = list_images(folder)
    return [to_batch(read_image(paths[i * len(paths) // COUNT], 3)).float() / 255 for i in range(COUNT)]


def patches(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    corners = [((height - SIDE) * k // 3, (width - SIDE) * k // 3) for k in range(4)]
    return torch.cat([image[..., y : y + SIDE, x : x + SIDE] for y, x in corners])


def noisy(image: Tensor, degradation: Degradation, seed: int) -> Tensor:
    return degradation.apply(image, torch.Generator().manual_seed(seed))


def white(images: list[Tensor], view: Callable[[Tensor], Tensor], level: float) -> dict[str, float]:
    """Return bias and RMS error, in shares of the level, or the mean estimate on clean images."""
    found = torch.cat([255 * estimate_level(noisy(view(x), Gaussian(level), k)) for k, x in enumerate(images)])
    if not level:
        return {"mean": round(float(found.mean()), 2)}
    error = found / level - 1
    return {"bias": round(float(error.mean()), 4), "rms": round(float(error.square().mean().sqrt()), 4)}


def other(images: list[Tensor], name: str, degradation: Degradation) -> dict[str, Any]:
    """Return the RMS of what the degradation did, and the level measured on whole images and on patches."""
    left, whole, patch = [], [], []
    for k, x in enumerate(images[::3]):
        y = noisy(x, degradation, k)
        if name == "saved as 8 bits":
            y = (y.clamp(0, 1) * 255).round() / 255
        left.append(255 * float((y - x).square().mean().sqrt()))
        whole.append(255 * float(estimate_level(y)))
        patch.append(255 * float(estimate_level(patches(y)).mean()))
    means = (round(statistics.mean(values), 1) for values in (left, whole, patch))
    return {"noise": name, **dict(zip(("rms", "whole", "patch"), means, strict=True))}


def milliseconds(work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(9):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1e3 * statistics.median(times)


def check_times() -> list[dict[str, Any]]:
    """Return the time of the check beside that of the restoration, where the model fits and where it does not."""
    photo = read_image(Path(skimage.__file__).parent / "data" / "coffee.png", 3)[:384, :512] / 255
    restorer = load("denoise-color", "cpu", "fp32")
    rows = []
    for tiles in ((1, 1), (3, 2)):
        for fits in (True, False):
            x = to_batch(np.tile(photo.astype(np.float32), (*tiles, 1)))
            x = noisy(x, Gaussian(25) if fits else Gaussian(25, channel_correlation=1), 0)
            seen = np.ascontiguousarray(to_array(x)), np.ascontiguousarray(to_array(restorer(x)))  # as files are
            check = FitCheck.of(restorer)

            def run(check: FitCheck = check, seen: Any = seen) -> None:
                check.see(*seen)
                check.finish("photo")

            took = milliseconds(run), milliseconds(lambda x=x: restorer(x))
            megapixels = round(x.shape[-2] * x.shape[-1] / 1e6, 1)
            share = round(took[0] / took[1], 4)
            rows.append({"megapixels": megapixels, "fits": fits, "ms": round(took[0], 1), "share": share})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bsds500", type=Path, help="training images of BSDS500")
    parser.add_argument("--photos", type=Path, help="photographs of CID22")
    parser.add_argument("--check", action="store_true", help="time the check alone")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.check:
        write_text(given.out, json.dumps(read_json(given.out) | {"check": check_times()}, indent=1) + "\n")
        return
    if given.bsds500 is None or given.photos is None:
        parser.error("--bsds500 and --photos are needed without --check")
    images = read(given.bsds500) + read(given.photos)
    batch, megapixel = torch.rand(16, 3, SIDE, SIDE), torch.rand(1, 3, 1000, 1000)
    value = {
        "command": f"python benchmarks/studies/noise_level.py {shlex.join(sys.argv[1:])}",
        "torch": torch.__version__,
        "levels": LEVELS,
        "white": {
            name: [white(images, view, level) for level in LEVELS]
            for name, view in (("whole images", lambda x: x), ("patches", patches))
        },
        "other": [other(images, name, degradation) for name, degradation in OTHER.items()],
        "ms_of_16_patches": round(milliseconds(lambda: estimate_level(batch)), 1),
        "ms_of_1_megapixel": round(milliseconds(lambda: estimate_level(megapixel)), 1),
        "check": check_times(),
    }
    write_text(given.out, json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
