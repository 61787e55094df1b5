"""Muon: orthogonal steps for convolutions, AdamW's for all else."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.recipe.schema import OptimizerSettings
from clearer.training.muon import RMS, Muon, orthogonalized
from clearer.training.optimizers import load_optimizer, make_optimizer


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(8, 40), columns=st.integers(8, 80), scale=st.floats(1e-6, 1e6), seed=st.integers(0, 9))
def test_singular_values_come_near_one_and_directions_stay(rows: int, columns: int, scale: float, seed: int) -> None:
    x = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(seed)) * scale
    y = orthogonalized(x)
    values = torch.linalg.svdvals(y)
    large = torch.linalg.svdvals(x) > 0.05 * torch.linalg.matrix_norm(x, 2)[:, None]  # tiny ones take more steps
    assert values.max() < 1.3 and values[large].min() > 0.5
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    assert ((u.mT @ y @ v.mT).diagonal(dim1=1, dim2=2)[large] > 0.5).all()


def network() -> nn.Module:
    torch.manual_seed(0)
    first, second = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv2d(16, 1, 1))


def steps(net: nn.Module, optimizer: torch.optim.Optimizer, count: int, seed: int = 0) -> list[float]:
    chance = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(count):
        x = torch.rand(4, 1, 8, 8, generator=chance)
        loss = nn.functional.mse_loss(net(x), 1 - x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_it_learns() -> None:
    net = network()
    losses = steps(net, Muon(net.parameters(), 1e-2), 150)
    assert losses[-1] < 0.05 * losses[0]


def test_the_first_step_has_the_stated_size() -> None:
    net = network()
    before = copy.deepcopy(net)
    steps(net, Muon(net.parameters(), 1e-2), 1)
    pairs = zip(net.parameters(), before.parameters(), strict=True)
    moved = [((a - b).square().mean().sqrt() / 1e-2).item() for a, b in pairs]
    middle = 2  # the weight of the second convolution, (16, 16, 3, 3)
    assert moved[middle] == pytest.approx(RMS, rel=0.25)
    assert moved[-1] == pytest.approx(1, abs=0.01)  # a bias: Adam's first step is the rate itself


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_resumed_optimizer_takes_identical_steps(layout: torch.memory_format) -> None:
    made = OptimizerSettings(kind="muon", lr=1e-2, momentum=0.9, weight_decay=1e-2)
    whole = network().to(memory_format=layout)  # type: ignore[call-overload]
    optimizer = make_optimizer(made, whole.parameters())
    steps(whole, optimizer, 3)
    again = copy.deepcopy(whole)
    other = make_optimizer(made, again.parameters())
    load_optimizer(other, copy.deepcopy(optimizer.state_dict()))
    steps(whole, optimizer, 3, seed=1)
    steps(again, other, 3, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_parameters_without_gradient_do_not_change() -> None:
    net = network()
    net[2].requires_grad_(False)
    before = net[2].weight.clone()
    steps(net, Muon(net.parameters(), 1e-2, weight_decay=0.1), 2)
    assert torch.equal(net[2].weight, before)
