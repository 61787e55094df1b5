"""The registry of costs, by the names of ``search.costs``. To add one, add a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clearer.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from clearer.network.architecture import SearchSpace

COSTS: Registry[Callable[[SearchSpace], Tensor]] = Registry(
    "search.costs",
    {
        "paper": "clearer.network.costs.paper:paper_costs",
        "parameters": "clearer.network.costs.parameters:parameter_costs",
        "macs": "clearer.network.costs.macs:mac_costs",
        "activations": "clearer.network.costs.activations:activation_costs",
    },
)
"""Each returns C of shape ``(modules, K)``: the cost of every candidate of a space in every searched place."""
