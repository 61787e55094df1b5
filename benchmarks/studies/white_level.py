"""What a denoiser that was trained on white noise makes of other noise, by the level that it is told.

    python benchmarks/studies/white_level.py denoise-color denoise-color-fast --bsds500 bsds500/train \\
        --photos photos_cid22 -o docs/results/white-level.json

Center crops of 192x192 pixels of six images of each folder, evenly spread by name; no image of the protocol
`robustness` is among them. Each is told its estimated level, that level raised by `clearer.noise.white_level`, and 1,
2, 3 and 4 times its true one, of which the best is stated, image by image. Means of PSNR in dB, in fp32.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.evaluation.metrics import psnr
from clearer.evaluation.robustness import image_lists
from clearer.evaluation.robustness_rows import Row
from clearer.images.pixels import center_crop
from clearer.images.view import read_image
from clearer.inference.restorer import Restorer, load
from clearer.noise.level import estimate_level

COUNT, SIDE = 6, 192
TIMES = (1, 2, 3, 4)
Images = Sequence[npt.NDArray[np.uint8]]


def white(sigma: float, **more: Any) -> dict[str, Any]:
    return {"kind": "gaussian", "sigma": sigma, **more}


def blurred(blur: float) -> dict[str, Any]:
    return {"kind": "correlated", "sigma": 25, "blur": blur, "stretch": 1}


def camera(iso: int) -> dict[str, Any]:
    return {"kind": "camera", "iso": iso, "processed": 0, "scaled": 0, "banding": 0, "hot": 0}


ROWS = (
    Row("white, 3", (white(3),)),
    Row("white, 10", (white(10),)),
    Row("white, 25", (white(25),)),
    Row("white, 50", (white(50),)),
    Row("few photons (50)", ({"kind": "poisson-gaussian", "photons": 50, "read": 0},)),
    Row("channels of different level, 25", (white(25, channel_spread=1.0),), gray=""),
    Row("half shared by the channels, 25", (white(25, channel_correlation=0.5),), gray=""),
    Row("the same in all channels, 25", (white(25, channel_correlation=1.0),), gray=""),
    Row("gray image stored as color, 25", (white(25),), of_gray=True, gray=""),
    Row("blurred by 0.5 pixels, 25", (blurred(0.5),)),
    Row("blurred by 0.8 pixels, 25", (blurred(0.8),)),
    Row("blurred by 1.2 pixels, 25", (blurred(1.2),)),
    Row("white, 25, then JPEG of quality 95", (white(25), {"kind": "jpeg", "quality": 95})),
    Row("white, 10, then JPEG of quality 80", (white(10), {"kind": "jpeg", "quality": 80})),
    Row("camera, ISO 3200", (camera(3200),), gray="luma"),
    Row("camera, ISO 12800", (camera(12800),), gray="luma"),
    Row("camera, ISO 12800, then JPEG of quality 90", (camera(12800), {"kind": "jpeg", "quality": 90}), gray="luma"),
    Row("clean, JPEG of quality 95", ({"kind": "jpeg", "quality": 95},)),
)


def read(folder: Path) -> Images:
    """Return crops of images that no row of `robustness` has."""
    left_out = {Path(line).name for lines in image_lists().values() for line in lines}
    paths = [path for path in list_images(folder) if path.name not in left_out]
    return [center_crop(read_image(paths[i * len(paths) // COUNT], 3), SIDE, SIDE) for i in range(COUNT)]


def measured(restorer: Restorer, row: Row, images: Images) -> dict[str, Any]:
    found: dict[str, list[float]] = {
        key: [] for key in ("rms", "input", "level", "told", "as_level", "as_told", "best")
    }
    for k, image in enumerate(images):
        clean, degraded = row.pair(image, restorer.channels, 1, k)

        def scored(level: float, degraded: torch.Tensor = degraded, clean: torch.Tensor = clean) -> float:
            return psnr(restorer(degraded, level=level).clamp(0, 1), clean).item()

        rms = 255 * float((degraded - clean).square().mean().sqrt())
        level, told = (255 * estimate(degraded).item() for estimate in (estimate_level, restorer.estimate))
        found["rms"].append(rms)
        found["input"].append(psnr(degraded, clean).item())
        found["level"].append(level)
        found["told"].append(told)
        found["as_level"].append(scored(level))
        found["as_told"].append(scored(told))
        found["best"].append(max(scored(times * rms) for times in TIMES))
    return {"row": row.name} | {key: round(statistics.fmean(values), 3) for key, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--bsds500", required=True, type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    images = [*read(given.photos), *read(given.bsds500)]
    tables = []
    for model in given.models:
        restorer = load(model, "cpu", "fp32")
        if restorer.estimate is None:
            parser.error(f"{model} takes no noise level")
        rows = [measured(restorer, row, images) for row in ROWS if restorer.channels == 3 or row.gray]
        tables.append({"model": model, "rows": rows})
        Console(stderr=True).print(f"{model}: {len(rows)} rows")
    command = f"python benchmarks/studies/white_level.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "images": len(images), "side": SIDE, "tables": tables})


if __name__ == "__main__":
    main()
