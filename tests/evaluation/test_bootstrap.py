"""The paired bootstrap: what both have in common cancels, and the interval has the width that theory gives."""

from __future__ import annotations

import numpy as np
import pytest

from clearer.evaluation.bootstrap import paired_difference


def test_what_both_have_in_common_cancels() -> None:
    hard = np.random.default_rng(0).normal(28, 3, (1, 40)) + np.array([[0.5], [-0.5], [0.1]])
    found = paired_difference(hard + 0.07, hard)
    assert found.mean == pytest.approx(0.07) and found.low == pytest.approx(0.07) == found.high
    assert found.beyond_chance


def test_the_interval_is_that_of_a_mean() -> None:
    gains = np.random.default_rng(1).normal(0, 1, (1, 400))
    found = paired_difference(gains, np.zeros_like(gains))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * gains.std() / 20, rel=0.05)
    assert not paired_difference(gains - gains.mean(), np.zeros_like(gains)).beyond_chance


def test_seeds_widen_the_interval() -> None:
    images = np.zeros((3, 50))
    same = paired_difference(images + 0.1, images)
    apart = paired_difference(images + np.array([[0.0], [0.1], [0.2]]), images)
    assert same.mean == pytest.approx(apart.mean) and same.beyond_chance and not apart.beyond_chance


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        paired_difference(np.zeros((2, 3)), np.zeros((3, 3)))
