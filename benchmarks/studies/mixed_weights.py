"""Measure a network whose weights lie between two trainings: PSNR on white noise and on noise that few images had.

    python benchmarks/studies/mixed_weights.py runs/denoise-gray-fast-1 runs/denoise-gray-fast --data bsds500/val \\
        --only docs/val_without_bsd68.txt --images 8 --shares 0 0.3 0.4 0.5 1 -o docs/results/mixed-gray-fast.json

The second run went on from the first; a share of 0.3 is 70 % of the first one's weights and 30 % of the second's.
Center crops are degraded with seed k for image k. A network that takes the noise level is told the estimated one.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.files import write_json
from clearer.data.folders import list_images
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.metrics import psnr
from clearer.images.pixels import center_crop
from clearer.images.tensors import to_batch
from clearer.images.view import read_image
from clearer.noise.level import estimate_level
from clearer.zoo.locate import located
from clearer.zoo.weights import load_weights

SIDE = 256
WHITE_25 = {"kind": "gaussian", "sigma": 25}
CASES: dict[str, dict[str, Any]] = {
    "white 15": {"kind": "gaussian", "sigma": 15},
    "white 25": WHITE_25,
    "white 50": {"kind": "gaussian", "sigma": 50},
    "coarse": {"kind": "correlated", "sigma": 25, "blur": 1, "stretch": 1},
    "camera": {"kind": "camera", "iso": 6400},
    "JPEG": {"kind": "chain", "steps": [WHITE_25, {"kind": "jpeg", "quality": 95}]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="run, weight file or name of a model")
    parser.add_argument("second")
    parser.add_argument("--data", required=True, help="folder of clean validation images")
    parser.add_argument("--only", type=Path, help="text file with the names of the images to take")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.3, 0.5, 1])
    parser.add_argument("-o", "--out", required=True, type=Path)
    given = parser.parse_args()
    (network, _), (second, card) = (load_weights(located(name)) for name in (given.first, given.second))
    network.eval()
    before, after = ({k: v.clone() for k, v in one.state_dict().items()} for one in (network, second))
    shown = degraded(given.data, given.only, given.images, network.architecture.channels)
    rows: list[dict[str, Any]] = []
    for share in given.shares:
        network.load_state_dict({name: value.lerp(after[name], share) for name, value in before.items()})
        rows.append({"share": share, **{case: mean_psnr(network, images) for case, images in shown.items()}})
        print(rows[-1], flush=True)
    command = f"python benchmarks/studies/mixed_weights.py {shlex.join(sys.argv[1:])}"
    facts = {"steps": card.steps, "degradation": card.degradation}
    write_json(given.out, {"command": command, "cases": CASES, "second": facts, "rows": rows})


def degraded(folder: str, only: Path | None, count: int, channels: int) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Return for each case the degraded and the clean images, (1, C, H, W)."""
    names = None if only is None else set(only.read_text().split())
    paths = [path for path in list_images(folder) if names is None or names & {path.name, path.stem}]
    found: dict[str, list[tuple[Tensor, Tensor]]] = {case: [] for case in CASES}
    for k, path in enumerate(paths[:: max(1, len(paths) // count)][:count]):
        clean = to_batch(center_crop(read_image(path, channels), SIDE, SIDE)).float() / 255
        for case, stated in CASES.items():
            noisy = degradation_from_dict(stated).apply(clean, torch.Generator().manual_seed(k))
            found[case].append((noisy, clean))
    return found


def mean_psnr(network: Any, images: list[tuple[Tensor, Tensor]]) -> float:
    """Return the mean PSNR in dB of the restored images."""
    with torch.inference_mode():
        values = [psnr(network(noisy, *told(network, noisy)).clamp(0, 1), clean).item() for noisy, clean in images]
    return round(sum(values) / len(values), 3)


def told(network: Any, noisy: Tensor) -> tuple[Tensor, ...]:
    """Return the estimated level for a network that takes it."""
    return (estimate_level(noisy),) if network.architecture.takes_level else ()


if __name__ == "__main__":
    main()
