"""The number of parameters of each candidate."""

from __future__ import annotations

from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.costs.measured import measured_costs


def parameter_costs(space: SearchSpace) -> Tensor:
    """Return the share of parameters, ``(modules, K)``; see `measured_costs`."""
    return measured_costs(space, lambda step: step.parameters)
