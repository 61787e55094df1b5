"""Measure what JORDER's rain mask marks on training pairs, by the threshold that tells rain from none.

    python benchmarks/studies/rain_mask.py rain800/training -o docs/results/rain-mask.json

A pixel has rain where the mean of its channels is more gray levels brighter than the clean one than the threshold.
Reports the share of such pixels, and the share of all rain, by its square, that they hold; and beside them the terms of
the loss before training: the mean square of the rain, which those of background and streaks begin near, and the
weighted entropy of a mask that knows nothing. No setting is chosen here: whether another one restores better only
trainings would show.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from clearer.core.files import write_json
from clearer.data.folders import find_pairs
from clearer.data.items import read_item
from clearer.images.pixels import to_unit
from clearer.methods.jorder import MASK_WEIGHT, RAIN_ABOVE

THRESHOLDS = (2, 4, 8, 16, 32, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="training pairs of rain, the clean half left")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    pixels, marked, light = 0, np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    total, channels, items = 0.0, 3, find_pairs(given.folder, "side-by-side")
    for item in items:
        clean, rainy = (to_unit(image, item.span).astype(np.float64) for image in read_item(item, channels))
        square, brighter = np.square(rainy - clean).sum(2), 255 * (rainy - clean).mean(2)
        pixels, total = pixels + square.size, total + square.sum()
        for k, threshold in enumerate(THRESHOLDS):
            marked[k] += (brighter > threshold).sum()
            light[k] += square[brighter > threshold].sum()
    rows = [
        {"threshold": threshold, "share": round(share, 3), "of_rain": round(held, 3)}
        for threshold, share, held in zip(THRESHOLDS, marked / pixels, light / total, strict=True)
    ]
    value = {
        "command": f"python benchmarks/studies/rain_mask.py {given.folder} -o docs/results/rain-mask.json",
        "images": len(items),
        "used": round(RAIN_ABOVE * 255),
        "square": round(total / (channels * pixels), 5),
        "entropy": round(MASK_WEIGHT * math.log(2), 5),
        "rows": rows,
    }
    for row in rows:
        print(f"{row['threshold']:3} gray levels: {row['share']:6.1%} of all pixels, {row['of_rain']:6.1%} of the rain")
    print(
        f"mean square of the rain {value['square']}, weighted entropy of a mask that knows nothing {value['entropy']}"
    )
    if given.out is not None:
        write_json(given.out, value)


if __name__ == "__main__":
    main()
