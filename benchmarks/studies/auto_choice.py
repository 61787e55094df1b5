"""Count which models `clearer restore auto` chooses for folders of images.

    python benchmarks/studies/auto_choice.py rainy=rain800/test_syn:right clean=rain800/test_syn:left \\
        rain=rain800/test_nature photographs=photos_cid22 -o docs/results/auto-choice.json

Each part is NAME=FOLDER; `:left` and `:right` take a half of images that hold two side by side, as their pixels.
Others are looked at as files, whose tables tell the quality of a JPEG.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.images.view import read_image
from clearer.inference.auto import look
from clearer.inference.choice import Candidate, candidates
from clearer.inference.restorer import load
from clearer.inference.trial import chosen_for

NOTHING = "nothing to do"
loaded = cache(load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", metavar="NAME=FOLDER[:HALF]")
    parser.add_argument("--images", type=int, help="images of each folder, evenly spread by name (default: all)")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    command = f"python benchmarks/studies/auto_choice.py {shlex.join(sys.argv[1:])}"
    offered = list(candidates())
    rows: list[dict[str, Any]] = []
    for part in given.parts:
        name, _, place = part.partition("=")
        folder, _, half = place.partition(":")
        paths = list_images(folder)
        paths = paths[:: max(1, len(paths) // (given.images or len(paths)))]
        counts = Counter(model(path, half, offered) for path in paths)
        rows.append({"name": name, "images": len(paths), "chosen": dict(counts.most_common())})
        print(rows[-1], flush=True)
    write_json(given.out, {"command": command, "rows": rows})


def model(path: Path, half: str, offered: list[Candidate]) -> str:
    """Return the model for an image, or a half of it."""
    if not half:
        return look(path, None, offered, loaded).choice.model or NOTHING
    pixels = read_image(path, 3)
    middle = pixels.shape[1] // 2
    part = ((pixels[:, :middle] if half == "left" else pixels[:, middle:]) / 255).astype(np.float32)
    return chosen_for(part, None, loaded, offered)[1].model or NOTHING


if __name__ == "__main__":
    main()
