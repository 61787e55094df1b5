"""Measure what models change in images that need no restoration: PSNR of the restored image against the image itself.

    python benchmarks/studies/clean_images.py derain derain-best derain@2026-11 --data bsds500/val \\
        --only docs/val_without_bsd68.txt --limit 12 -o docs/results/clean-images.json

A model that leaves a clean image as it is does no harm where nothing is to be done. Images are restored in fp32, and
the results have 8 bits.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np

import clearer
from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.images.view import read_image
from clearer.inference.restorer import Restorer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="names of models, weight files or run folders")
    parser.add_argument("--data", type=Path, required=True, help="folder of clean images")
    parser.add_argument("--only", type=Path, help="file with the names of the images to take, one a line")
    parser.add_argument("--limit", type=int, help="number of images, the first by name")
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    names = None if given.only is None else set(given.only.read_text().split())
    files = [file for file in list_images(given.data) if names is None or names & {file.name, file.stem}]
    files = files[: given.limit]
    if not files:
        raise SystemExit(f"{given.data}: no such images")
    rows = []
    for model in given.models:
        restorer = clearer.load(model, precision="fp32")
        found = [kept(restorer, file) for file in files]
        rows.append({"model": model, "mean": mean(found), "worst": min(found), "psnr": found})
        print(model, rows[-1]["mean"], rows[-1]["worst"], flush=True)
    command = f"python benchmarks/studies/clean_images.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "images": [file.name for file in files], "rows": rows})


def kept(restorer: Restorer, file: Path) -> float:
    """Return the PSNR in dB of the restored image against the image."""
    image = read_image(file, restorer.architecture.channels)
    error = float(np.mean((restorer.restore(image).astype(float) - image) ** 2))
    return round(10 * float(np.log10(255**2 / max(error, 1e-9))), 2)


def mean(values: list[float]) -> float:
    """Return the mean to two digits."""
    return round(sum(values) / len(values), 2)


if __name__ == "__main__":
    main()
