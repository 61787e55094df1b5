"""Fit the prior of natural patches that the method LP needs: a Gaussian mixture on photographs without rain.

    python tools/make_patch_prior.py bsds500/train -o models/lp-natural-patches/mixture.safetensors

Patches are 8x8 pixels of luma in [0, 1] without their mean, from random places.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

from clearer.data.folders import find_items
from clearer.data.items import read_item
from clearer.images.pixels import to_unit
from clearer.methods.patch_mixture import fitted

SIDE = 8
LUMA = torch.tensor((0.299, 0.587, 0.114))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="photographs")
    parser.add_argument("--components", type=int, default=50)
    parser.add_argument("--patches", type=int, default=300, help="patches of each photograph")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    found = []
    for item in find_items(given.folder):
        pixels = torch.from_numpy(to_unit(read_item(item, 3)[0]))
        every = (pixels @ LUMA).unfold(0, SIDE, 1).unfold(1, SIDE, 1)
        rows, columns = (torch.randint(n, (given.patches,), generator=generator) for n in every.shape[:2])
        found.append(every[rows, columns].flatten(1))
    patches = torch.cat(found)
    patches = patches - patches.mean(1, keepdim=True)
    mixture = fitted(patches, given.components, given.iterations)
    rows, columns = torch.triu_indices(SIDE * SIDE, SIDE * SIDE)
    # Triangular factors keep small variances in half precision, and give sound covariances.
    factors = torch.linalg.cholesky(mixture.covariances)[:, columns, rows].half()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weights": mixture.weights, "factors": factors.contiguous()}, given.out)
    print(f"{len(mixture.weights)} components of {len(patches)} patches: {given.out}")


if __name__ == "__main__":
    main()
