"""Tabulate the validation PSNR of models over the pixels that their trainings saw, from the metrics in models/.

    python benchmarks/studies/psnr_over_pixels.py dejpeg-fast dejpeg -o docs/results/pixels-dejpeg.json

A row is a stage of a training; each stage lowers its learning rate to its end. Rows compare
where their validations are the same. Stages without validations, as of trainings by time on a GPU, have no figures.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

from clearer.core.files import write_json
from clearer.network.cost import macs_per_pixel
from clearer.zoo.locate import located
from clearer.zoo.weight_metadata import read_architecture

MODELS = Path(__file__).resolve().parents[2] / "models"
PARTS = (0.25, 0.5, 0.75, 1)
"""Parts of a stage at which PSNR is stated: that of the last validation until then."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="models, with folders in models/")
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    rows = [row for name in given.names for row in rows_of(name)]
    command = f"python benchmarks/studies/psnr_over_pixels.py {shlex.join(sys.argv[1:])}"
    write_json(given.out, {"command": command, "parts": PARTS, "rows": rows})


def rows_of(name: str) -> list[dict[str, Any]]:
    """Return a row for each stage of a model, first to last."""
    macs = macs_per_pixel(read_architecture(located(name))[0])
    folder, seen, rows = MODELS / name, 0.0, []
    for number, place in enumerate([*sorted((folder / "stages").glob("*")), folder], 1):
        train = yaml.safe_load((place / "recipe.yaml").read_text())["train"]
        pixels = train["batch"] * train["patch"] ** 2
        lines = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        validations = {line["step"]: line["psnr"] for line in lines if "psnr" in line}
        steps = max(line.get("step", 0) for line in lines)
        psnr = [until(validations, part * steps) for part in PARTS]
        seen += steps * pixels / 1e6
        facts = {"model": name, "macs_per_pixel": macs, "stage": number, "steps": steps}
        rows.append({**facts, "megapixels": seen, "psnr": psnr})
    return rows


def until(validations: dict[int, float], step: float) -> float | None:
    """Return the PSNR of the last validation until a step; None if there was none."""
    before = [known for known in validations if known <= step]
    return validations[max(before)] if before else None


if __name__ == "__main__":
    main()
