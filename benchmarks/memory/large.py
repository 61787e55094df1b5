"""Restore a TIFF larger than memory by rows: time and peak memory.

    python benchmarks/memory/large.py MODEL --photograph IMAGE --side 10000 -o docs/results/large.json

The TIFF is the photograph, mirrored until it fills SIDE x SIDE pixels, with noise of sigma 25: gray, 8 bits,
uncompressed. The script writes it to a temporary folder and restores it there with `clearer restore` in a separate
process.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from clearer.core.files import write_json
from clearer.images.types import Uint8Pixels
from clearer.images.view import read_image
from clearer.inference.restorer import load
from clearer.inference.tiling import as_overlap


def noisy_image(photograph: Path, side: int) -> Uint8Pixels:
    """Return the noisy image, uint8 (side, side)."""
    one = read_image(photograph, 1)[..., 0]
    rows, columns = (np.pad(np.arange(n), (0, side), mode="symmetric")[:side] for n in one.shape)
    image = one[np.ix_(rows, columns)]
    chance = np.random.default_rng(0)
    for top in range(0, side, 500):  # in parts: all the noise at once would take gigabytes
        part = image[top : top + 500]
        noisy = part + 25 * chance.standard_normal(part.shape, np.float32)
        image[top : top + 500] = noisy.round().clip(0, 255).astype(np.uint8)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--photograph", type=Path, required=True)
    parser.add_argument("--side", type=int, default=10000)
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    restorer = load(given.model, "cpu")
    with tempfile.TemporaryDirectory(dir=given.out.parent) as folder:
        source, target = Path(folder, "noisy.tif"), Path(folder, "restored.tif")
        tifffile.imwrite(source, noisy_image(given.photograph, given.side), photometric="minisblack", metadata=None)
        verb = ["restore", given.model, str(source), "-o", str(target), "--device", "cpu", "--json"]
        begun = time.perf_counter()
        child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-m", "clearer", *verb])
        _, status, used = os.wait4(child, 0)
        seconds = time.perf_counter() - begun
        if status:
            sys.exit("clearer restore failed; its error is printed above")
        with tifffile.TiffFile(target) as file:
            shape = file.pages[0].aspage().shape
    peak = used.ru_maxrss / 2**10 / (2**10 if sys.platform == "darwin" else 1)
    result = {
        "command": f"python benchmarks/memory/large.py {shlex.join(sys.argv[1:])}",
        "architecture": restorer.architecture.to_dict(),
        "precision": restorer.precision,
        "overlap": as_overlap("auto", restorer.architecture),
        "shape": list(shape),
        "seconds": round(seconds),
        "peak_mib": round(peak),
    }
    print(json.dumps(result))
    write_json(given.out, result)


if __name__ == "__main__":
    main()
