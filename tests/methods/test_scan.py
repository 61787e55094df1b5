"""SCAN."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clearer.methods.scan import SCAN, ExcitedUnit
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count


def test_parameters_are_those_of_its_layers() -> None:
    assert count(SCAN()) == 28_695


def test_multiply_adds_are_those_of_seven_convolutions() -> None:
    excitations = 6 * 2 * 24 * 6 / 128**2
    assert baseline_macs_per_pixel(SCAN()) == 9 * (3 * 24 + 5 * 24 * 24) + 24 * 3 + excitations


@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    assert SCAN()(x).shape == x.shape


def test_an_excited_unit_scales_each_channel_by_one_number_of_its_image() -> None:
    torch.manual_seed(0)
    unit, x = ExcitedUnit(), torch.randn(2, 24, 6, 7)
    ratio = unit(x) / functional.leaky_relu(x, 0.2)
    torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio))
    assert ratio.min() > 0 and ratio.max() < 1
    torch.testing.assert_close(unit(x)[1:], unit(x[1:]))


def test_a_pixel_depends_on_what_the_dilations_reach_and_on_the_means() -> None:
    torch.manual_seed(0)
    network = SCAN()
    whole = seen_by_the_middle(network)
    for unit in network.modules():
        if isinstance(unit, ExcitedUnit):
            unit.excite.weight.data.zero_()  # now the scale does not depend on the means
    reach = 1 + 1 + 2 + 4 + 8 + 1
    near = torch.zeros(41, 41, dtype=torch.bool)
    near[20 - reach : 21 + reach, 20 - reach : 21 + reach] = True
    assert whole.all()
    assert torch.equal(seen_by_the_middle(network), near)


def seen_by_the_middle(network: SCAN) -> torch.Tensor:
    """Return which pixels of an image of 41 pixels a side the middle pixel of the result depends on."""
    x = torch.rand(1, 3, 41, 41).requires_grad_()
    network(x)[0, :, 20, 20].sum().backward()
    assert x.grad is not None
    return x.grad[0].abs().amax(0) > 0


def test_the_loss_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network = SCAN()
    network.loss(torch.rand(2, 3, 9, 8), torch.rand(2, 3, 9, 8)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
