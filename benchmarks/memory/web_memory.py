"""Measure the memory and time that `clearer web` takes for an upload of the largest size.

    python benchmarks/memory/web_memory.py --megapixels 24 -o docs/results/web-memory.json

Shows a color JPEG of that size, adds noise and rain, and restores it with a pretrained model, as the page does, in
this process. Prints one JSON line with the peak resident memory.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from clearer.core.leftovers import temporary_folder
from clearer.inference.restorer import load
from clearer.web.actions import Added, restore_upload, show_upload
from clearer.web.uploads import UPLOAD, Limits, new_place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--model", default="denoise-gray")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    height = int(math.sqrt(given.megapixels * 1e6 / 1.5)) // 2 * 2
    size = (height * 3 // 2, height)
    with tempfile.TemporaryDirectory() as temporary, temporary_folder("web") as folder:
        rng = np.random.default_rng(0)
        smooth = Image.fromarray(rng.integers(0, 256, (24, 36, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
        smooth.save(Path(temporary) / "image.jpg", quality=92)
        place = new_place(folder)
        (place / UPLOAD).write_bytes((Path(temporary) / "image.jpg").read_bytes())
        del smooth
        restorer = load(given.model, "cpu")
        before = _peak()
        limits, added = Limits(megapixels=given.megapixels), Added(25, 0.5)
        began = time.perf_counter()
        show_upload(place, limits, added)
        shown, peak_shown = time.perf_counter() - began, _peak()
        restored = restore_upload(place, restorer, limits, added)
        result = {
            "command": f"python benchmarks/memory/web_memory.py {' '.join(sys.argv[1:])}",
            "size": list(size),
            "model": given.model,
            "peak_mib_before": before,
            "peak_mib_shown": peak_shown,
            "peak_mib": _peak(),
            "seconds_shown": round(shown, 1),
            "seconds": round(time.perf_counter() - began, 1),
            "said": restored.text,
        }
    print(json.dumps(result))
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=1) + "\n")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
