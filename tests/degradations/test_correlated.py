"""Correlated noise: of the stated level, blur, direction and correlation of channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clearer.core.errors import UserError
from clearer.degradations.correlated import Correlated
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(how: Correlated, *shape: int, seed: int = 0) -> torch.Tensor:
    """The noise alone, in gray levels."""
    return how.apply(torch.zeros(shape), chance(seed)) * 255


def neighbors(image: torch.Tensor, down: int, right: int) -> float:
    """The correlation of pixels with those ``down`` rows and ``right`` columns away."""
    moved = image.roll((down, right), (-2, -1))
    return float((image * moved).mean() / image.square().mean())


@settings(max_examples=25, deadline=None)
@given(
    blur=st.floats(0.3, 3), stretch=st.floats(1, 3), sigma=st.floats(1, 80), channels=st.sampled_from([1, 2, 3]),
    height=st.integers(1, 40), width=st.integers(1, 40),
)  # fmt: skip
def test_every_size_and_number_of_channels_is_degraded(
    blur: float, stretch: float, sigma: float, channels: int, height: int, width: int
) -> None:
    clean = torch.rand(2, channels, height, width, generator=chance(1))
    how = Correlated(sigma, blur, stretch)
    found = how.apply(clean, chance())
    assert found.shape == clean.shape and bool(torch.isfinite(found).all()) and not torch.equal(found, clean)
    assert torch.equal(found, how.apply(clean, chance()))


@pytest.mark.parametrize(("blur", "stretch"), [(0.4, 1.0), (1.0, 1.0), (1.0, 2.0), (2.0, 1.5)])
def test_the_level_is_that_after_the_blur(blur: float, stretch: float) -> None:
    assert float(noise(Correlated(20, blur, stretch), 32, 1, 128, 128).std()) == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize("blur", [0.5, 1.0, 1.7])
def test_neighbors_agree_as_after_a_gaussian_filter_of_scipy(blur: float) -> None:
    found = noise(Correlated(20, blur, 1.0), 8, 1, 256, 256)
    white = np.random.default_rng(0).standard_normal((8, 1, 256, 256))
    expected = torch.from_numpy(gaussian_filter(white, (0, 0, blur, blur), mode="wrap", truncate=6))
    for step in ((0, 1), (1, 0), (1, 1), (0, 2)):
        assert neighbors(found, *step) == pytest.approx(neighbors(expected, *step), abs=0.012), step


def test_a_stretched_kernel_has_a_random_direction_and_a_round_one_has_none() -> None:
    found = noise(Correlated(20, 1.2, 3.0), 40, 1, 96, 96)
    ratio = [neighbors(image, 0, 2) - neighbors(image, 2, 0) for image in found]
    assert min(ratio) < -0.3 and max(ratio) > 0.3
    even = [neighbors(image, 0, 2) - neighbors(image, 2, 0) for image in noise(Correlated(20, 1.2, 1.0), 40, 1, 96, 96)]
    assert max(map(abs, even)) < 0.15


def test_each_image_draws_its_own_level_and_blur() -> None:
    found = noise(Correlated((0, 50), (0.4, 2.0)), 200, 1, 48, 48)
    levels = found.std((1, 2, 3))
    assert levels.min() < 5 and levels.max() > 45 and float(levels.mean()) == pytest.approx(25, abs=3)
    agree = [neighbors(image, 0, 1) for image in found]
    assert min(agree) < 0.25 and max(agree) > 0.85


def test_channels_are_as_stated() -> None:
    same = noise(Correlated(20, 1.0, channel_correlation=1), 4, 3, 64, 64)
    assert torch.equal(same[:, :1].expand_as(same), same)
    part = noise(Correlated(20, 1.0, channel_correlation=0.6), 8, 3, 128, 128)
    assert float((part[:, 0] * part[:, 2]).mean() / 400) == pytest.approx(0.6, abs=0.05)
    uneven = noise(Correlated(20, 1.0, channel_spread=0.8), 8, 3, 128, 128).std((2, 3))
    assert (uneven.max(1)[0] / uneven.min(1)[0]).max() > 2
    assert torch.allclose(uneven.square().mean(1).sqrt(), torch.tensor(20.0), rtol=0.05)


def test_parts_of_a_batch_get_the_noise_of_the_whole() -> None:
    clean, how = torch.rand(6, 3, 9, 14, generator=chance()), Correlated(channel_spread=0.5, channel_correlation=(0, 1))
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), how.apply(clean, chance(1)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sigma": -1}, r"sigma: -1 is not a level of 0 or more"),
        ({"blur": 0}, r"blur: 0 is not a blur from 0\.1 to 20"),
        ({"stretch": 0.5}, r"stretch: 0\.5 is not a ratio"),
        ({"channel_spread": 1.5}, r"channel_spread: 1\.5 is not a spread"),
        ({"channel_correlation": [0, 2]}, r"channel_correlation: 2 is not a correlation"),
    ],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        Correlated(**fields)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=rf"^degradation\.{words.split(':')[0]}"):
        degradation_from_dict({"kind": "correlated", **fields})


def test_a_card_states_it_in_values_and_in_words() -> None:
    how = Correlated((0, 30), (0.5, 1), 1, channel_correlation=(0, 1))
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == (
        "Gaussian noise of sigma 0 to 30 gray levels, channels correlated by 0 to 1, blurred by 0.5 to 1 pixels"
    )
    assert how.at_level(0.5).sigma == 15 and how.noise_levels() == (0, 30)


def test_its_protocols_have_a_blur_of_one_pixel() -> None:
    color, gray = parse_protocol("color-correlated-25"), parse_protocol("gray-correlated-12.5")
    assert (color.channels, color.degradation, color.sigma) == (3, Correlated(25, 1.0, 1.0), 25)
    assert (gray.channels, gray.degradation) == (1, Correlated(12.5, 1.0, 1.0))
    clean = np.full((64, 80, 3), 128, np.uint8)
    found = color.degradation.degrade_image(clean, 0, 3)
    assert found.dtype == np.float32 and float(found.std() * 255) == pytest.approx(25, rel=0.1)
    assert not np.array_equal(found, color.degradation.degrade_image(clean, 0, 4))
    # Written down once: the same on every machine.
    assert found[0, 0].tolist() == pytest.approx([0.46907845, 0.61704093, 0.44824883], abs=1e-6)
