"""Slimming: parts of the widest network, and the greedy way from it to a budget."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.search.slimmable import Slimmed, Slimming, slim

FIELDS = "channels=1,norm=none,residual,unshuffle=2,topology=unet"
WIDE = Slimming(Architecture.parse(f"PP-PPP-PP@width=32:48,{FIELDS}"))


def test_the_widest_network_costs_about_twice_the_budget() -> None:
    fields = {"channels": 1, "norm": "none", "residual": True, "condition": "level"}
    widest = Slimming.of(macs_per_pixel, 30_000, **fields).widest
    assert 54_000 <= macs_per_pixel(widest) <= 60_000
    assert (widest.space.topology, widest.scales, widest.takes_level) == ("unet", 3, True)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_random_parts_lie_between_the_narrowest_and_the_widest(seed: int) -> None:
    found, least, most = WIDE.random(random.Random(seed)), WIDE.narrowest, WIDE.widest
    assert least == Architecture.parse(f"P-P-P@width=8:16,{FIELDS}")
    assert all(a <= b <= c and b % 8 == 0 for a, b, c in zip(least.widths, found.widths, most.widths, strict=True))
    assert all(1 <= b <= c for b, c in zip(found.space.depths, most.space.depths, strict=True))
    assert WIDE.random(random.Random(seed)) == found


def test_a_smaller_network_lacks_one_part() -> None:
    assert {network.text.partition(",")[0] for network in WIDE.smaller(WIDE.widest)} == {
        text.partition(",")[0]
        for text in (
            Architecture.parse(f"PP-PPP-PP@width=24:48,{FIELDS}").text,
            Architecture.parse(f"PP-PPP-PP@width=32:40,{FIELDS}").text,
            Architecture.parse(f"P-PPP-PP@width=32:48,{FIELDS}").text,
            Architecture.parse(f"PP-PP-PP@width=32:48,{FIELDS}").text,
            Architecture.parse(f"PP-PPP-P@width=32:48,{FIELDS}").text,
        )
    } and len(WIDE.smaller(WIDE.widest)) == 5
    assert WIDE.smaller(WIDE.narrowest) == []


def test_the_part_of_least_loss_for_its_cost_goes_first() -> None:
    """Modules of the coarse cell tell nothing here, those of the others and channels much."""

    def quality(network: Architecture) -> float:
        fine, _, last = network.space.depths
        return 30.0 + fine + last + sum(network.widths) / 8

    start = Slimmed(WIDE.widest, macs_per_pixel(WIDE.widest), quality(WIDE.widest))
    path = list(slim(WIDE, start, macs_per_pixel, 0.9 * start.cost, quality))
    assert [str(each.network) for each in path][:2] == ["PP-PP-PP", "PP-P-PP"]
    assert path[-1].cost <= 0.9 * start.cost < path[-2].cost
    assert [each.cost for each in path] == [macs_per_pixel(each.network) for each in path]


def test_costs_decide_where_losses_are_equal() -> None:
    def cost(network: Architecture) -> float:
        return 100.0 * network.widths[0] + network.widths[1] + sum(network.space.depths)

    def quality(network: Architecture) -> float:
        return float(sum(network.widths) / 8 + sum(network.space.depths))

    start = Slimmed(WIDE.widest, cost(WIDE.widest), quality(WIDE.widest))
    (found,) = slim(WIDE, start, cost, start.cost - 500, quality)
    assert found.network.widths == (24, 48)


def test_what_gains_is_taken_for_its_gain_and_what_saves_nothing_last() -> None:
    """Shared weights may restore better with less; here two widths gain, one of them for next to no cost."""
    start = Slimmed(WIDE.widest, 100.0, 30.0)
    given = [(60, 30.04), (99.9, 30.01), (100.1, 30.2), (90, 29.9), (95, 29.8)]
    outcomes = dict(zip(WIDE.smaller(WIDE.widest), given, strict=True))

    def cost(network: Architecture) -> float:
        return outcomes[network][0]

    (found,) = slim(WIDE, start, cost, 70, lambda network: outcomes[network][1])
    assert (found.cost, found.psnr) == (60, 30.04)
    outcomes = {network: (100.1, 30.0 + number) for number, network in enumerate(outcomes)}
    path = slim(WIDE, start, cost, 70, lambda network: outcomes[network][1])
    assert next(path).psnr == 34.0  # all cost more, by times that were measured


def test_a_budget_below_the_narrowest_network_is_refused() -> None:
    start = Slimmed(WIDE.narrowest, 10.0, 20.0)
    with pytest.raises(UserError, match="the narrowest network, P-P-P@"):
        list(slim(WIDE, start, macs_per_pixel, 1.0, lambda _: 0.0))
    assert list(slim(WIDE, start, macs_per_pixel, 10.0, lambda _: 0.0)) == []
    assert WIDE.evaluations(macs_per_pixel, 2 * macs_per_pixel(WIDE.widest)) == 0
    assert WIDE.evaluations(macs_per_pixel, 0.9 * macs_per_pixel(WIDE.widest)) > 0
