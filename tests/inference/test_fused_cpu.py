"""The fast path of a CPU: the network's own result, in every form that a network can have."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.inference.fused_cpu import can_fuse, fuse
from clearer.network.architecture import SearchSpace
from clearer.network.network import RestorationNetwork
from helpers.networks import SPACES, converged


def made(space: SearchSpace, seed: int) -> RestorationNetwork:
    torch.manual_seed(seed)
    network = RestorationNetwork(space.random_architecture(seed))
    converged(network)
    return network.eval().requires_grad_(False)


def test_this_build_of_torch_can() -> None:
    assert can_fuse()


@settings(deadline=None, max_examples=40, derandomize=True)
@given(space=SPACES, seed=st.integers(0, 999), height=st.integers(1, 40), width=st.integers(1, 40))
def test_fused_equals_plain(space: SearchSpace, seed: int, height: int, width: int) -> None:
    network = made(space, seed)
    image = torch.rand(2, space.channels, height, width)
    with torch.no_grad():
        plain = network(image)
    before = image.clone()
    fused = fuse(network)(image)
    assert torch.equal(image, before)
    assert fused.shape == plain.shape and fused.dtype == torch.float32
    assert float((fused - plain).abs().max()) <= 2e-5 * float(plain.abs().max())


@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_bf16_rounds_features_only(operations: str) -> None:
    network = made(SearchSpace(width=8, operations=operations, residual=True), 1)
    image = torch.rand(1, 1, 48, 40)
    plain, rounded = fuse(network)(image), fuse(network, "bf16")(image)
    scale = float((plain - image).abs().max())
    assert 0 < float((rounded - plain).abs().max()) < 0.05 * scale
    # bf16 rounds features only: with a zero last layer the image comes back bit for bit.
    torch.nn.init.zeros_(network.last.weight)
    if network.last.bias is not None:
        torch.nn.init.zeros_(network.last.bias)
    assert torch.equal(fuse(network, "bf16")(image), image)
