"""Speckle: the distribution of its factors, and its settings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clearer.core.errors import UserError
from clearer.degradations.registry import degradation_from_dict
from clearer.degradations.speckle import Speckle, gamma_of_normal
from clearer.evaluation.protocols import parse_protocol


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(looks=st.floats(1, 1000), share=st.floats(0.01, 0.99))
def test_gamma_numbers_have_the_quantiles_of_the_distribution(looks: float, share: float) -> None:
    normal = torch.tensor(stats.norm.ppf(share), dtype=torch.float64)
    assert float(gamma_of_normal(normal, looks)) == pytest.approx(stats.gamma.ppf(share, looks) / looks, abs=0.04)


@pytest.mark.parametrize("law", ["gamma", "gaussian"])
@pytest.mark.parametrize("looks", [1.0, 4.0, 50.0])
def test_factors_have_mean_one_and_the_stated_variance(law: str, looks: float) -> None:
    for brightness in (0.2, 0.8):
        clean = torch.full((4, 1, 200, 200), brightness)
        factor = Speckle(looks, law).apply(clean, chance()) / brightness  # type: ignore[arg-type]
        assert float(factor.mean()) == pytest.approx(1, abs=0.01)
        assert float(factor.var()) == pytest.approx(1 / looks, rel=0.02)
        assert law == "gaussian" or factor.min() >= 0


@settings(max_examples=25, deadline=None)
@given(
    channels=st.sampled_from([1, 2, 3]), height=st.integers(1, 20), width=st.integers(1, 20), clip=st.booleans(),
    law=st.sampled_from(["gamma", "gaussian"]),
)  # fmt: skip
def test_black_stays_black_and_it_repeats_with_the_seed(
    channels: int, height: int, width: int, clip: bool, law: str
) -> None:
    how = Speckle((1, 50), law, clip)  # type: ignore[arg-type]
    clean = torch.rand(2, channels, height, width, generator=chance(1)).clamp(min=0.5) - 0.5
    found = how.apply(clean, chance())
    assert found.shape == clean.shape and torch.equal(found, how.apply(clean, chance()))
    assert (found[clean == 0] == 0).all()
    assert not clip or (found.min() >= 0 and found.max() <= 1)


def test_parts_of_a_batch_get_the_speckle_of_the_whole() -> None:
    clean, how = torch.rand(6, 3, 9, 14, generator=chance()), Speckle()
    parts = [how.apply(clean[i : i + 2], chance(1), start=i, of=6) for i in (0, 2, 4)]
    assert torch.equal(torch.cat(parts), how.apply(clean, chance(1)))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"looks": 0.5}, "looks: 0.5 is not a number of looks"),
        ({"law": "gama"}, "law: 'gama' is not one of gamma, gaussian"),
        ({"clip": "no"}, "clip: 'no' is not"),
    ],
)
def test_bad_values_are_refused_in_one_line(fields: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=f"^{words}"):
        Speckle(**fields)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=rf"^degradation\.{words.split(':')[0]}"):
        degradation_from_dict({"kind": "speckle", **fields})


def test_a_card_states_it_in_values_and_in_words() -> None:
    how = Speckle((2, 32), clip=True)
    assert how.to_dict() == {"kind": "speckle", "looks": [2, 32], "law": "gamma", "clip": True}
    assert degradation_from_dict(how.to_dict()) == how
    assert how.describe() == "gamma speckle of 2 to 32 looks, clipped"
    assert [how.at_level(share).looks for share in (0, 0.5, 1)] == pytest.approx([32, 8, 2])
    low, high = how.noise_levels()
    assert (low, high) == pytest.approx((127.5 / 32**0.5, 127.5 / 2**0.5))


def test_its_protocols_are_known() -> None:
    color, gray = parse_protocol("color-speckle-10"), parse_protocol("gray-speckle-4")
    assert (color.channels, color.degradation) == (3, Speckle(10))
    assert (gray.channels, gray.degradation) == (1, Speckle(4))
    found = color.degradation.degrade_image(np.full((64, 80, 3), 128, np.uint8), 0, 3)
    # Written down once: the same on every machine.
    assert found[0, 0].tolist() == pytest.approx([0.45239213, 0.62279844, 0.51024431], abs=1e-6)
