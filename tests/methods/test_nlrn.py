"""NLRN: its size, its attention and its patches, since no public weights are here to compare with."""

from __future__ import annotations

import pytest
import torch

from clearer.methods import nlrn
from clearer.methods.nlrn import NLRN
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count


def told_apart() -> NLRN:
    """Return a network in evaluation mode whose weights that start at 0 or 1 are random, as after a training."""
    torch.manual_seed(0)
    network = NLRN().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "norm" in name or name.startswith("value"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def test_parameters_are_those_published() -> None:
    network = NLRN()
    assert count(network) == 340_099
    norms = sum(m.weight.numel() + m.bias.numel() for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert count(network) - norms == 330_625


def test_multiply_adds_are_those_of_the_patches() -> None:
    """5 x 5 patches cover 128 x 128 pixels."""
    shared = 2 * 64 * 128 + 128 * 128 + 2 * 9 * 128 * 128
    a_patch_pixel = 2 * 9 * 128 + 12 * (shared + 43 * 43 * (64 + 128))
    assert a_patch_pixel == pytest.approx(8.2e6, rel=0.01)
    assert baseline_macs_per_pixel(NLRN()) == pytest.approx(a_patch_pixel * 25 * 43**2 / 128**2)


def test_a_patch_of_45_pixels_costs_what_is_published() -> None:
    convolutions = 2 * 9 * 128 + 12 * (2 * 64 * 128 + 128 * 128 + 2 * 9 * 128 * 128)
    assert convolutions + 12 * 45**2 * 192 == pytest.approx(8.6e6, rel=0.01)


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (5, 46)])
@pytest.mark.parametrize("training", [True, False])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 1, *size)
    assert NLRN().train(training)(x).shape == x.shape


def test_the_states_are_those_of_the_formula() -> None:
    """All twelve states pixel by pixel in double precision, with similarities that add up before the softmax."""
    network, x = told_apart().double(), torch.rand(1, 1, 4, 5, dtype=torch.float64)
    with torch.inference_mode():
        y = network.first(network.first_norm(x))
        features, e = y, 0
        for t in range(12):
            u = network.attention_norms[t](features).relu()
            theta, phi, g = (layer(u)[0].flatten(1) for layer in (network.query, network.key, network.value))
            e = e + torch.einsum("ci,cj->ij", theta, phi)
            shares = e.exp() / e.exp().sum(1, keepdim=True)
            v = u + torch.einsum("ij,cj->ci", shares, g).view_as(u[0])
            features = y + network.outer(network.outer_norms[t](network.inner(network.inner_norms[t](v))).relu())
        expected = x + network.last(network.last_norm(features).relu())
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)


def test_large_images_are_the_mean_of_their_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches of 8 pixels in place of 43, to save time."""
    monkeypatch.setattr(nlrn, "PATCH", 8)
    monkeypatch.setattr(nlrn, "STRIDE", 4)
    network, x = told_apart(), torch.rand(2, 1, 7, 17)
    with torch.inference_mode():
        total, times = torch.zeros_like(x), torch.zeros(17)
        for left in (0, 4, 8, 9):
            total[..., left : left + 8] += network.window(x[..., left : left + 8])
            times[left : left + 8] += 1
        torch.testing.assert_close(network(x), total / times)
        network.train()
        torch.testing.assert_close(network(x), network.window(x))


def test_gradients_reach_every_weight() -> None:
    """But the bias of the keys, which adds the same to all similarities of a pixel: no softmax sees it.

    In evaluation mode: in training mode, batch norms take the biases before them away.
    """
    network = told_apart()
    network.loss(torch.rand(1, 1, 7, 7), torch.rand(1, 1, 7, 7)).backward()
    reached = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 1e-8}
    assert reached | {"key.bias"} == {name for name, _ in network.named_parameters()}


def test_attention_starts_silent_and_learns() -> None:
    torch.manual_seed(0)
    network = NLRN()
    network.loss(torch.rand(1, 1, 7, 7), torch.rand(1, 1, 7, 7)).backward()
    assert network.value.weight.abs().max() == 0
    assert network.value.weight.grad is not None and network.value.weight.grad.abs().max() > 1e-8
