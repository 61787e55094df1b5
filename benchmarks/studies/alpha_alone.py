"""Optimize L_Arch alone with noisy gradients: how the gap of the mixing weights grows.

    python benchmarks/studies/alpha_alone.py [-o OUT.json]

No network and no images: 12 pairs of alpha, lambda_1 = 0.1, the published Adam and weight decay. The noise is normal;
its standard deviation is that of the gradient with respect to the difference of a pair, which
benchmarks/studies/alpha_pulls.py measures for L_Res.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from pathlib import Path

import torch

from clearer.core.files import write_json
from clearer.recipe.schema import SearchSettings
from clearer.search.alphas import mean_gap
from clearer.search.objectives import architecture_loss
from clearer.training.optimizers import make_optimizer

STEPS = (2000, 5000, 9500)


def gaps(noise: float, seed: int) -> list[float]:
    """Return the mean gap after each of `STEPS`."""
    torch.manual_seed(seed)
    alpha = torch.nn.Parameter(1e-3 * torch.randn(12, 2))
    optimizer = make_optimizer(SearchSettings().alpha, [alpha])
    found = []
    for step in range(1, STEPS[-1] + 1):
        optimizer.zero_grad()
        (0.1 * architecture_loss(alpha.softmax(1))).backward()
        drawn = noise * torch.randn(12) / 2
        assert alpha.grad is not None
        alpha.grad += torch.stack([drawn, -drawn], 1)
        optimizer.step()
        if step in STEPS:
            found.append(mean_gap(alpha.detach().softmax(1)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, nargs="+", default=[0, 1.3e-4, 2.4e-4, 1e-3, 2.7e-3, 5.4e-3])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for noise in arguments.noise:
        each = [gaps(noise, seed) for seed in range(arguments.seeds)]
        rows.append({"noise": noise, "gaps": [statistics.mean(g) for g in zip(*each, strict=True)]})
        print(rows[-1], file=sys.stderr)
    command = shlex.join(["python", "benchmarks/studies/alpha_alone.py", *sys.argv[1:]])
    result = {"command": command, "steps": list(STEPS), "seeds": arguments.seeds, "rows": rows}
    if arguments.out:
        write_json(arguments.out, result)


if __name__ == "__main__":
    main()
