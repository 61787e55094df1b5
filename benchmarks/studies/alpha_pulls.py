"""Measure the forces on alpha in a search: the gradient of L_Res and its noise, L_Arch, weight decay.

    python benchmarks/studies/alpha_pulls.py RUN [--batch 8 32] [--patch 32 64] [-o OUT.json]

Takes the final supernet of a finished search. For each batch size: mean and standard deviation over held-out batches
of the gradient of L_Res with respect to the difference of a module's two alpha, beside lambda_1 times the gradient of
L_Arch and the weight decay. Adam divides by the root mean square of the whole gradient, so where the noise exceeds
L_Arch's gradient, alpha moves more slowly by that factor.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch
from torch import nn

from clearer.core.files import write_json
from clearer.data.items import read_images
from clearer.data.patches import PatchSampler
from clearer.data.splits import resolve_splits
from clearer.data.variety import Variety
from clearer.search.objectives import architecture_loss
from clearer.search.one_shot import load_supernet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--patch", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--undecided", action="store_true", help="set all alpha to 0, as at the start of a search")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    recipe, supernet = load_supernet(arguments.run, torch.device("cpu"))
    if arguments.undecided:
        nn.init.zeros_(supernet.alpha)
    splits = resolve_splits(
        recipe.data, channels=recipe.network.channels, patch=max(arguments.patch), seed=recipe.seed, say=lambda _: None
    )
    images = read_images(splits.validation, recipe.network.channels)
    rows = []
    for batch, patch in zip(arguments.batch, arguments.patch, strict=True):
        sampler = PatchSampler(
            images, patch=patch, batch=batch, degradation=recipe.data.degradation,
            variety=Variety(), seed=recipe.seed + 40, device=torch.device("cpu"),
        )  # fmt: skip
        gradients = []
        for _ in range(arguments.batches):
            degraded, clean = sampler.draw()
            with supernet.only_alpha():
                loss = nn.functional.mse_loss(supernet(degraded), clean)
                (gradient,) = torch.autograd.grad(loss, supernet.alpha)
            gradients.append(gradient[:, 0] - gradient[:, 1])
        spread, mean = torch.std_mean(torch.stack(gradients), dim=0)  # (modules,)
        rows.append(
            {
                "batch": batch,
                "patch": patch,
                "mean": float(mean.abs().mean()),
                "noise": float(spread.mean()),
                "noise_of_the_mean": float(spread.mean()) / arguments.batches**0.5,
            }
        )
    alpha = supernet.alpha.detach().clone().requires_grad_(True)
    # At a mixing weight of 0.6: at 0.5 the gradient of L_Arch is zero for any lambda_1.
    if arguments.undecided:
        alpha = torch.tensor([[0.405, 0.0]]).repeat(len(alpha), 1).requires_grad_(True)
    (pull,) = torch.autograd.grad(recipe.search.lambda_arch * architecture_loss(alpha.softmax(1)), alpha)
    decay = recipe.search.alpha.weight_decay * alpha.detach()
    result = {
        "command": shlex.join(["python", "benchmarks/studies/alpha_pulls.py", *sys.argv[1:]]),
        "lambda_arch": recipe.search.lambda_arch,
        "rows": rows,
        "architecture_loss_pull": float((pull[:, 0] - pull[:, 1]).abs().mean()),
        "weight_decay_pull": float((decay[:, 0] - decay[:, 1]).abs().mean()),
    }
    if arguments.out:
        write_json(arguments.out, result)
    print(result)


if __name__ == "__main__":
    main()
