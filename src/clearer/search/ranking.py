"""Costs of all architectures of a space, the Pareto front of cost and quality, and rank correlation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clearer.network.architecture import SearchSpace
from clearer.network.cost import step_macs
from clearer.network.plan import plan_supernet


def costs_of_all(space: SearchSpace) -> dict[str, tuple[int, float]]:
    """Return parameters and multiply-adds per pixel of all architectures of the space, by genotype.

    The cost of a module does not depend on the others, so one plan gives all sums.
    """
    plan = plan_supernet(space)
    fixed = [position[0] for position in plan.positions if not position[0].number]
    sums = [("", sum(step.parameters for step in fixed), sum(step_macs(step, space) for step in fixed))]
    for place in plan.searched:
        candidates = [(step.letter, step.parameters, step_macs(step, space)) for step in place]
        sums = [
            (choices + letter, parameters + more, macs + more_macs)
            for choices, parameters, macs in sums
            for letter, more, more_macs in candidates
        ]
    return {str(space.architecture(choices)): (parameters, float(macs)) for choices, parameters, macs in sums}


def pareto_front(points: dict[str, tuple[float, float]]) -> list[str]:
    """Return the names of the Pareto-optimal ``(cost, quality)`` points, by cost."""
    front: list[str] = []
    best = float("-inf")
    for name, (_, quality) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if quality > best:
            front.append(name)
            best = quality
    return front


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Spearman's rank correlation; ties share the mean of their ranks. NaN where one side is constant.

    >>> rank_correlation([1.0, 2.0, 3.0], [10.0, 20.0, 15.0])
    0.5
    """
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = float((x.square().sum() * y.square().sum()).sqrt())
    return float((x * y).sum()) / scale if scale else float("nan")


def _ranks(values: Sequence[float]) -> Tensor:
    tensor = torch.tensor(values, dtype=torch.float64)
    below = (tensor[None] < tensor[:, None]).sum(1).double()
    equal = (tensor[None] == tensor[:, None]).sum(1).double()
    return below + (equal - 1) / 2
