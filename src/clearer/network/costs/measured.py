"""Costs counted on the plan: a number per step, relative to the most expensive place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.graph import Step
from clearer.network.plan import plan_supernet


def measured_costs(space: SearchSpace, of_step: Callable[[Step], float]) -> Tensor:
    """Return the cost ``of_step`` of each candidate in each searched place, ``(modules, K)``.

    The costs are divided by those of the most expensive place's candidates together: the largest row sums to 1. All are
    0 where the candidates are free, as skips alone are.
    """
    costs = torch.tensor([[float(of_step(step)) for step in place] for place in plan_supernet(space).searched])
    largest = costs.sum(dim=1).max()
    return costs / largest if largest > 0 else costs
