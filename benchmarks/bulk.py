"""Files and megapixels a second of many files: a shell loop, one process, and workers.

    python benchmarks/bulk.py [--files 200] [--side 512] [--model denoise-gray-fast] [--manifest 1000000]

Makes noisy photographs of the size asked for in a temporary folder, and restores them in each way.
The shell loop calls the command for each file, for the first 8 of them. The last line is a list of a million names: the
seconds and the memory to check it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

LOOPED = 8


def make(folder: Path, files: int, side: int) -> None:
    """Write noisy cuts of a photograph that scikit-image ships."""
    from skimage import data

    whole, chance = data.camera().astype(np.float32), np.random.default_rng(0)
    folder.mkdir()
    for number in range(files):
        cut = np.roll(whole, (7 * number, 11 * number), (0, 1))[:side, :side]
        Image.fromarray(np.clip(cut + chance.normal(0, 25, cut.shape), 0, 255).astype(np.uint8)).save(
            folder / f"{number:05d}.png"
        )


def restore(*arguments: object, threads: int | None = None) -> float:
    """Run the command; return its seconds."""
    environment = dict(os.environ) if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "clearer", "restore", *map(str, arguments)],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


def ways(model: str, desk: Path, files: int) -> list[tuple[str, int, float]]:
    """Restore in each way; return its name, the files and the seconds."""
    photos = desk / "photos"
    looped = sorted(photos.iterdir())[:LOOPED]
    found = [("shell loop", LOOPED, sum(restore(model, path, "-o", desk / "loop" / path.name) for path in looped))]
    found.append(("one process, without records", files, restore(model, photos, "-o", desk / "plain")))
    for workers in (1, 2):
        seconds = restore(model, photos, "-o", desk / f"workers-{workers}", "--workers", workers)
        found.append((f"--workers {workers}", files, seconds))
    seconds = restore(model, photos, "-o", desk / "workers-2", "--workers", 2)
    return [*found, ("the same again: nothing to do", files, seconds)]


def million(desk: Path, lines: int) -> tuple[float, float, float]:
    """Return the seconds and the MiB that a long list takes until it is checked, and the seconds to read a shard."""
    import resource

    from clearer.bulk.folder import BulkFolder
    from clearer.bulk.plan import BulkPlan

    with (desk / "list.txt").open("w") as file:
        file.writelines(f"photos/{number // 1000:04d}/{number:07d}.png\n" for number in range(lines))
    wanted = BulkPlan("", str(desk / "list.txt"), str(desk / "out"), 0, 1000, "m", "w", "auto", {}, "r")
    folder = BulkFolder(desk / "state")
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    plan = folder.prepare(wanted)
    took, memory = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    begun = time.perf_counter()
    count = sum(1 for _ in folder.entries(plan, 7))
    assert count == plan.files_of(7)
    return took, memory / 1024, time.perf_counter() - begun


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--model", default="denoise-gray-fast")
    parser.add_argument("--manifest", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        desk = Path(place)
        make(desk / "photos", options.files, options.side)
        print("| way | files | seconds | files a second | megapixels a second |\n|---|---|---|---|---|")
        for way, files, seconds in ways(options.model, desk, options.files):
            rate = files / seconds
            print(f"| {way} | {files} | {seconds:.1f} | {rate:.2f} | {rate * options.side**2 / 1e6:.2f} |", flush=True)
        took, memory, shard = million(desk, options.manifest)
        print(
            f"\n{options.manifest:,} names: {took:.1f} s and {memory:.0f} MiB to check; {shard:.1f} s to read a shard"
        )


if __name__ == "__main__":
    main()
