"""Build the network that a run trains: that of an architecture, or a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clearer.network.architecture import Architecture
from clearer.network.baselines.base import BaselineNetwork, baseline_macs_per_pixel, count_baseline_parameters
from clearer.network.baselines.form import KEY, BaselineForm
from clearer.network.baselines.registry import BASELINES
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.network import RestorationNetwork

Form = Architecture | BaselineForm
"""What a weight file states about its network."""
TrainableNetwork = RestorationNetwork | BaselineNetwork


def build_network(form: Form) -> TrainableNetwork:
    """Return the network of an architecture or a baseline, with random initial weights."""
    if isinstance(form, Architecture):
        return RestorationNetwork(form)
    network = BASELINES.get(form.name)()
    assert isinstance(network, BaselineNetwork)
    return network


def form_from_dict(value: Mapping[str, Any]) -> Form:
    """Return the form of its JSON form.

    Raises:
        UserError: it is neither an architecture nor a baseline.
    """
    return BaselineForm.from_dict(value) if KEY in value else Architecture.from_dict(value)


def cost_of(form: Form) -> tuple[int, float]:
    """Return the number of weights and the multiply-adds per pixel of a network."""
    if isinstance(form, Architecture):
        return parameters(form), macs_per_pixel(form)
    network = build_network(form)
    assert isinstance(network, BaselineNetwork)
    return count_baseline_parameters(network), baseline_macs_per_pixel(network)
