"""The most numbers that a forward pass holds at once, computed from the network's plan."""

from __future__ import annotations

from functools import lru_cache

from clearer.network.architecture import Architecture
from clearer.network.graph import Edge, Step
from clearer.network.plan import operations_of, plan_network

Channels = dict[int, int]
"""Channels of the feature of each scale."""


@lru_cache
def live_numbers(architecture: Architecture) -> float:
    """Return the most numbers alive at once in a forward pass, per pixel of the image.

    At each edge these are the features before the step, those that the step has made so far, the layer's own input
    and output, and the sum that it goes into. Nothing is counted as computed in place.
    """
    features: Channels = {0: operations_of(architecture.space).seen}
    most = 0.0
    for step in plan_network(architecture).steps:
        peak, features = _step(step, features)
        most = max(most, peak)
    return most / architecture.unshuffle**2


def _step(step: Step, features: Channels) -> tuple[float, Channels]:
    """Return the most numbers alive in a step, per position of scale 0, and the features after it."""
    before = sum(channels * 4.0**-scale for scale, channels in features.items())
    made: Channels = {}
    most, done = before, 0.0
    for target in range(step.scales):
        edges = step.into(target)
        made[target] = max(_channels(edge, features) for edge in edges)
        size = made[target] * 4.0**-target
        for edge in edges:
            summed = size if edge.shortcut is not None or len(edges) > 1 else 0.0
            most = max(most, before + done + _layers(edge) + summed)
        done += size
    return max(most, before + done), made


def _channels(edge: Edge, features: Channels) -> int:
    return edge.placed[-1].conv.target if edge.layers else features[edge.source]


def _layers(edge: Edge) -> float:
    """Return the largest input and output of one of an edge's layers, together."""
    sizes = ((conv.source * 4.0 ** (conv.stride - 1) + conv.target) * 4.0**-scale for conv, scale, _, _ in edge.placed)
    return max(sizes, default=0.0)
