"""The deep detail network."""

from __future__ import annotations

import pytest
import torch

from clearer.methods.ddn import DDN, guided_filter
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count


def test_parameters_are_those_published() -> None:
    """The published count holds the moving statistics, which no training moves by gradients."""
    moving = sum(buffer.numel() for name, buffer in DDN().named_buffers() if "running" in name)
    assert count(DDN()) == 57_369 and 57_369 + moving == 58_175


def test_multiply_adds_are_those_of_26_convolutions() -> None:
    assert baseline_macs_per_pixel(DDN()) == 9 * (3 * 16 + 24 * 16 * 16 + 16 * 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 3, *size)
    assert DDN().train(training)(x).shape == x.shape


def test_the_base_layer_is_that_of_a_guided_filter_written_pixel_by_pixel() -> None:
    x = torch.rand(1, 2, 35, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def window(y: torch.Tensor, i: int, j: int) -> torch.Tensor:
        return y[0, channel, max(i - 15, 0) : i + 16, max(j - 15, 0) : j + 16]

    slope, offset, expected = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
    places = [(i, j) for i in range(35) for j in range(20)]
    for channel in range(2):
        for i, j in places:
            seen = window(x, i, j)
            slope[0, channel, i, j] = seen.var(correction=0) / (seen.var(correction=0) + 1)
            offset[0, channel, i, j] = (1 - slope[0, channel, i, j]) * seen.mean()
        for i, j in places:
            expected[0, channel, i, j] = window(slope, i, j).mean() * x[0, channel, i, j] + window(offset, i, j).mean()
    torch.testing.assert_close(guided_filter(x), expected)


def test_the_network_sees_no_brightness() -> None:
    torch.manual_seed(0)
    network, x = DDN().eval(), 0.5 * torch.rand(1, 3, 33, 40)
    torch.testing.assert_close(network(x + 0.4) - 0.4, network(x), atol=1e-5, rtol=0)


def test_the_loss_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network = DDN()
    network.loss(torch.rand(2, 3, 9, 8), torch.rand(2, 3, 9, 8)).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) == len(list(network.parameters()))
    # A bias before a norm has no effect, so that its gradient is 0.
    assert all(gradient.abs().max() > 0 for gradient in gradients if gradient.ndim > 1)
