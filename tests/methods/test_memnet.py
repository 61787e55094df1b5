"""MemNet: its size, its memory and its loss, since no public weights are here to compare with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clearer.methods.memnet import MemNet
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count


def test_parameters_are_those_published() -> None:
    network = MemNet()
    assert count(network) == 695_497
    kernels = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, nn.Conv2d))
    assert kernels == 676_992


def test_multiply_adds_count_each_recursion() -> None:
    gates = 64 * 64 * sum(range(7, 13))
    macs = baseline_macs_per_pixel(MemNet())
    assert macs == 9 * 64 + 6 * 6 * 2 * 9 * 64 * 64 + gates + 6 * 9 * 64
    assert macs == pytest.approx(2.9e6, rel=0.01)


@pytest.mark.parametrize("size", [(1, 1), (3, 17)])
@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 1, *size)
    assert MemNet().train(training)(x).shape == x.shape


def test_the_result_is_the_mean_of_the_images_at_first() -> None:
    torch.manual_seed(0)
    network, x = MemNet().eval(), torch.rand(2, 1, 5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), network.images(x).mean(1, keepdim=True))


def test_recursions_share_convolutions_and_blocks_see_all_earlier_ones() -> None:
    """The third block by its formula, from features of its own."""
    torch.manual_seed(0)
    block = MemNet().eval().blocks[2]
    given = [torch.rand(1, 64, 4, 5) for _ in range(3)]
    h, found = given[-1], list(given)
    with torch.inference_mode():
        for r in range(6):
            norms = block.first_norms[r], block.second_norms[r]
            for norm in norms:  # each a different one
                norm.bias.uniform_(-1, 1)
            a = block.first(norms[0](h).relu())
            h = h + block.second(norms[1](a).relu())
            found.append(h)
        expected = block.gate.convolution(block.gate.norm(torch.cat(found, 1)).relu())
        torch.testing.assert_close(block(given), expected)


def test_the_loss_is_half_the_errors_of_seven_images_and_reaches_every_weight() -> None:
    """In evaluation mode: in training mode, batch norms take the biases before them away."""
    torch.manual_seed(0)
    network, noisy, clean = MemNet().eval(), torch.rand(2, 1, 9, 9), torch.rand(2, 1, 9, 9)
    loss = network.loss(noisy, clean)
    images = network.images(noisy)
    seven = [*images.split(1, 1), network.weighted(images)]
    torch.testing.assert_close(loss, sum(((image - clean) ** 2).sum((1, 2, 3)).mean() / 2 for image in seven))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-8 for p in network.parameters())
