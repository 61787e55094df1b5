"""JORDER as we read it: its cost, its heads and its loss, since no program of it is public."""

from __future__ import annotations

import pytest
import torch

from clearer.methods.jorder import Jorder
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count

MASK, STREAKS, BACKGROUND = 64 * 64 + 64 * 2, 65 * 3, 71 * 3
KERNELS = 9 * (3 * 64 + 5 * 3 * 2 * 64 * 64 + MASK + STREAKS + BACKGROUND)


def test_parameters_are_those_of_five_units_and_three_heads() -> None:
    biases = 64 + 5 * 3 * 2 * 64 + 64 + 2 + 3 + 3
    assert count(Jorder()) == KERNELS + biases == 1_151_392


def test_multiply_adds_use_each_kernel_once() -> None:
    assert baseline_macs_per_pixel(Jorder()) == KERNELS


@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 3, *size)
    assert Jorder().train(training)(x).shape == x.shape


@pytest.mark.parametrize(("path", "seen"), [(0, 5), (1, 9), (2, 13)])
def test_paths_see_the_published_fields(path: int, seen: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 64, 19, 19, requires_grad=True)
    Jorder().units[0].paths[path](x)[0, :, 9, 9].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows.max() - rows.min() + 1 == seen


def test_the_background_is_the_image_without_the_streaks_where_it_rains() -> None:
    """With a background that looks at nothing else."""
    torch.manual_seed(0)
    network, x = Jorder(), torch.rand(2, 3, 6, 7)
    with torch.no_grad():
        network.background.weight[:, :-3] = 0
        kernel = network.background.weight[:, -3:].zero_()
        kernel[range(3), range(3), 1, 1] = 1
        network.background.bias.zero_()
        found = network.layers(x)
    rain = found.mask.exp()[:, 1:] / found.mask.exp().sum(1, keepdim=True)
    torch.testing.assert_close(found.background, x - rain * found.streaks)


def test_the_loss_is_that_of_the_three_layers() -> None:
    """By its formula: two pixels, of which one has rain."""
    torch.manual_seed(0)
    network, clean = Jorder(), torch.rand(1, 3, 1, 2)
    streaks = torch.tensor([0.3, 0.05]).expand(1, 3, 1, 2)
    with torch.no_grad():
        found = network.layers(clean + streaks)
        likelihood = found.mask.softmax(1)[0, :, 0]
        mask = -(likelihood[1, 0].log() + likelihood[0, 1].log()) / 2
        expected = ((found.background - clean) ** 2).mean() + ((found.streaks - streaks) ** 2).mean() + 0.01 * mask
        torch.testing.assert_close(network.loss(clean + streaks, clean), expected)


def test_the_mask_is_learned() -> None:
    """A few steps on one image find its rain, and reach every weight."""
    torch.manual_seed(0)
    network, clean = Jorder(), torch.full((1, 3, 8, 12), 0.3)
    rainy = clean.clone()
    rainy[..., 4:6] += 0.4
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    before = network.loss(rainy, clean).item()
    for _ in range(40):
        optimizer.zero_grad()
        loss = network.loss(rainy, clean)
        loss.backward()
        optimizer.step()
    assert loss.item() < before / 3
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
    rain = network.layers(rainy).mask.argmax(1)[0]
    assert rain[:, 4:6].float().mean() > 0.9 > 0.1 > rain[:, :3].float().mean()
