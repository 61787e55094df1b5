"""The paper's cost: one ratio of parallel to fusion, 0.7 to 0.3, in every place."""

from __future__ import annotations

import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.network.architecture import SearchSpace
from clearer.network.candidates.registry import CANDIDATES


def paper_costs(space: SearchSpace) -> Tensor:
    """Return C^p and C^f, the modules' share of parameters in the released program, ``(modules, K)``.

    Raises:
        UserError: the paper has no cost for a candidate of the space.
    """
    costs = {letter: CANDIDATES.get(letter).published_cost for letter in space.candidates}
    for letter, cost in costs.items():
        if cost is None:
            raise UserError(f"search.costs: the paper has no cost for candidate {letter}; use parameters or macs")
    return torch.tensor([list(costs.values())] * space.modules)
