"""Record FFDNet's figures for the robustness table: on every row, the level and the weights that score best.

    python benchmarks/robustness/ffdnet_rows.py
    python benchmarks/robustness/ffdnet_rows.py --images tests/data/robustness-small \\
        -o tests/data/robustness-small/ffdnet.json

CLEARER_SHARED names a folder with ``data`` (docs/data.md) and ``peers`` (weights as npz). Writes
src/clearer/evaluation/baselines/robustness-ffdnet.json. To keep it to minutes, the level is searched in bf16, first on
every sixth image of the row, from there on all: upwards or downwards by 5 from the root mean square error of the input
as long as PSNR grows, with the plain weights and with those for clipped noise. The best level of each is measured in
fp32. Rows whose digest and input PSNR are unchanged are not measured again; ``--again`` measures all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from ffdnet import FFDNet, published  # type: ignore[import-not-found, unused-ignore]

from clearer.core.files import read_json, write_text
from clearer.data.folders import list_images
from clearer.evaluation.metrics import psnr
from clearer.evaluation.robustness import (
    BASELINE,
    LEVELS,
    SETS,
    ImageSet,
    data_folder,
    read_sets,
    row_digest,
    rows_for,
)
from clearer.evaluation.robustness_rows import Row
from clearer.images.view import read_image

BATCH, SEARCHED = 4, 6
Choice = tuple[str, int]


@cache
def network(name: str, dtype: torch.dtype) -> FFDNet:
    path = published(name)
    if path is None:
        sys.exit(f"{name}.npz is not there; set CLEARER_SHARED to a folder with peers/{name}.npz")
    made = FFDNet(1 if "gray" in name else 3).load_published(path).to(dtype, memory_format=torch.channels_last)
    return made.eval().requires_grad_(False)


def score(choice: Choice, clean: Tensor, degraded: Tensor, dtype: torch.dtype = torch.float32) -> float:
    """Return the mean PSNR of the images with these weights at this level."""
    name, sigma = choice
    found = []
    with torch.inference_mode():
        for c, d in zip(clean.split(BATCH), degraded.split(BATCH), strict=True):
            restored = network(name, dtype)(d.to(dtype), sigma).float()
            found.append(psnr(restored.clamp(0, 1), c))
    return float(torch.cat(found).double().mean())


def climbed(at: Callable[[Choice], float], start: Choice) -> Choice:
    """Return the choice from which no level 5 higher or lower scores better."""
    name, sigma = start
    while True:
        top = max((s for s in (sigma, sigma - 5, sigma + 5) if s in LEVELS), key=lambda s: at((name, s)))
        if top == sigma:
            return name, sigma
        sigma = top


def best(kind: str, clean: Tensor, degraded: Tensor) -> tuple[float, Choice]:
    """Return the best mean PSNR, and the weights and level that give it."""
    on_few = cache(lambda choice: score(choice, clean[::SEARCHED], degraded[::SEARCHED], torch.bfloat16))
    on_all = cache(lambda choice: score(choice, clean, degraded, torch.bfloat16))
    error = 255 * float((degraded - clean).square().mean()) ** 0.5
    near = min(LEVELS, key=lambda s: abs(s - error))
    found = []
    for name in (kind, f"{kind}_clip"):
        near = climbed(on_few, (name, near))[1]
        found.append(climbed(on_all, (name, near)))
    # In fp32 both: in bf16 the two can change places.
    return max((score(choice, clean, degraded), choice) for choice in found)


def degrade(row: Row, images: list[Any], channels: int) -> tuple[Tensor, Tensor]:
    pairs = [row.pair(image, channels, 0, k) for k, image in enumerate(images)]
    return torch.cat([clean for clean, _ in pairs]), torch.cat([degraded for _, degraded in pairs])


def measured(row: Row, images: list[Any], kind: str, before: dict[str, Any] | None, digest: str) -> dict[str, Any]:
    """Return FFDNet's figures on a row: those of ``before`` where the degraded images are the same."""
    clean, degraded = degrade(row, images, 3 if kind == "color" else 1)
    inputs = float(psnr(degraded.clamp(0, 1), clean).double().mean())
    if before is not None and before["digest"] == digest and abs(before["input_psnr"] - inputs) <= 1e-3:
        return before
    found, (weights, level) = best(f"ffdnet_{kind}", clean, degraded)
    figures = {"input_psnr": round(inputs, 4), "psnr": round(found, 4), "level": level, "weights": weights}
    print(row.name, json.dumps(figures), flush=True)
    return {"digest": digest, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure rows again that have not changed")
    parser.add_argument("--rows", default="", metavar="REGEX", help="measure only rows whose names match")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="measure these whole color images instead")
    parser.add_argument("-o", "--out", type=Path, default=BASELINE, help="JSON file, with --images")
    options = parser.parse_args()
    if (options.images is None) != (options.out == BASELINE):
        parser.error("give both --images and --out, or none of them")
    if options.images is None:
        sets = {one: read_sets(data_folder(None))[one.name] for one in SETS}
    else:
        one = ImageSet(options.images.name, "", 0)
        sets = {one: [read_image(path, 3) for path in list_images(options.images)]}
    known = {} if options.again or not options.out.exists() else read_json(options.out)
    value: dict[str, Any] = {
        "command": shlex.join(["python", "benchmarks/robustness/ffdnet_rows.py", *sys.argv[1:]]),
        "torch": torch.__version__,
        "weights": {},
    }
    for kind in ("color", "gray"):
        for name in (f"ffdnet_{kind}", f"ffdnet_{kind}_clip"):
            path = published(name)
            value["weights"][name] = "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    for kind, channels in (("color", 3), ("gray", 1)):
        before = {line["name"]: line for line in known.get(kind, [])}
        value[kind] = []
        for one, images in sets.items():
            for row in rows_for(channels):
                name = f"{one.name}:{row.name}"
                digest = row.digest() if options.images else row_digest(one, row)
                if re.search(options.rows, name):
                    value[kind].append({"name": name, **measured(row, images, kind, before.get(name), digest)})
                elif name in before:
                    value[kind].append(before[name])
                # Rows are saved one by one: nothing is lost if the program is stopped.
                names = {line["name"] for line in value[kind]}
                rest = [line for line in before.values() if line["name"] not in names]
                write_text(options.out, as_lines({**known, **value, kind: value[kind] + rest}))
        if kind not in known or value[kind] != known[kind]:
            write_text(options.out, as_lines({**known, **value}))


def as_lines(value: dict[str, Any]) -> str:
    """Return JSON with one line a row."""
    parts = []
    for key, part in value.items():
        text = json.dumps(part)
        if isinstance(part, list):
            text = "[\n" + ",\n".join(f"  {json.dumps(line)}" for line in part) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
