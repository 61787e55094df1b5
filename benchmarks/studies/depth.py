"""Train on 16 bits, on floating point and on 8 bits of the same dim images, and compare what is restored.

    python benchmarks/studies/depth.py --figure docs/images/depth.png -o docs/results/depth.json

The images are computed: fluorescent spots and filaments whose signal spans 12 gray levels of 8 bits, 40 photons at its
brightest, with read noise. The same exposures are stored as 16 bits (3,084 levels), as floats and as 8 bits (12
levels), with the brightest signal as white; the last variant takes all 16 bits. Each is trained from the same seed and
measured against the float ground truth, the brightest signal being 1.
"""

from __future__ import annotations

import argparse
import runpy
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch

from clearer.core.files import write_json
from clearer.inference.files import restore_path
from clearer.pipeline.fit import fit
from clearer.report.figures import save_figure
from clearer.runs.layout import RunFolder

HELPERS = runpy.run_path(str(Path(__file__).parents[2] / "tests" / "helpers" / "microscope.py"))
LEVELS = 12
STORED: dict[str, tuple[float, Any, float]] = {
    "16 bits": (LEVELS * 257, np.uint16, LEVELS * 257),
    "floating point": (LEVELS / 255, np.float32, LEVELS / 255),
    "8 bits": (LEVELS, np.uint8, LEVELS),
    "16 bits, white at 65535": (LEVELS * 257, np.uint16, 65535),
}
"""The level of the brightest signal, the data type, and the level that is white in training, of each variant."""
SETTINGS = {
    "network.width": 12, "train.epochs": 8, "train.steps_per_epoch": 50, "train.optimizer.lr": 0.003,
    "evaluate.protocols": [], "precision": "fp32",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=10)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--steps", type=int, default=400, help="a multiple of 50")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    shown: dict[str, np.ndarray] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, (top, dtype, _) in STORED.items():
            HELPERS["write_pairs"](place / name, given.fields, given.side, top, dtype=dtype)
        for name, (top, _, white) in STORED.items():
            run = fit(
                "microscopy",
                place / f"run {name}",
                SETTINGS
                | {"data.folder": str(place / name), "data.range": [0, white], "train.epochs": given.steps // 50},
            )
            restore_path(run.restorer("cpu", "fp32"), place / name / "noisy", place / f"restored {name}")
            tests = RunFolder(run.folder).read_images()["test"]
            float_top = STORED["floating point"][0]
            truth = [tifffile.imread(place / "floating point" / "truth" / test) / float_top for test in tests]
            noisy, restored = (
                [tifffile.imread(where / test).astype(np.float64) / top for test in tests]
                for where in (place / name / "noisy", place / f"restored {name}")
            )
            rows.append(
                {"stored": name, "white": white, "input_psnr": psnr(noisy, truth), "psnr": psnr(restored, truth)}
            )
            print(rows[-1], flush=True)
            shown |= {f"noisy, {name}": noisy[0], f"restored, {name}": restored[0], "ground truth": truth[0]}
    if given.out is not None:
        write_json(given.out, {"command": shlex.join(["python", *sys.argv]), "levels": LEVELS, "rows": rows})
    if given.figure is not None:
        draw(shown, given.figure)


def psnr(images: list[np.ndarray], truth: list[np.ndarray]) -> float:
    """Return the PSNR of all images together, in dB; the brightest signal is 1."""
    return float(-10 * np.log10(np.mean([np.mean((a - b) ** 2) for a, b in zip(images, truth, strict=True)])))


def draw(shown: dict[str, np.ndarray], path: Path) -> None:
    """Draw the noisy and the restored image of 16 and of 8 bits, and the ground truth, equally bright."""
    from matplotlib.figure import Figure

    names = ("noisy, 16 bits", "restored, 16 bits", "ground truth", "restored, 8 bits", "noisy, 8 bits")
    figure = Figure(figsize=(11, 2.5), layout="constrained", facecolor="white")
    for axes, name in zip(figure.subplots(1, len(names)), names, strict=True):
        axes.imshow(shown[name], cmap="gray", vmin=0, vmax=0.8, interpolation="nearest")
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    save_figure(figure, path, dpi=110)


if __name__ == "__main__":
    main()
