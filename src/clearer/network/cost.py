"""What a network costs: parameters and multiply-adds, module by module.

Counted on the network itself, on torch's meta device, so that the figures cannot drift from the code
and nothing is computed. A MAC is a multiply-add of a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.backbone import Backbone
from clearer.network.network import RestorationNetwork
from clearer.network.supernet import Supernet


@dataclass(frozen=True)
class Part:
    """The cost of one part of a network: parameters, and multiply-adds per input pixel."""

    module: str
    parameters: int
    macs_per_pixel: float


def count_parameters(network: nn.Module) -> int:
    """Return the number of weights; a supernet's alpha are not counted."""
    return sum(p.numel() for name, p in network.named_parameters() if name != "alpha")


def macs_by_layer(network: Backbone, space: SearchSpace | Architecture) -> dict[str, float]:
    """Return multiply-adds per input pixel of each convolution, by its name in the network."""
    side = space.multiple
    macs: dict[str, float] = {}

    def count(name: str) -> Any:
        def hook(layer: nn.Conv2d, _: Any, output: Tensor) -> None:
            macs[name] = layer.weight.numel() * output.shape[-1] * output.shape[-2] / side**2

        return hook

    hooks = [m.register_forward_hook(count(name)) for name, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        network.eval()(torch.empty(1, space.channels, side, side, device="meta"))
    for hook in hooks:
        hook.remove()
    return macs


def cost_table(architecture: Architecture) -> list[Part]:
    """Return the cost of each part of the network in the order of computing."""
    with torch.device("meta"):
        network = RestorationNetwork(architecture)
    macs = macs_by_layer(network, architecture)
    parts = [("stem", "stem")]
    number = 0
    for c, letters in enumerate(architecture.cells):
        parts.append((f"cells.{c}.transition", f"cell {c + 1} transition"))
        for m, letter in enumerate(letters):
            number += 1
            kind = "parallel" if letter == "P" else "fusion"
            parts.append((f"cells.{c}.searched.{m}", f"cell {c + 1} module {number} ({kind})"))
    parts += [("fusion", "fusion to full scale"), ("last", "last convolution")]
    return [
        Part(
            label,
            count_parameters(network.get_submodule(prefix)),
            sum(n for name, n in macs.items() if name == prefix or name.startswith(prefix + ".")),
        )
        for prefix, label in parts
    ]


def macs_per_pixel(architecture: Architecture) -> float:
    """Return multiply-adds per pixel of an image whose sides the network's multiple divides."""
    return sum(part.macs_per_pixel for part in cost_table(architecture))


def parameters(architecture: Architecture) -> int:
    """Return the number of parameters of the architecture's network."""
    return sum(part.parameters for part in cost_table(architecture))


def module_costs(space: SearchSpace, measure: str) -> Tensor:
    """Return the cost of both candidates of each module, ``(modules, 2)``, parallel first.

    ``measure`` is ``"parameters"`` or ``"macs"``. Each is given as a share of the dearest stage's two
    candidates together, so that the largest row sums to one.
    """
    with torch.device("meta"):
        network = Supernet(space)
    macs = macs_by_layer(network, space)
    rows = []
    for c in range(space.cells):
        for m in range(space.modules_per_cell):
            row = []
            for kind in ("parallel", "fusion"):
                prefix = f"cells.{c}.searched.{m}.{kind}"
                if measure == "parameters":
                    row.append(float(count_parameters(network.get_submodule(prefix))))
                else:
                    row.append(sum(n for name, n in macs.items() if name.startswith(prefix + ".")))
            rows.append(row)
    costs = torch.tensor(rows)
    return costs / costs.sum(dim=1).max()
