"""State how far methods are apart on the same images, with the standard error of the difference.

    python benchmarks/studies/paired_gains.py reproduction/equal -o docs/results/paired-gains.json

Reads what `clearer reproduce tables` or `baselines` measured into a folder, image by image. Each method is compared
with one method by PSNR, on the images that both were measured on: images differ far more than methods do, so that the
standard error of a mean alone says little. It is that of the choice of images; another training would differ, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from clearer.core.files import read_json, write_json

AGAINST = "CLEARER FPPF-FFFF-PFFP, width 16"
INPUT = "degraded input"


def paired(folder: Path, against: str) -> list[dict[str, Any]]:
    """Return a row for each protocol and method: the mean difference in dB, its standard error, and the images."""
    measured: dict[str, dict[str, dict[str, float]]] = {}
    for path in sorted((folder / "measured").glob("*.json")):
        value = read_json(path)
        scores = {score["name"]: score["psnr"] for score in value["per_image"]}
        measured.setdefault(value["protocol"], {})[value["key"]["method"]] = scores
    rows = []
    for protocol, methods in sorted(measured.items()):
        bar = methods.pop(against, None)
        methods.pop(INPUT, None)
        for method, scores in sorted(methods.items() if bar is not None else ()):
            gains = [scores[name] - bar[name] for name in scores if name in bar]
            if len(gains) > 1:
                error = stdev(gains) / len(gains) ** 0.5
                rows.append({
                    "protocol": protocol, "method": method, "images": len(gains),
                    "gain": round(fmean(gains), 3), "error": round(error, 3),
                })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results of `clearer reproduce tables` or `baselines`")
    parser.add_argument("--against", default=AGAINST, help="the method that all are compared with (%(default)s)")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    rows = paired(given.folder, given.against)
    if not rows:
        parser.error(f"{given.folder} holds no two measurements of the same images, one of them {given.against}")
    for row in rows:
        print(f"{row['protocol']:16} {row['method']:44} {row['gain']:+.2f} +- {row['error']:.2f} dB ({row['images']})")
    if given.out is not None:
        command = f"python benchmarks/studies/paired_gains.py {given.folder} -o docs/results/{given.out.name}"
        write_json(given.out, {"command": command, "against": given.against, "rows": rows})


if __name__ == "__main__":
    main()
