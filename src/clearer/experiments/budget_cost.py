"""What a network costs in the unit of a budget, and the default network scaled to it."""

from __future__ import annotations

import itertools
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.inference.budget import Budget
from clearer.inference.latency_table import LatencyTable, cache_folder
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.recipe.schema import Recipe
from clearer.search.macro_space import Cost

DEFAULT = "FPFF-FFFF"
"""The genotype that is scaled in width where nothing is searched; with a pixel unshuffle of 2."""


def cost_of_networks(budget: Budget, recipe: Recipe, console: Console) -> tuple[Cost, float]:
    """Return the cost of a network and the budget in its unit: milliseconds here, or multiply-adds per pixel."""
    if budget.milliseconds is None:
        say(
            f"search: {budget} counts multiply-adds, which do not rank the time of networks; see docs/search.md",
            console,
        )
        return macs_per_pixel, float(budget.macs_per_pixel or 0)
    file = cache_folder() / f"latency-{budget.size}.json"
    table = LatencyTable(budget.size, recipe.device, "auto", file)
    if table.measured_elsewhere is not None:
        known = table.measured_elsewhere.get("device")
        say(f"{file}: measured on {known}; measured again on {table.valid_for['device']}", console)
    return table.milliseconds, budget.milliseconds


def fixed_fields(recipe: Recipe) -> dict[str, Any]:
    """Return the fields of the network that a search does not change, for `Architecture`."""
    network = recipe.network
    return {"channels": network.channels, "norm": "none", "residual": True, "condition": network.condition}


def scaled_default(cost: Cost, budget: float, fields: dict[str, Any]) -> Architecture:
    """Return the widest default network within a budget.

    Raises:
        UserError: a network of 4 channels costs more.
    """
    widths = [Architecture.parse(DEFAULT, width=w, unshuffle=2, **fields) for w in range(4, 129)]
    fitting = list(itertools.takewhile(lambda a: cost(a) <= budget, widths))
    if not fitting:
        raise UserError(f"budget: the smallest default network costs {cost(widths[0]):.4g}, more than {budget:.4g}")
    return fitting[-1]
