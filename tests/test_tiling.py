"""Tiles: what the network sees of a picture, and that nobody can tell that it was cut."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.architecture import Architecture
from clearer.inference.receptive import receptive_field
from clearer.network.restoration import RestorationNetwork


def plausible(architecture: Architecture, seed: int = 0, positive: bool = False) -> RestorationNetwork:
    """Return a network with random weights and statistics through which every feature passes.

    Initial weights will not do: with batch norm they are near zero, and so are results.
    """
    chance = torch.Generator().manual_seed(seed)
    network = RestorationNetwork(architecture)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            inputs = layer.in_channels * layer.kernel_size[0] ** 2
            layer.weight.data.normal_(0, inputs**-0.5, generator=chance)
            if layer.bias is not None:
                layer.bias.data.normal_(0, 0.1, generator=chance)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 1, generator=chance)
            layer.bias.data.uniform_(-0.2, 0.2, generator=chance)
            layer.running_mean.normal_(0, 0.1, generator=chance)
            layer.running_var.uniform_(0.5, 2, generator=chance)
    if positive:  # nothing is lost in a ReLU, nothing cancels
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.abs_()
    return network.eval().requires_grad_(False)


@st.composite
def architectures(draw: st.DrawFn, cells: int = 3) -> Architecture:
    letters = st.text("PF", min_size=1, max_size=2)
    text = "-".join(draw(st.lists(letters, min_size=1, max_size=cells)))
    return Architecture.parse(
        text,
        width=2,
        operations=draw(st.sampled_from(["supplement", "released"])),
        norm=draw(st.sampled_from(["batch", "none"])),
        residual=draw(st.booleans()),
    )


# the receptive field


@given(architectures())
@settings(max_examples=25, deadline=None)
def test_the_receptive_field_is_what_gradients_reach(architecture: Architecture) -> None:
    network = plausible(architecture, positive=True).double()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(-1.0)  # so that every ReLU passes
    radius, multiple = receptive_field(architecture), architecture.multiple
    middle = -(-(radius + multiple) // multiple) * multiple
    side = 2 * middle + multiple
    found = 0
    for phase in range(multiple):
        x = torch.rand(1, 1, multiple, side, dtype=torch.float64, requires_grad=True)
        network(x)[0, 0, :, middle + phase].sum().backward()
        assert x.grad is not None
        reached = x.grad[0, 0].abs().amax(0).nonzero()[:, 0] - (middle + phase)
        found = max(found, -int(reached.min()), int(reached.max()))
    assert found == radius


def test_deeper_and_coarser_networks_see_farther() -> None:
    def radius(text: str) -> int:
        return receptive_field(Architecture.parse(text))

    assert radius("P") < radius("PP") < radius("PP-P") < radius("PP-P-P") < radius("PP-P-P-P")
    assert radius("F-F-F") < radius("F-F-P")
