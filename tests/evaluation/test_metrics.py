"""Metrics against scikit-image and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from clearer.evaluation import metrics
from clearer.evaluation.metrics import PSNR_CEILING, luma601, psnr, ssim, zero_padded_ssim


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(6, 40),
    width=st.integers(6, 40),
    channels=st.sampled_from([1, 3]),
    spread=st.floats(0.005, 0.5),
    seed=st.integers(0, 99),
)
def test_metrics_agree_with_scikit_image(height: int, width: int, channels: int, spread: float, seed: int) -> None:
    a = some(2, channels, height, width, seed=seed)
    b = np.clip(a + spread * (some(*a.shape, seed=seed + 1) - 0.5), 0, 1)
    found_psnr, found_ssim = (f(torch.from_numpy(a), torch.from_numpy(b)) for f in (psnr, ssim))
    assert found_psnr.shape == found_ssim.shape == (2,)
    for k in range(2):
        assert found_psnr[k].item() == pytest.approx(peak_signal_noise_ratio(a[k], b[k], data_range=1), abs=1e-4)
        # scikit-image leaves out the windows that reach over the edge: here, of a mirrored frame.
        framed = [np.pad(x[k], ((0, 0), (5, 5), (5, 5)), mode="reflect") for x in (a, b)]
        expected = structural_similarity(
            *framed, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1
        )
        assert found_ssim[k].item() == pytest.approx(expected, abs=1e-4)


def test_zero_padded_ssim_is_that_of_images_in_a_frame_of_zeros() -> None:
    a, b = (torch.from_numpy(some(2, 3, 20, 31, seed=seed)).double() for seed in (0, 1))
    framed = [torch.nn.functional.pad(x, (10, 10, 10, 10)) for x in (a, b)]
    whole = structural_similarity_index_measure(*framed, data_range=1.0, reduction="none", return_full_image=True)[1]
    assert isinstance(whole, torch.Tensor)
    expected = whole[:, :, 10:-10, 10:-10].mean((1, 2, 3))
    assert zero_padded_ssim(a, b).tolist() == pytest.approx(expected.tolist(), abs=1e-9)
    assert zero_padded_ssim(a, a).tolist() == pytest.approx([1, 1])
    assert (zero_padded_ssim(a, b) - ssim(a, b)).abs().min() > 1e-3


def test_ssim_in_strips_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.from_numpy(some(2, 3, 203, 17)), torch.from_numpy(some(2, 3, 203, 17, seed=1))
    whole, padded = ssim(a, b), zero_padded_ssim(a, b)
    assert torch.allclose(whole[0], structural_similarity_index_measure(a[:1], b[:1], data_range=1.0), atol=1e-6)
    monkeypatch.setattr(metrics, "_STRIP_PIXELS", 17 * 67)  # the last strip has two rows
    assert torch.allclose(ssim(a, b), whole, atol=1e-6)
    assert torch.allclose(zero_padded_ssim(a, b), padded, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 13), width=st.integers(1, 13))
def test_metrics_of_small_and_identical_images_are_numbers(height: int, width: int) -> None:
    a, b = torch.from_numpy(some(1, 1, height, width)), torch.from_numpy(some(1, 1, height, width, seed=1))
    assert (
        torch.isfinite(ssim(a, b)).all()
        and torch.isfinite(zero_padded_ssim(a, b)).all()
        and torch.isfinite(psnr(a, b)).all()
    )
    assert ssim(a, a).item() == pytest.approx(1, abs=1e-5)
    assert psnr(a, a).item() == pytest.approx(PSNR_CEILING)


def test_shapes_that_differ_are_refused() -> None:
    for f in (psnr, ssim):
        with pytest.raises(ValueError, match="of one shape"):
            f(torch.zeros(1, 1, 12, 12), torch.zeros(1, 3, 12, 12))


def test_luma_is_that_of_bt601() -> None:
    from skimage.color import rgb2ycbcr

    rgb = some(9, 8, 3)
    found = luma601(torch.from_numpy(rgb.transpose(2, 0, 1))[None]) * 255
    assert np.allclose(found[0, 0].numpy(), rgb2ycbcr(rgb)[..., 0], atol=1e-3)
