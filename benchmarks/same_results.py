"""Compare a device with the CPU: gradients of a search step, restored images, training batches.

    python benchmarks/same_results.py cuda

Prints the largest difference of each, relative to the largest value. Exits with status 1 if a difference exceeds
its limit.
"""

from __future__ import annotations

import argparse
import copy
import sys

import numpy as np
import torch
from torch import Tensor, nn

from clearer.core.device import choose_precision
from clearer.data.patches import PatchSampler
from clearer.data.variety import Variety
from clearer.degradations.none import NoDegradation
from clearer.inference.restorer import Restorer
from clearer.network.architecture import SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet

WIDTH = 16


def difference(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two tensors, relative to the largest value of ``b``."""
    a, b = a.detach().double().cpu(), b.detach().double().cpu()
    return float((a - b).abs().max() / b.abs().max())


def with_random_weights(network: nn.Module) -> nn.Module:
    """Draw weights large enough for every path to matter."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", nargs="?", default="cuda", help="device to compare with the CPU (default: cuda)")
    device = torch.device(parser.parse_args().device)
    choose_precision("fp32", device)  # turns TF32 off, as clearer does
    torch.manual_seed(0)
    space = SearchSpace(width=WIDTH)
    x, y = torch.rand(4, 1, 64, 64), torch.rand(4, 1, 64, 64)
    rows: list[tuple[str, float, float]] = []

    here = with_random_weights(Supernet(space)).train()
    there = copy.deepcopy(here).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    gradients = []
    for network, place in ((here, torch.device("cpu")), (there, device)):
        loss = nn.functional.mse_loss(network(x.to(place)), y.to(place))
        loss.backward()
        found = {name: p.grad.double().cpu() for name, p in network.named_parameters() if p.grad is not None}
        gradients.append((found.pop("alpha"), torch.cat([g.flatten() for g in found.values()])))
    for what, a, b in zip(("alpha", "weights"), *gradients, strict=True):
        rows.append((f"gradients of the supernet's {what}, fp32", float((a - b).norm() / a.norm()), 1e-2))

    network = with_random_weights(RestorationNetwork(space.random_architecture(0))).eval()
    image = torch.rand(1, 1, 321, 481)
    with torch.no_grad():
        exact = copy.deepcopy(network).double()(image.double())
    for precision, limit in (("fp32", 1e-4), ("bf16", 5e-2)):
        assert isinstance(network, RestorationNetwork)
        restorer = Restorer(copy.deepcopy(network), device=device, precision=precision)
        rows.append((f"restoring, {precision}", difference(restorer(image), exact), limit))

    images = [(np.random.default_rng(k).integers(0, 256, (99, 120, 1), np.uint8), None) for k in range(5)]
    drawn = []
    for place in (torch.device("cpu"), device):
        still = NoDegradation()
        how = {"patch": 32, "batch": 16, "degradation": still, "variety": Variety(), "seed": 3}
        drawn.append(PatchSampler(images, **how, device=place).draw()[1])  # type: ignore[arg-type]
    # A GPU divides by 255 as a product with its reciprocal, so the last bit may differ.
    rows.append(("patches drawn", difference(drawn[1], drawn[0]), 1e-6))

    for what, found, limit in rows:
        print(f"{'ok ' if found <= limit else 'BAD'}  {what}: {found:.1e} (limit {limit:.0e})")
    if any(found > limit for _, found, limit in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
