"""Poisson-Gaussian noise: the distribution of its counts, its variance by brightness, its settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clearer.core.errors import UserError
from clearer.degradations.draws import Draws
from clearer.degradations.poisson_gaussian import PoissonGaussian, poisson
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("mean", [0.0, 0.3, 2.0, 7.9, 8.1, 15.0, 60.0, 1000.0])
def test_counts_follow_the_poisson_distribution(mean: float) -> None:
    rates = torch.full((4, 1, 300, 300), mean)
    counts = poisson(rates, Draws.of(rates, chance(), 0, None)).flatten().double().numpy()
    assert counts.min() >= 0 and np.array_equal(counts, np.rint(counts))
    assert counts.mean() == pytest.approx(mean, rel=0.01) and counts.var() == pytest.approx(mean, rel=0.01)
    values = np.arange(int(mean + 6 * mean**0.5) + 3)
    found = np.sort(counts).searchsorted(values, side="right") / counts.size
    assert np.abs(found - stats.poisson.cdf(values, mean)).max() < 0.003


@settings(max_examples=25, deadline=None)
@given(
    photons=st.floats(0.5, 1e5), read=st.floats(0, 30), channels=st.sampled_from([1, 2, 3, 4]),
    height=st.integers(1, 20), width=st.integers(1, 20), clip=st.booleans(),
)  # fmt: skip
def test_every_shape_is_degraded_and_repeats_with_the_seed(
    photons: float, read: float, channels: int, height: int, width: int, clip: bool
) -> None:
    how = PoissonGaussian(photons, read, clip)
    clean = torch.rand(2, channels, height, width, generator=chance(1))
    before = clean.clone()
    found = how.apply(clean, chance())
    assert found.shape == clean.shape and bool(torch.isfinite(found).all()) and torch.equal(clean, before)
    assert torch.equal(found, how.apply(clean, chance()))
    assert not clip or (found.min() >= 0 and found.max() <= 1)


@pytest.mark.parametrize(("photons", "read"), [(30.0, 0.0), (200.0, 5.0), (5000.0, 3.0)])
def test_the_variance_grows_with_the_brightness(photons: float, read: float) -> None:
    for brightness in (0.02, 0.3, 0.9):
        clean = torch.full((4, 1, 200, 200), brightness)
        found = PoissonGaussian(photons, read).apply(clean, chance())
        variance = brightness / photons + (read / 255) ** 2
        assert float(found.mean()) == pytest.approx(brightness, abs=4 * (variance / clean.numel()) ** 0.5)
        assert float(found.var()) == pytest.approx(variance, rel=0.03)


def test_ranges_are_drawn_for_each_image_in_the_logarithm() -> None:
    clean = torch.full((400, 1, 32, 32), 0.5)
    found = PoissonGaussian((10, 1000), 0).apply(clean, chance()).var((1, 2, 3))
    photons = (0.5 / found).log10()
    assert float(photons.mean()) == pytest.approx(2, abs=0.1) and photons.min() < 1.15 and photons.max() > 2.85


def test_parts_of_a_batch_get_the_noise_of_the_whole() -> None:
    clean, how = torch.rand(6, 3, 9, 14, generator=chance()), PoissonGaussian((2, 2000), (0, 5))
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), how.apply(clean, chance(1)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    clean = torch.full((2, 1, 4, 4), 0.5, dtype=dtype)
    assert PoissonGaussian().apply(clean, chance()).dtype == dtype


def test_levels_are_those_of_middle_gray() -> None:
    clean = torch.full((4, 1, 200, 200), 0.5)
    how = PoissonGaussian((50, 800), (2, 10))
    least, most = how.noise_levels()
    for share, level in ((0.0, least), (1.0, most)):
        at = how.at_level(share)
        found = at.apply(clean, chance()).std() * 255
        assert float(found) == pytest.approx(level, rel=0.02)
        assert at.noise_levels() == pytest.approx((level, level))
    assert how.at_level(0.5).photons == pytest.approx(200) and how.at_level(0.5).read == 6


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"photons": 0}, "photons: 0 is not a number of photons"),
        ({"photons": [100, 10]}, "photons: .*larger level first"),
        ({"photons": None}, "photons: None is not a number"),
        ({"read": -1}, "read: -1 is not a level"),
        ({"clip": 1}, "clip: 1 is not true or false|clip: 1 is not of type bool"),
    ],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=f"^({words})") as caught:
        PoissonGaussian(**fields)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=rf"^degradation\.{words.split(':')[0]}"):
        degradation_from_dict({"kind": "poisson-gaussian", **fields})


def test_a_card_states_it_in_values_and_in_words() -> None:
    how = PoissonGaussian((20, 500), 2, clip=True)
    assert how.to_dict() == {"kind": "poisson-gaussian", "photons": [20, 500], "read": 2, "clip": True}
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == (
        "Poisson noise of 20 to 500 photons at white and read noise of sigma 2 gray levels, clipped"
    )


def test_its_protocols_have_no_read_noise() -> None:
    color, gray = parse_protocol("color-poisson-30"), parse_protocol("gray-poisson-1000")
    assert (color.channels, color.degradation) == (3, PoissonGaussian(30, 0))
    assert (gray.channels, gray.degradation) == (1, PoissonGaussian(1000, 0))
    assert gray.sigma == pytest.approx(255 * (0.5 / 1000) ** 0.5)
    found = color.degradation.degrade_image(np.full((64, 80, 3), 128, np.uint8), 0, 3)
    counts = found * 30
    assert found.dtype == np.float32 and np.abs(counts - np.rint(counts)).max() < 1e-4
    # Written down once: the same on every machine.
    assert np.rint(counts[0, :4, 0]).tolist() == [14, 15, 18, 13]
