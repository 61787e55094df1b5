"""The losses of recipes: their values, and that their gradients lead to the clean batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.evaluation.metrics import psnr
from clearer.losses.base import Batch
from clearer.losses.registry import LOSSES
from clearer.losses.supervised import charbonnier, log_mse


def batches(seed: int = 0) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 2, 24, 30, generator=chance)
    return clean + 0.1 * torch.randn(clean.shape, generator=chance), clean


def identity(x: Tensor) -> Tensor:
    return x


def test_log_mse_is_psnr_on_another_scale() -> None:
    output, clean = batches()
    expected = -10 / math.log(10) * log_mse(output, clean)
    unclamped = 10 * torch.log10(1 / (output - clean).square().mean((1, 2, 3)))
    assert float(expected) == pytest.approx(float(unclamped.mean()), abs=1e-3)
    inside = output.clamp(0, 1)
    found = -10 / math.log(10) * log_mse(inside, clean)
    assert float(found) == pytest.approx(float(psnr(inside, clean).mean()), abs=1e-3)


def test_charbonnier_is_l1_far_away() -> None:
    output, clean = batches()
    assert float(charbonnier(output, clean)) == pytest.approx(float((output - clean).abs().mean()), abs=1e-3)


# The values that version 0.1 computed on these batches.
VALUES = {
    "mse": 0.010317929, "charbonnier": 0.081140958, "log-mse": -4.573898315, "charbonnier+ssim": 0.090144992
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_are_those_of_version_0_1(name: str) -> None:
    output, clean = batches()
    assert float(LOSSES.get(name)(identity, Batch(output, clean))) == pytest.approx(VALUES[name], rel=1e-6)


SUPERVISED = [name for name, loss in LOSSES.all().items() if loss.needs_clean]


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_step_down_the_gradient_brings_output_and_truth_together(name: str) -> None:
    output, clean = batches()
    loss = LOSSES.get(name)
    output.requires_grad_(True)
    before = loss(identity, Batch(output, clean))
    before.backward()
    assert output.grad is not None and torch.isfinite(output.grad).all()
    after = loss(identity, Batch(output - 1e-2 * output.grad / output.grad.norm(), clean))
    assert after < before
    assert torch.isfinite(loss(identity, Batch(clean, clean)))


@pytest.mark.parametrize("name", SUPERVISED)
def test_a_loss_trains_the_network_that_it_is_given(name: str) -> None:
    degraded, clean = batches()
    gain = torch.tensor(0.5, requires_grad=True)
    loss = LOSSES.get(name)(lambda x: x * gain, Batch(degraded, clean))
    loss.backward()
    assert loss.shape == () and gain.grad is not None and gain.grad < 0  # a larger gain is nearer to the clean batch


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_losses_refuse_a_batch_without_targets(name: str) -> None:
    loss = LOSSES.get(name)
    with pytest.raises(ValueError, match=r"needs (clean images|two exposures)"):
        loss(identity, Batch(batches()[0], None))


def test_an_unknown_loss_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"^train\.loss: 'charbonier' is not one of mse, .*did you mean 'charbonnier'"):
        LOSSES.get("charbonier")
