"""What a training minimizes."""

from __future__ import annotations

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from clearer.evaluation.metrics import psnr
from clearer.losses.supervised import LOSSES, charbonnier, charbonnier_ssim, log_mse, ssim


def batches(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 2, 24, 30, generator=chance)
    return clean + 0.1 * torch.randn(clean.shape, generator=chance), clean


def test_ssim_is_scikit_images() -> None:
    output, clean = batches()
    found = ssim(output, clean)
    expected = [
        structural_similarity(
            a.numpy(), b.numpy(), data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(output.flatten(0, 1), clean.flatten(0, 1), strict=True)
    ]
    assert float(found) == pytest.approx(sum(expected) / len(expected), abs=1e-4)
    assert float(ssim(clean, clean)) == pytest.approx(1, abs=1e-5)


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


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_down_the_gradient_brings_output_and_truth_together(name: str) -> None:
    output, clean = batches()
    output.requires_grad_(True)
    before = LOSSES[name](output, clean)
    before.backward()
    assert output.grad is not None and torch.isfinite(output.grad).all()
    after = LOSSES[name](output - 1e-2 * output.grad / output.grad.norm(), clean)
    assert after < before
    assert torch.isfinite(LOSSES[name](clean, clean))


def test_charbonnier_ssim_counts_structure() -> None:
    _, clean = batches()
    flat = clean.mean((2, 3), keepdim=True).expand_as(clean)
    extra = charbonnier_ssim(flat, clean) - charbonnier(flat, clean)
    assert float(extra) == pytest.approx(0.15 * (1 - float(ssim(flat, clean))), abs=1e-6)
