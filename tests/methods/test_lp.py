import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clearer.core.errors import UserError
from clearer.evaluation.metrics import luma601
from clearer.evaluation.protocols import parse_protocol
from clearer.images.tensors import to_batch
from clearer.methods import lp as module
from clearer.methods.lp import PRIOR_VARIABLE, Targets, lp, natural_patches, objective
from helpers.photos import photograph

pytest.importorskip("scipy")


def photo(side: int) -> np.ndarray:
    return np.repeat(photograph("camera.png", side)[..., :1] / np.float32(255), 3, 2).astype(np.float32)


def with_streaks(clean: np.ndarray) -> np.ndarray:
    rainy, generator = clean.copy(), np.random.default_rng(0)
    for y, x in generator.integers(0, clean.shape[0], (60, 2)):
        for t in range(14):
            i, j = round(y + t * math.sin(1.4)), round(x + t * math.cos(1.4))
            if i < clean.shape[0] and j < clean.shape[1]:
                rainy[i, j] = np.minimum(rainy[i, j] + 0.25, 1)
    return rainy


def test_the_slope_is_that_of_the_function() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(7, 11, 13, generator=generator, dtype=torch.float64)
    layers, rainy, targets = numbers[:2].clone().requires_grad_(), numbers[2], Targets(*numbers[3:])
    value, slope = objective(layers, rainy, targets, 0.3)
    (expected,) = torch.autograd.grad(value, layers)
    assert torch.allclose(slope, expected)


def test_the_coupling_is_the_distance_of_all_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    image, other = torch.rand(2, 12, 10, generator=generator, dtype=torch.float64)
    patches, likely = module._patches(image), module._patches(other)
    target = torch.nn.functional.fold(likely.T[None], image.shape, 8)[0, 0]
    expected = (patches - likely).square().sum() - likely.square().sum()
    found = (image * module._inner(image)).sum() - 2 * (image * target).sum()
    assert torch.allclose(found, expected) and torch.allclose(patches.mean(1), torch.zeros(()).double(), atol=1e-12)


@pytest.mark.slow
def test_streaks_are_removed_from_luma_alone() -> None:
    clean = photo(96)
    rainy = with_streaks(clean)
    rainy[..., 0] *= 0.9
    clean[..., 0] *= 0.9
    method = lp()
    before = rainy.copy()
    found = method.restore(rainy, None)
    assert found.dtype == np.float32 and found.shape == rainy.shape and np.array_equal(rainy, before)
    errors = [float((luma601(to_batch(x)) - luma601(to_batch(clean))).square().mean()) for x in (rainy, found)]
    assert errors[1] < 0.85 * errors[0]
    inside = (found > 0).all(2)
    assert np.ptp((found - rainy)[inside], axis=1).max() < 1e-5  # chroma stays
    assert (found <= rainy + 1e-5).all()


def test_the_prior_is_in_the_checkout_or_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRIOR_VARIABLE, raising=False)
    prior = natural_patches()
    assert float(prior.weights.sum()) == pytest.approx(1, abs=1e-4) and prior.covariances.shape[1:] == (64, 64)
    # Photographs have no preferred contrast, and neighbors are alike: the mean of a pixel's neighbors predicts it.
    mean = (prior.weights[:, None, None] * prior.covariances).sum(0)
    assert mean[27, 28] > 0.3 * mean[27, 27] and abs(float(mean.sum())) < 1e-2 * float(mean.trace())
    monkeypatch.setenv(PRIOR_VARIABLE, str(tmp_path / "none.safetensors"))
    with pytest.raises(UserError, match=r"none.safetensors: no such prior .*make_patch_prior.py"):
        lp()
    save_file({"weights": torch.ones(1)}, tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="not a prior of patches") as caught:
        lp()
    assert "\n" not in str(caught.value)


def test_it_is_for_rain() -> None:
    method = lp()
    assert [method.suits(parse_protocol(p)) for p in ("rain-rgb", "gray-awgn-50")] == [True, False]
    with pytest.raises(UserError, match="9x7 pixels is too small"):
        method.restore(np.zeros((7, 9, 3), np.float32), None)
    flat = np.full((20, 24, 3), 0.4, np.float32)
    assert np.allclose(method.restore(flat, None), flat, atol=1e-2)
