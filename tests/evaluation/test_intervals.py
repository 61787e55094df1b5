"""Intervals of differences: what both have in common cancels, and they cover the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from clearer.evaluation.intervals import difference_from_drawn, paired_difference, student_t


def test_what_both_have_in_common_cancels() -> None:
    hard = np.random.default_rng(0).normal(28, 3, (1, 40)) + np.array([[0.5], [-0.5], [0.1]])
    found = paired_difference(hard + 0.07, hard)
    assert found.mean == pytest.approx(0.07) and found.low == pytest.approx(0.07) and found.high == pytest.approx(0.07)
    assert found.beyond_chance


def test_the_interval_of_one_seed_is_that_of_a_mean() -> None:
    gains = np.random.default_rng(1).normal(0, 1, (1, 400))
    found = paired_difference(gains, np.zeros_like(gains))
    assert (found.high - found.low) / 2 == pytest.approx(1.966 * gains.std(ddof=1) / 20, rel=1e-3)
    assert not paired_difference(gains - gains.mean(), np.zeros_like(gains)).beyond_chance


def test_the_interval_of_seeds_alone_is_that_of_student() -> None:
    found = paired_difference(np.array([[0.136], [0.045], [0.070]]) + np.zeros((3, 68)), np.zeros((3, 68)))
    assert (found.low, found.high) == (pytest.approx(-0.0331, abs=1e-3), pytest.approx(0.2005, abs=1e-3))
    assert paired_difference(np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1))).low == pytest.approx(
        2 - 4.303 / 3**0.5, 1e-3
    )


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize(("of_seeds", "of_images", "rest"), [(0.05, 0, 0), (0.05, 0.1, 0.05), (0.002, 0.2, 0.05)])
def test_it_covers_the_truth_as_often_as_stated(seeds: int, of_seeds: float, of_images: float, rest: float) -> None:
    draw, covered = np.random.default_rng(seeds).normal, 0
    for _ in range(600):
        gains = of_seeds * draw(size=(seeds, 1)) + of_images * draw(size=(1, 68)) + rest * draw(size=(seeds, 68))
        covered += not paired_difference(gains, np.zeros_like(gains)).beyond_chance
    assert (0.85 if seeds == 2 else 0.9) <= covered / 600 <= 0.99


@pytest.mark.parametrize("count", [2, 4, 10])
def test_one_more_drawn_value_is_not_beyond_chance(count: int) -> None:
    draws = np.random.default_rng(count).normal(25, 0.3, (2000, count + 1))
    beyond = [difference_from_drawn(value, others).beyond_chance for value, *others in draws.tolist()]
    assert np.mean(beyond) == pytest.approx(0.05, abs=0.02)
    assert not difference_from_drawn(9.0, [1.0]).beyond_chance and difference_from_drawn(9.0, [1.0]).mean == 8


def test_quantiles_are_those_of_the_table() -> None:
    for freedom, factor in ((1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (67, 1.996), (1e9, 1.960)):
        assert student_t(freedom) == pytest.approx(factor, abs=1e-3)


def test_other_shapes_are_refused() -> None:
    for first, second in ((np.zeros((2, 3)), np.zeros((3, 3))), (np.zeros((1, 1)), np.zeros((1, 1)))):
        with pytest.raises(ValueError, match="one shape"):
            paired_difference(first, second)
