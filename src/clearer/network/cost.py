"""The parameters and multiply-adds of a network, part by part, computed from its plan.

A MAC is one multiply-add of a convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.graph import Placed, Step
from clearer.network.plan import NetworkPlan, plan_network, plan_supernet

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Part:
    """The cost of one part of a network: parameters, and multiply-adds per input pixel."""

    module: str
    parameters: int
    macs_per_pixel: float


def count_parameters(network: nn.Module) -> int:
    """Return the number of weights; a supernet's architecture parameters are not counted."""
    return sum(p.numel() for name, p in network.named_parameters() if name != "alpha")


def per_pixel(amount: float, placed: Placed, space: SearchSpace) -> float:
    """Convert an amount per output position of a convolution to an amount per pixel of an image.

    The sides of the image are multiples of the network's multiple.
    """
    side: int = space.multiple // (space.unshuffle * 2**placed.scale)
    return amount * side**2 / space.multiple**2


def step_macs(step: Step, space: SearchSpace) -> float:
    """Return the multiply-adds of a step per pixel of an image."""
    return sum(per_pixel(placed.conv.weights, placed, space) for placed in step.placed)


def cost_table(architecture: Architecture) -> list[Part]:
    """Return the cost of each part of the network in the order of computation."""
    return _table(plan_network(architecture))


def supernet_cost_table(space: SearchSpace) -> list[Part]:
    """Return the cost of each part of a space's supernet: of a searched module, each candidate by itself."""
    return _table(plan_supernet(space))


def _table(plan: NetworkPlan) -> list[Part]:
    rows: dict[str, list[Step]] = {}
    for step in plan.steps:
        rows.setdefault(step.label, []).append(step)
    return [_part(label, steps, plan.space) for label, steps in rows.items()]


def _part(label: str, steps: Sequence[Step], space: SearchSpace) -> Part:
    return Part(label, sum(step.parameters for step in steps), sum(step_macs(step, space) for step in steps))


def macs_per_pixel(architecture: Architecture) -> float:
    """Return multiply-adds per pixel of an image whose sides the network's multiple divides."""
    return sum(part.macs_per_pixel for part in cost_table(architecture))


def parameters(architecture: Architecture) -> int:
    """Return the number of parameters of the architecture's network."""
    return sum(part.parameters for part in cost_table(architecture))
