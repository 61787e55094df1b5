"""Costs that are measured on the plan: a number per step, as a share of the most expensive place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.graph import Step
from clearer.network.plan import plan_supernet


def measured_costs(space: SearchSpace, of_step: Callable[[Step], float]) -> Tensor:
    """Return ``of_step`` of each candidate in each searched place, ``(modules, K)``.

    Each is given as a share of the dearest place's candidates together, so that the largest row sums to one.
    """
    costs = torch.tensor([[float(of_step(step)) for step in place] for place in plan_supernet(space).searched])
    return costs / costs.sum(dim=1).max()
