"""The SSIM loss: scikit-image's value, differentiable, alone and beside the Charbonnier loss."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import Tensor

from clearer.core.errors import UserError
from clearer.losses.base import Batch
from clearer.losses.registry import LOSSES
from clearer.losses.ssim import WINDOW, charbonnier_ssim, ssim
from clearer.losses.supervised import charbonnier
from clearer.recipe.load import load_recipe


def batches(seed: int = 0, height: int = 24, width: int = 30) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    clean = torch.rand(3, 2, height, width, generator=chance)
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


@given(height=st.integers(WINDOW, 20), width=st.integers(WINDOW, 20), seed=st.integers(0, 9))
def test_the_loss_is_1_minus_ssim(height: int, width: int, seed: int) -> None:
    output, clean = batches(seed, height, width)
    loss = LOSSES.get("ssim")
    assert torch.equal(loss(lambda x: x, Batch(output, clean)), 1 - ssim(output, clean))
    assert 0 < loss(lambda x: x, Batch(output, clean)) <= 2
    assert float(loss(lambda x: x, Batch(clean, clean))) == pytest.approx(0, abs=1e-5)


def test_its_gradient_is_that_of_finite_differences() -> None:
    output, clean = (x[:1, :1, :13, :13].double() for x in batches())
    assert torch.autograd.gradcheck(lambda x: LOSSES.get("ssim")(lambda y: y, Batch(x, clean)), output.requires_grad_())


def test_charbonnier_ssim_counts_structure() -> None:
    _, clean = batches()
    flat = clean.mean((2, 3), keepdim=True).expand_as(clean)
    extra = charbonnier_ssim(flat, clean) - charbonnier(flat, clean)
    assert float(extra) == pytest.approx(0.15 * (1 - float(ssim(flat, clean))), abs=1e-6)


@pytest.mark.parametrize("name", ["ssim", "charbonnier+ssim"])
def test_patches_smaller_than_its_window_are_refused(name: str) -> None:
    assert LOSSES.get(name).smallest_patch == WINDOW == 11
    settings = {"train.loss": name, "train.patch": 8, "network.scales": 2}
    with pytest.raises(UserError, match=re.escape(f"train.patch: 8 is less than the 11 pixels that train.loss {name}")):
        load_recipe("quickstart", settings)
    assert load_recipe("quickstart", {**settings, "train.patch": 16}).train.loss == name
