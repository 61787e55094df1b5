"""The plan matches the network: the place of every convolution, and all counts computed from it."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.inference.fused_cpu import can_fuse, fuse
from clearer.network.architecture import NORMS, OPERATIONS, SearchSpace
from clearer.network.cost import count_parameters, macs_per_pixel
from clearer.network.live_features import live_numbers
from clearer.network.network import RestorationNetwork
from clearer.network.plan import NetworkPlan, plan_network, plan_supernet
from clearer.network.receptive_field import receptive_field
from clearer.network.supernet import Supernet
from helpers.networks import converged


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Any space: widths and depths of their own, every set of candidates."""
    scales = draw(st.integers(2, 4))
    return SearchSpace(
        channels=draw(st.sampled_from([1, 3])),
        scales=scales,
        width=draw(st.lists(st.integers(1, 6), min_size=scales, max_size=scales)),
        modules_per_cell=draw(st.lists(st.integers(1, 3), min_size=scales - 1, max_size=scales - 1)),
        operations=draw(st.sampled_from(OPERATIONS)),
        norm=draw(st.sampled_from(NORMS)),
        residual=draw(st.booleans()),
        unshuffle=draw(st.sampled_from([1, 2])),
        candidates=draw(st.sampled_from(["PF", "PFS", "S", "FS", "SFP"])),
    )


def check(plan: NetworkPlan, network: nn.Module) -> None:
    """Compare all convolutions of a plan with the layers that have their names."""
    found = set()
    for step in plan.steps:
        for placed in step.placed:
            name = ".".join(filter(None, (step.name, placed.name)))
            layer = network.get_submodule(name)
            assert isinstance(layer, nn.Conv2d)
            conv = placed.conv
            assert (layer.in_channels, layer.out_channels) == (conv.source, conv.target)
            assert (layer.kernel_size[0], layer.stride[0], layer.bias is not None) == (
                conv.kernel,
                conv.stride,
                conv.bias,
            )
            norm = None if placed.norm is None else ".".join(filter(None, (step.name, placed.norm)))
            assert conv.norm == (norm is not None)
            if norm is not None:
                assert isinstance(network.get_submodule(norm), nn.BatchNorm2d)
            found.add(name)
    assert found == {name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    assert sum(step.parameters for step in plan.steps) == count_parameters(network)


@settings(max_examples=25, derandomize=True)
@given(space=spaces(), seed=st.integers(0, 99))
def test_the_plan_names_every_convolution(space: SearchSpace, seed: int) -> None:
    architecture = space.random_architecture(seed)
    check(plan_network(architecture), RestorationNetwork(architecture))
    check(plan_supernet(space), Supernet(space))


@settings(max_examples=20, derandomize=True)
@given(space=spaces(), seed=st.integers(0, 99))
def test_counts_read_from_the_plan_match_the_network(space: SearchSpace, seed: int) -> None:
    architecture = space.random_architecture(seed)
    torch.manual_seed(seed)
    network = converged(RestorationNetwork(architecture)).eval().requires_grad_(False)
    assert macs_per_pixel(architecture) > 0 and live_numbers(architecture) > 0
    side = architecture.multiple * (2 + receptive_field(architecture) // architecture.multiple) * 2
    x = torch.rand(1, space.channels, architecture.multiple, side)
    y = network(x)
    assert y.shape == x.shape
    # No pixel depends on one that is farther away than the receptive field.
    middle = side // 2
    changed = x.clone()
    changed[..., middle + receptive_field(architecture) + 1 :] += 1.0
    tolerance = 1e-5 * float(y.abs().max())
    assert torch.allclose(network(changed)[..., : middle + 1], y[..., : middle + 1], atol=tolerance)
    if can_fuse():
        fused = fuse(network)  # type: ignore[arg-type]
        assert float((fused(x) - y).abs().max()) <= 2e-5 * max(1.0, float(y.abs().max()))
