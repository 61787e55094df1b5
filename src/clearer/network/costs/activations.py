"""The activations of each candidate: the numbers that its convolutions write, a measure of memory traffic.

Radosavovic et al., "Designing network design spaces" (CVPR 2020), found them closer to run time than multiply-adds.
"""

from __future__ import annotations

from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.cost import per_pixel
from clearer.network.costs.measured import measured_costs


def activation_costs(space: SearchSpace) -> Tensor:
    """Return the share of activations, ``(modules, K)``; see `measured_costs`."""
    return measured_costs(
        space, lambda step: sum(per_pixel(placed.conv.target, placed, space) for placed in step.placed)
    )
