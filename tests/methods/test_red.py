"""RED30: its size and its skips, since no public weights are here to compare with."""

from __future__ import annotations

import pytest
import torch

from clearer.methods.red import RED
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count

SKIPS = {1: 14, 3: 12, 5: 10, 7: 8, 9: 6, 11: 4, 13: 2}
"""Layer of the decoder to the layer of the encoder that is added to it, both counted from 1 as published."""


def test_parameters_are_those_published() -> None:
    assert count(RED()) == 4_134_785


def test_multiply_adds_are_those_of_thirty_convolutions() -> None:
    assert baseline_macs_per_pixel(RED()) == 9 * (128 + 28 * 128 * 128 + 128)


@pytest.mark.parametrize("size", [(1, 1), (3, 17)])
@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 1, *size)
    assert RED().train(training)(x).shape == x.shape


def test_skips_join_the_published_layers() -> None:
    """When the decoder is silent up to a skip and passes features on after it, this and the later skips add up."""
    torch.manual_seed(0)
    network, x = RED().eval(), torch.rand(1, 1, 5, 6)
    features, encoded = x, [x]
    with torch.inference_mode():
        for layer in network.encoder:
            features = layer(features).relu()
            encoded.append(features)
        for first in SKIPS:
            for place, layer in enumerate(network.decoder[:-1], 1):
                layer.bias.zero_()
                torch.nn.init.dirac_(layer.weight) if place > first else layer.weight.zero_()
            added = sum(encoded[source] for place, source in SKIPS.items() if place >= first)
            torch.testing.assert_close(network(x), x + network.decoder[-1](added))


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    network = RED()
    network.loss(torch.rand(1, 1, 9, 9), torch.rand(1, 1, 9, 9)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
