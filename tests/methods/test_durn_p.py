"""DuRN-P."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from clearer.methods.durn_p import DualBlock, DuRNP
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count


def test_parameters_are_those_of_its_layers() -> None:
    assert count(DuRNP()) == 816_225


def test_multiply_adds_are_those_of_the_convolutions() -> None:
    squares = sum(side**2 for side in (5, 7, 7, 11, 11, 11, 3, 5, 5, 7, 5, 7))
    assert baseline_macs_per_pixel(DuRNP()) == 32**2 * (squares + 9 * (1 + 6 * 2 + 1)) + 9 * 32 * 2


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (5, 70), (16, 15)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 1, *size)
    with torch.inference_mode():
        assert DuRNP().train(training)(x).shape == x.shape


@torch.inference_mode()
def test_a_block_adds_before_its_norm_and_keeps_two_paths() -> None:
    torch.manual_seed(0)
    block = DualBlock(7, 2, 5).eval()
    x, dual = torch.rand(2, 1, 32, 20, 20)
    for norm in block.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-1, 1)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]

    def convolved(y: torch.Tensor, layer: nn.Module, padding: int, dilation: int = 1) -> torch.Tensor:
        assert isinstance(layer, nn.Conv2d)
        padded = functional.pad(y, (padding,) * 4, "reflect")
        return functional.conv2d(padded, layer.weight, layer.bias, dilation=dilation)

    a = block.first[1](convolved(x, block.first[0], 1)).relu()
    b = block.norm(convolved(a, block.second, 1) + x).relu()
    c = (block.large[1](convolved(b, block.large[0], 6, 2)) + dual).relu()
    d = (block.small[1](convolved(c, block.small[0], 2)) + x).relu()
    found = block(x, dual)
    torch.testing.assert_close(found[0], d)
    torch.testing.assert_close(found[1], c)


@torch.inference_mode()
def test_no_pixel_changes_by_more_than_one() -> None:
    torch.manual_seed(0)
    network, x = DuRNP().eval(), torch.rand(1, 1, 17, 18)
    network.tail[2].weight.mul_(1e4)  # type: ignore[operator]
    assert (network(x) - x).abs().amax().sub(1).abs() < 1e-5


def test_the_loss_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network = DuRNP()
    network.loss(torch.rand(2, 1, 18, 16), torch.rand(2, 1, 18, 16)).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) == len(list(network.parameters()))
    # A bias before a norm has no effect, so that its gradient is 0.
    assert all(gradient.abs().max() > 0 for gradient in gradients if gradient.ndim > 1)
