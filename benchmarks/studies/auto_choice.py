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
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.images.io import read_file
from clearer.images.view import read_image
from clearer.inference.choice import candidates, choose
from clearer.inference.image_facts import ImageFacts, facts_of, facts_of_file

NOTHING = "nothing to do"


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
        counts = Counter(choose(facts(path, half), offered).model or NOTHING for path in paths)
        rows.append({"name": name, "images": len(paths), "chosen": dict(counts.most_common())})
        print(rows[-1], flush=True)
    write_json(given.out, {"command": command, "rows": rows})


def facts(path: Path, half: str) -> ImageFacts:
    """Return what an image, or a half of it, shows."""
    if not half:
        return facts_of_file(read_file(path))
    pixels = read_image(path, 3)
    middle = pixels.shape[1] // 2
    part = pixels[:, :middle] if half == "left" else pixels[:, middle:]
    return facts_of((part / 255).astype(np.float32), None)


if __name__ == "__main__":
    main()
