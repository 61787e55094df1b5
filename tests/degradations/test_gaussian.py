"""Noise: seeded, of the stated level, on batches and by protocol."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.degradations.gaussian import Degradation, degrade, degrade_by_protocol, protocol_noise


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=chance(seed)).float() / 255


def test_none_leaves_images_as_they_are() -> None:
    clean = levels(2, 3, 5, 7)
    assert torch.equal(degrade(clean, Degradation(), chance()), clean)


def test_noise_has_the_stated_level_and_may_leave_the_range() -> None:
    clean = levels(4, 1, 128, 128)
    noise = degrade(clean, Degradation("gaussian", 50), chance()) - clean
    assert abs(noise.std().item() * 255 - 50) < 0.5
    assert abs(noise.mean().item() * 255) < 1
    assert (noise + clean).min() < 0 and (noise + clean).max() > 1


def test_noise_repeats_with_the_seed_and_goes_on_with_the_generator() -> None:
    clean, how, generator = levels(2, 1, 8, 8), Degradation("gaussian", (5, 50), clip8=True), chance(3)
    first, second = degrade(clean, how, generator), degrade(clean, how, generator)
    assert torch.equal(first, degrade(clean, how, chance(3)))
    assert not torch.equal(first, second)


def test_a_pair_of_levels_is_drawn_for_each_image() -> None:
    clean = torch.full((64, 1, 64, 64), 0.5)
    found = (degrade(clean, Degradation("gaussian", (10, 60)), chance()) - clean).std((1, 2, 3)) * 255
    assert found.min() > 9 and found.max() < 62
    assert found.min() < 15 and found.max() > 55  # the whole range is used
    assert abs(found.mean().item() - 35) < 6


@given(sigma=st.floats(0, 100), seed=st.integers(0, 9))
def test_clipped_noise_has_whole_levels(sigma: float, seed: int) -> None:
    noisy = degrade(levels(1, 3, 8, 8, seed=seed), Degradation("gaussian", sigma, clip8=True), chance(seed)) * 255
    assert torch.allclose(noisy, noisy.round(), atol=1e-4)
    assert noisy.min() >= 0 and noisy.max() <= 255


def test_clipping_without_noise_keeps_every_level() -> None:
    clean = torch.arange(256).float().view(1, 1, 16, 16) / 255
    assert torch.equal(degrade(clean, Degradation("gaussian", 0, clip8=True), chance()), clean)


def test_clipped_noise_is_floored_not_rounded() -> None:
    clean = torch.full((1, 1, 256, 256), 128 / 255)
    noisy = degrade(clean, Degradation("gaussian", 10, clip8=True), chance())
    assert abs((noisy - clean).mean().item() * 255 + 0.5) < 0.15  # floor lowers by half a level


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    clean = levels(2, 1, 4, 4).to(dtype)
    assert degrade(clean, Degradation("gaussian", (1, 2)), chance()).dtype == dtype


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "gausian"}, "degradation.kind: .*did you mean 'gaussian'"),
        ({"sigma": -1}, "degradation.sigma: -1 is not a level"),
        ({"sigma": float("nan")}, "degradation.sigma: nan"),
        ({"sigma": (1.0, float("inf"))}, "degradation.sigma: inf"),
        ({"sigma": (50, 5)}, "degradation.sigma: .*larger level first"),
        ({"sigma": (1, 2, 3)}, "degradation.sigma: .*pair"),
        ({"sigma": "30"}, "degradation.sigma: '30' is not a number"),
        ({"sigma": True}, "degradation.sigma: True is not a number"),
        ({"clip8": 1}, "degradation.clip8"),
    ],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        Degradation(**{"kind": "gaussian", **fields})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_protocol_noise_is_exactly_as_published() -> None:
    expected = np.random.default_rng([0, 7]).standard_normal((4, 5, 3)) * 25
    assert np.array_equal(protocol_noise((4, 5, 3), 25, 0, 7), expected)
    # The stream itself is fixed for all time: numbers written down once.
    assert protocol_noise((1, 2, 1), 1.0, 0, 0).ravel() == pytest.approx([0.12573022, -0.13210486])


def test_degrading_by_protocol_rounds_once() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (6, 7, 1), np.uint8)
    noisy = clean + np.random.default_rng([2, 3]).standard_normal((6, 7, 1)) * 30
    plain = degrade_by_protocol(clean, 30, False, 2, 3)
    clipped = degrade_by_protocol(clean, 30, True, 2, 3)
    assert plain.dtype == clipped.dtype == np.float32
    assert np.array_equal(plain, (noisy / 255).astype(np.float32))
    assert np.array_equal(clipped, (np.floor(np.clip(noisy, 0, 255)) / 255).astype(np.float32))
    assert np.array_equal(np.rint(clipped * 255), np.floor(np.clip(noisy, 0, 255)))
