"""The multiply-adds of each candidate."""

from __future__ import annotations

from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.cost import step_macs
from clearer.network.costs.measured import measured_costs


def mac_costs(space: SearchSpace) -> Tensor:
    """Return the share of multiply-adds, ``(modules, K)``; see `measured_costs`."""
    return measured_costs(space, lambda step: step_macs(step, space))
