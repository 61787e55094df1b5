"""Measure a model that removes JPEG artifacts, beside DnCNN-3: gray by `jpeg-gray-Q`, color by `jpeg-Q`.

    python benchmarks/robustness/dejpeg.py dejpeg --gray classic5 --color live1_rest -o docs/results/dejpeg.json

Classic5 has 5 gray images; `live1_rest` holds 10 color images of LIVE1, for which nothing is published. The bars are
the published figures of DnCNN-3 (Zhang et al., TIP 2017), which is blind to the quality; JPEG itself measures 27.82,
30.12 and 32.43 dB on Classic5. The protocols `jpeg-twice-Q` compress twice, shifted.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import clearer
from clearer.core.files import write_json
from clearer.inference.restorer import load

BARS = {10: 29.40, 20: 31.63, 40: 33.77}
"""PSNR of DnCNN-3 on Classic5 in dB, by quality."""
GRAY, COLOR = ("jpeg-gray-{}", "jpeg-gray-twice-{}"), ("jpeg-{}", "jpeg-twice-{}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name, weight file or run folder")
    parser.add_argument("--gray", type=Path, required=True, metavar="FOLDER", help="Classic5")
    parser.add_argument("--color", type=Path, required=True, metavar="FOLDER", help="color images of LIVE1")
    parser.add_argument("--device", default="auto")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.json")
    options = parser.parse_args()
    restorer = load(options.model, options.device, "fp32")
    rows = []
    for folder, forms, channels in ((options.gray, GRAY, 1), (options.color, COLOR, 3)):
        if restorer.architecture.channels < channels:
            continue
        for form in forms:
            rows += [measure(restorer, folder, form.format(quality), quality) for quality in BARS]
    command = shlex.join(["python", "benchmarks/robustness/dejpeg.py", *sys.argv[1:]])
    cost = clearer.describe(restorer.architecture).to_dict()
    sizes = {key: cost[key] for key in ("parameters", "macs_per_pixel")}
    write_json(options.out, {"command": command, "model": str(options.model), **sizes, "rows": rows})


def measure(restorer: Any, folder: Path, protocol: str, quality: int) -> dict[str, Any]:
    result = clearer.evaluate(restorer, folder, protocol)
    keys = ("protocol", "images", "input_psnr", "input_ssim", "psnr", "ssim")
    row = {"data": folder.name, **{key: result[key] for key in keys}}
    if protocol == f"jpeg-gray-{quality}" and folder.name == "classic5":
        row["bar"] = BARS[quality]
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
