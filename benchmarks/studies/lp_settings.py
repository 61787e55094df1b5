"""Measure the settings of LP that its publication leaves open, and those of ours that differ, on training pairs.

    python tools/make_patch_prior.py bsds500/train --components 200 -o large.safetensors
    python benchmarks/studies/lp_settings.py rain800/training --prior large.safetensors \\
        -o docs/results/lp-settings.json

Restores the centers of a few pairs, evenly spread by name, with the first weight of the coupling (omega), the number of
rounds and the prior of natural patches that the method has, and with others of each, one at a time; and with patches
that weigh as much as printed, not 1/64 of it. Reports the mean PSNR and SSIM on RGB and the processor time of an image.
With `-o`, a repeated call measures only what is missing.
Give no test images: what is chosen on them says nothing about others.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.core.files import read_json, write_json
from clearer.data.folders import find_pairs
from clearer.data.items import Item, read_item
from clearer.evaluation.metrics import psnr, ssim
from clearer.images.pixels import center_crop, to_unit
from clearer.images.tensors import to_array, to_batch
from clearer.methods.lp import OMEGA, PATCHES, ROUNDS, lp, natural_patches, restored
from clearer.methods.patch_mixture import Mixture

OMEGAS = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
PUBLISHED_ROUNDS = 20
PRINTED = 1.0
PRINTED_OMEGAS = (0.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
KEY = ("components", "rounds", "omega", "patches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="training pairs of rain, the clean half left")
    parser.add_argument("--images", type=int, default=8, help="number of pairs (default: 8)")
    parser.add_argument("--side", type=int, default=192, help="of the centers in pixels (default: 192)")
    parser.add_argument("--omega", type=float, nargs="+", default=list(OMEGAS))
    parser.add_argument("--rounds", type=int, nargs="+", default=[PUBLISHED_ROUNDS])
    parser.add_argument("--printed", type=float, nargs="+", default=list(PRINTED_OMEGAS), help="omegas with patches so")
    parser.add_argument("--prior", type=Path, nargs="+", default=[], help="files of further priors")
    parser.add_argument("-o", "--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lp()  # says what is missing
    pairs = [centers(item, given.side) for item in spread(find_pairs(given.folder, "side-by-side"), given.images)]
    value: dict[str, Any] = {
        "command": f"python benchmarks/studies/lp_settings.py {given.folder} --prior large.safetensors "
        "-o docs/results/lp-settings.json",
        "images": len(pairs),
        "side": given.side,
        "input": scores(pairs, [rainy for _, rainy in pairs]),
        "used": dict(zip(KEY, (len(natural_patches().weights), ROUNDS, OMEGA, PATCHES), strict=True)),
        "rows": [],
    }
    if given.out is not None and given.out.exists():
        before = read_json(given.out)
        value["rows"] = before["rows"] if (before["images"], before["side"]) == (len(pairs), given.side) else []
    usual = natural_patches()
    wanted = [(usual, ROUNDS, omega, PATCHES) for omega in given.omega]
    wanted += [(usual, rounds, OMEGA, PATCHES) for rounds in given.rounds]
    wanted += [(natural_patches(file), ROUNDS, OMEGA, PATCHES) for file in given.prior]
    wanted += [(usual, ROUNDS, omega, PRINTED) for omega in given.printed]
    for prior, rounds, omega, patches in wanted:
        key = (len(prior.weights), rounds, omega, patches)
        row = next((one for one in value["rows"] if tuple(one[name] for name in KEY) == key), None)
        if row is None:
            row = dict(zip(KEY, key, strict=True)) | measured(pairs, prior, rounds, omega, patches)
            value["rows"].append(row)
            if given.out is not None:
                write_json(given.out, value)
        facts = f"{key[0]} components, {rounds} rounds, omega {omega:g}, patches weigh {patches:g}"
        print(f"{row['psnr']:6.2f} dB  {row['ssim']:.4f}  {row['seconds']:6.1f} s  {facts}", flush=True)


def spread(items: list[Item], count: int) -> list[Item]:
    return [items[k * len(items) // count] for k in range(min(count, len(items)))]


def centers(item: Item, side: int) -> tuple[Tensor, Tensor]:
    """Return the centers of the clean and the rainy image, each (1, 3, side, side)."""
    clean, rainy = read_item(item, 3)
    assert rainy is not None  # find_pairs
    one, other = (to_batch(to_unit(center_crop(image, side, side), item.span)) for image in (clean, rainy))
    return one, other


def measured(
    pairs: list[tuple[Tensor, Tensor]], prior: Mixture, rounds: int, omega: float, patches: float
) -> dict[str, Any]:
    began = time.process_time()
    found = [to_batch(restored(to_array(rainy), prior, omega, rounds, patches)) for _, rainy in pairs]
    return scores(pairs, found) | {"seconds": round((time.process_time() - began) / len(pairs), 1)}


def scores(pairs: list[tuple[Tensor, Tensor]], found: list[Tensor]) -> dict[str, Any]:
    """Return means over the images, and the PSNR of each."""
    values = [(psnr(one, clean).item(), ssim(one, clean).item()) for one, (clean, _) in zip(found, pairs, strict=True)]
    means = [statistics.fmean(column) for column in zip(*values, strict=True)]
    return {"psnr": round(means[0], 3), "ssim": round(means[1], 4), "per_image": [round(one, 2) for one, _ in values]}


if __name__ == "__main__":
    main()
