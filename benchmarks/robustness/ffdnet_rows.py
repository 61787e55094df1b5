"""Record FFDNet's figures for the robustness table: on every row, the level and the weights that score best.

    python benchmarks/robustness/ffdnet_rows.py

CLEARER_SHARED names a folder with ``data`` (docs/data.md) and ``peers`` (weights as npz). Writes
src/clearer/evaluation/baselines/robustness-ffdnet.json. To keep it to minutes, the level is searched in bf16 on every
third image of the row: 5, 15, 30, 50 and 75, then upwards or downwards by 5 from the best of them, first with the plain
weights, then with those for clipped noise. The best is measured on all images in fp32; so is the second where it is
within 0.1 dB, and the better counts.
Rows whose digest and input PSNR are unchanged are not measured again; ``--again`` measures all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from ffdnet import FFDNet, published  # type: ignore[import-not-found, unused-ignore]

from clearer.core.files import read_json_if_there, write_text
from clearer.evaluation.metrics import psnr
from clearer.evaluation.robustness import BASELINE, LEVELS, SETS, data_folder, read_sets, row_digest, rows_for
from clearer.evaluation.robustness_rows import Row

FIRST = (5, 15, 30, 50, 75)
BATCH, SEARCHED, CLOSE = 4, 3, 0.1
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


def best(kind: str, clean: Tensor, degraded: Tensor) -> tuple[float, Choice]:
    """Return the best mean PSNR, and the weights and level that give it."""
    found: dict[Choice, float] = {}
    few = clean[::SEARCHED], degraded[::SEARCHED]

    def at(choice: Choice) -> float:
        if choice not in found:
            found[choice] = score(choice, *few, dtype=torch.bfloat16)
        return found[choice]

    def climb(name: str, sigma: int) -> int:
        while True:
            top = max((s for s in (sigma, sigma - 5, sigma + 5) if s in LEVELS), key=lambda s: at((name, s)))
            if top == sigma:
                return sigma
            sigma = top

    plain = climb(kind, max(FIRST, key=lambda s: at((kind, s))))
    climb(f"{kind}_clip", plain)
    first, second = sorted(found, key=lambda choice: -found[choice])[:2]
    finalists = [first, second] if found[first] - found[second] < CLOSE else [first]
    return max((score(choice, clean, degraded), choice) for choice in finalists)


def degrade(row: Row, images: list[Any], channels: int) -> tuple[Tensor, Tensor]:
    pairs = [row.pair(image, channels, 0, k) for k, image in enumerate(images)]
    return torch.cat([clean for clean, _ in pairs]), torch.cat([degraded for _, degraded in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure rows again that have not changed")
    options = parser.parse_args()
    sets = read_sets(data_folder(None))
    known = {} if options.again else read_json_if_there(BASELINE) or {}
    value: dict[str, Any] = {
        "command": "python benchmarks/robustness/ffdnet_rows.py",
        "torch": torch.__version__,
        "weights": {},
    }
    for kind in ("color", "gray"):
        for name in (f"ffdnet_{kind}", f"ffdnet_{kind}_clip"):
            path = published(name)
            value["weights"][name] = "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    began = time.perf_counter()
    for kind, channels in (("color", 3), ("gray", 1)):
        before = {line["name"]: line for line in known.get(kind, [])}
        value[kind] = []
        for one in SETS:
            for row in rows_for(channels):
                name, digest = f"{one.name}:{row.name}", row_digest(one, row)
                clean, degraded = degrade(row, sets[one.name], channels)
                inputs = float(psnr(degraded.clamp(0, 1), clean).double().mean())
                line = before.get(name)
                if line is None or line["digest"] != digest or abs(line["input_psnr"] - inputs) > 1e-3:
                    found, (weights, level) = best(f"ffdnet_{kind}", clean, degraded)
                    line = {"name": name, "digest": digest, "input_psnr": round(inputs, 4), "psnr": round(found, 4)}
                    line |= {"level": level, "weights": weights}
                    print(json.dumps(line), f"{time.perf_counter() - began:.0f} s", flush=True)
                value[kind].append(line)
                # Rows are saved one by one: what is measured is not lost if the program is stopped.
                write_text(BASELINE, as_lines({**known, **value}))


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
