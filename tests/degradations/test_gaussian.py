"""Noise: seeded, of the stated level, on batches and by protocol."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.degradations.gaussian import Gaussian, protocol_noise
from clearer.degradations.none import NoDegradation
from clearer.degradations.registry import degradation_from_dict
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=chance(seed)).float() / 255


def test_none_leaves_images_as_they_are() -> None:
    clean = levels(2, 3, 5, 7)
    assert torch.equal(NoDegradation().apply(clean, chance()), clean)


def test_noise_has_the_stated_level_and_may_leave_the_range() -> None:
    clean = levels(4, 1, 128, 128)
    noise = Gaussian(50).apply(clean, chance()) - clean
    assert abs(noise.std().item() * 255 - 50) < 0.5
    assert abs(noise.mean().item() * 255) < 1
    assert (noise + clean).min() < 0 and (noise + clean).max() > 1


def test_noise_repeats_with_the_seed_and_goes_on_with_the_generator() -> None:
    clean, how, generator = levels(2, 1, 8, 8), Gaussian((5, 50), clip8=True), chance(3)
    first, second = how.apply(clean, generator), how.apply(clean, generator)
    assert torch.equal(first, how.apply(clean, chance(3)))
    assert not torch.equal(first, second)


def test_a_pair_of_levels_is_drawn_for_each_image() -> None:
    clean = torch.full((64, 1, 64, 64), 0.5)
    found = (Gaussian((10, 60)).apply(clean, chance()) - clean).std((1, 2, 3)) * 255
    assert found.min() > 9 and found.max() < 62
    assert found.min() < 15 and found.max() > 55  # the whole range is used
    assert abs(found.mean().item() - 35) < 6


@given(sigma=st.floats(0, 100), seed=st.integers(0, 9))
def test_clipped_noise_has_whole_levels(sigma: float, seed: int) -> None:
    noisy = Gaussian(sigma, clip8=True).apply(levels(1, 3, 8, 8, seed=seed), chance(seed)) * 255
    assert torch.allclose(noisy, noisy.round(), atol=1e-4)
    assert noisy.min() >= 0 and noisy.max() <= 255


def test_clipping_without_noise_keeps_every_level() -> None:
    clean = torch.arange(256).float().view(1, 1, 16, 16) / 255
    assert torch.equal(Gaussian(0, clip8=True).apply(clean, chance()), clean)


def test_clipped_noise_is_floored_not_rounded() -> None:
    clean = torch.full((1, 1, 256, 256), 128 / 255)
    noisy = Gaussian(10, clip8=True).apply(clean, chance())
    assert abs((noisy - clean).mean().item() * 255 + 0.5) < 0.15  # floor lowers by half a level


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    clean = levels(2, 1, 4, 4).to(dtype)
    assert Gaussian((1, 2)).apply(clean, chance()).dtype == dtype


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sigma": -1}, "sigma: -1 is not a level"),
        ({"sigma": float("nan")}, "sigma: nan"),
        ({"sigma": (1.0, float("inf"))}, "sigma: inf"),
        ({"sigma": (50, 5)}, "sigma: .*larger level first"),
        ({"sigma": (1, 2, 3)}, "sigma: .*pair"),
        ({"sigma": "30"}, "sigma: '30' is not a number"),
        ({"sigma": True}, "sigma: True is not a number"),
        ({"clip8": 1}, "clip8"),
        ({"channel_spread": 2}, "channel_spread: 2 is not a spread"),
        ({"channel_correlation": -1}, "channel_correlation: -1 is not a correlation"),
    ],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}") as caught:
        Gaussian(**fields)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    if "'30'" not in words:  # text such as 1e-3 is how YAML reads some numbers
        with pytest.raises(UserError, match=rf"^degradation\.{words.split(':')[0]}(\[1\])?: ") as caught:
            degradation_from_dict({"kind": "gaussian", **fields})
        assert "\n" not in str(caught.value)


def test_parts_of_a_batch_get_the_noise_of_the_whole() -> None:
    clean, how = levels(6, 3, 9, 7), Gaussian((5, 50))
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), how.apply(clean, chance(1)))


def test_a_range_is_covered_by_shares() -> None:
    assert Gaussian((0, 60)).at_level(0.25) == Gaussian(15)
    assert Gaussian(30).at_level(0.25) == Gaussian(30)
    assert (Gaussian(30).noise_levels(), Gaussian((5, 50)).noise_levels()) == ((30, 30), (5, 50))


def test_it_is_described_in_words() -> None:
    assert Gaussian((5, 50)).describe() == "Gaussian noise of sigma 5 to 50 gray levels, not clipped"
    noise = Gaussian(12.5, clip8=True)
    assert noise.describe() == "Gaussian noise of sigma 12.5 gray levels, clipped and floored to 8 bits"
    assert Gaussian((0, 75)).effect() == "noise of level 0 to 75"


@settings(max_examples=25, deadline=None)
@given(
    correlation=st.floats(-0.5, 1), spread=st.floats(0, 1), channels=st.sampled_from([1, 2, 3]), seed=st.integers(0, 9)
)
def test_channels_keep_the_level_in_the_root_mean_square(
    correlation: float, spread: float, channels: int, seed: int
) -> None:
    clean = torch.zeros(4, channels, 64, 64)
    how = Gaussian(20, channel_spread=spread, channel_correlation=correlation)
    noise = how.apply(clean, chance(seed)) * 255
    rms = noise.square().mean((1, 2, 3)).sqrt()
    assert torch.allclose(rms, torch.tensor(20.0), rtol=0.1)
    parts = [how.apply(clean[i : i + 2], chance(seed), start=i, of=4) for i in (0, 2)]
    assert torch.equal(torch.cat(parts) * 255, noise)


@pytest.mark.parametrize("correlation", [-0.5, -0.2, 0.0, 0.3, 0.9, 1.0])
def test_channels_are_correlated_as_stated(correlation: float) -> None:
    noise = Gaussian(20, channel_correlation=correlation).apply(torch.zeros(4, 3, 128, 128), chance()) * 255
    found = torch.corrcoef(noise.transpose(0, 1).flatten(1))
    assert torch.allclose(found, torch.eye(3) * (1 - correlation) + correlation, atol=0.015)
    assert correlation < 1 or torch.equal(noise[:, :1].expand_as(noise), noise)
    assert correlation > -0.5 or noise.sum(1).abs().max() < 1e-4


def test_a_range_of_correlations_is_drawn_for_each_image() -> None:
    noise = Gaussian(20, channel_correlation=(-0.5, 1)).apply(torch.zeros(100, 3, 64, 64), chance())
    found = [float(torch.corrcoef(image.flatten(1))[0, 1]) for image in noise]
    assert min(found) < -0.4 and max(found) > 0.9


def test_levels_of_channels_differ_up_to_the_spread() -> None:
    def ratios(spread: float) -> torch.Tensor:
        noise = Gaussian(20, channel_spread=spread).apply(torch.zeros(200, 3, 64, 64), chance())
        levels = noise.std((2, 3))
        return levels.max(1)[0] / levels.min(1)[0]

    assert ratios(0).max() < 1.1
    assert 1.5 < ratios(0.5).max() < 3.1  # at most 1.5 to 0.5
    assert ratios(1).max() > 10


def test_gray_images_have_no_channels_that_differ() -> None:
    clean = levels(2, 1, 8, 8)
    how = Gaussian((5, 50), channel_spread=1, channel_correlation=1)
    assert torch.equal(how.apply(clean, chance()), Gaussian((5, 50)).apply(clean, chance()))


def test_settings_of_channels_are_stated_where_they_are_not_the_default() -> None:
    assert Gaussian(5).to_dict() == {"kind": "gaussian", "sigma": 5, "clip8": False}
    how = Gaussian(5, channel_spread=0.5, channel_correlation=(0, 1))
    assert how.to_dict() == {**Gaussian(5).to_dict(), "channel_spread": 0.5, "channel_correlation": [0, 1]}
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == (
        "Gaussian noise of sigma 5 gray levels, channels of different level (spread 0.5), "
        "channels correlated by 0 to 1, not clipped"
    )


def test_protocols_of_channels() -> None:
    clean = np.full((48, 64, 3), 128, np.uint8)
    gray, uneven = parse_protocol("color-gray-noise-25"), parse_protocol("color-uneven-25")
    same = gray.degradation.degrade_image(clean, 0, 0)
    assert np.array_equal(same[..., :1].repeat(3, 2), same) and float(same.std() * 255) == pytest.approx(25, rel=0.05)
    channels = uneven.degradation.degrade_image(clean, 0, 0).std((0, 1)) * 255
    assert np.sqrt(np.square(channels).mean()) == pytest.approx(25, rel=0.05) and channels.max() > 1.3 * channels.min()
    assert (gray.channels, uneven.sigma) == (3, 25)


def test_protocol_noise_is_exactly_as_published() -> None:
    expected = np.random.default_rng([0, 7]).standard_normal((4, 5, 3)) * 25
    assert np.array_equal(protocol_noise((4, 5, 3), 25, 0, 7), expected)
    # The stream itself is fixed for all time: numbers written down once.
    assert protocol_noise((1, 2, 1), 1.0, 0, 0).ravel() == pytest.approx([0.12573022, -0.13210486])


def test_degrading_by_protocol_rounds_once() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (6, 7, 1), np.uint8)
    noisy = clean + np.random.default_rng([2, 3]).standard_normal((6, 7, 1)) * 30
    plain = Gaussian(30).degrade_image(clean, 2, 3)
    clipped = Gaussian(30, clip8=True).degrade_image(clean, 2, 3)
    assert plain.dtype == clipped.dtype == np.float32
    assert np.array_equal(plain, (noisy / 255).astype(np.float32))
    assert np.array_equal(clipped, (np.floor(np.clip(noisy, 0, 255)) / 255).astype(np.float32))
    assert np.array_equal(np.rint(clipped * 255), np.floor(np.clip(noisy, 0, 255)))
