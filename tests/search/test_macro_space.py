"""The space over unshuffle, topology, scales, width, growth, depth and patterns: networks of equal cost."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.network.cost import cost_table, macs_per_pixel
from clearer.network.network import RestorationNetwork
from clearer.search.macro_space import DEPTHS, LEAST_SHARE, WIDTHS, Form, form_at, largest_networks, sampled

FIELDS = {"channels": 1, "norm": "none", "residual": True, "condition": "level"}
POINTS = st.lists(st.floats(0, 1), min_size=7, max_size=7)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(point=POINTS, width=st.sampled_from(WIDTHS))
def test_every_point_is_a_network_of_the_space(point: list[float], width: int) -> None:
    form = form_at(point)
    architecture = form.architecture(width, **FIELDS)
    assert architecture.scales == form.scales and architecture.unshuffle == form.unshuffle
    assert architecture.widths[0] == width and all(channels % 8 == 0 for channels in architecture.widths)
    if "S" not in form.pattern:
        assert tuple(map(len, architecture.cells)) == form.depths
    assert architecture.space.topology == form.topology
    assert set(architecture.choices) <= ({"P", "S"} if form.topology == "unet" else {"P", "F", "S"})
    assert all("S" not in cell or cell == "S" for cell in architecture.cells)


def test_profiles_and_further_modules_go_where_they_say() -> None:
    unet = {"topology": "unet", "scales": 3, "unshuffle": 1, "growth": 1.5, "depth": 1, "pattern": "P"}
    assert Form(profile="flat", **unet).depths == (1, 1, 1, 1, 1)
    assert Form(profile="coarse", **unet).depths == (1, 2, 3, 2, 1)
    assert Form(profile="fine", **unet).depths == (3, 2, 1, 2, 3)
    assert Form(profile="flat", more=1, **unet).depths == (1, 1, 2, 1, 1)
    assert Form(profile="flat", more=7, **unet).depths == (2, 3, 3, 2, 2)
    streams = {"topology": "streams", "scales": 3, "unshuffle": 2, "growth": 2.0, "depth": 2, "pattern": "PF"}
    assert str(Form(profile="coarse", **streams).architecture(8, **FIELDS)) == "PF-PFP"
    assert Form(profile="flat", **streams).widths(24) == (24, 48, 96)


@pytest.mark.parametrize("budget", [3_000, 45_500, 300_000])
def test_all_networks_of_a_sample_cost_the_same_and_are_different(budget: int) -> None:
    found = list(itertools.islice(sampled(macs_per_pixel, budget, 0, **FIELDS), 12))
    assert len(set(found)) == 12
    assert all(LEAST_SHARE * budget <= macs_per_pixel(network) <= budget for network in found)
    assert found == list(itertools.islice(sampled(macs_per_pixel, budget, 0, **FIELDS), 12))
    assert found != list(itertools.islice(sampled(macs_per_pixel, budget, 1, **FIELDS), 12))


def test_a_sample_is_spread_over_the_space() -> None:
    found = list(itertools.islice(sampled(macs_per_pixel, 45_500, 0, **FIELDS), 24))
    assert {network.unshuffle for network in found} == {1, 2, 4}
    assert {network.space.topology for network in found} == {"streams", "unet"}
    assert {network.scales for network in found} == {1, 2, 3, 4}
    assert len({network.widths[0] for network in found}) > 5


def test_skipped_modules_leave_fine_cells_empty() -> None:
    form = Form("unet", scales=3, unshuffle=1, growth=1.0, depth=1, profile="coarse", pattern="SP")
    architecture = form.architecture(8, **FIELDS)
    assert str(architecture) == "S-P-P-P-S" and form.depths == (1, 2, 3, 2, 1)
    torch.manual_seed(0)
    network = RestorationNetwork(architecture)
    level, x = torch.full((1,), 0.1), torch.rand(1, 1, 13, 22)
    assert network(x, level).shape == x.shape
    without = sum(part.macs_per_pixel for part in cost_table(architecture) if "module" not in part.module)
    assert macs_per_pixel(architecture) == without + (8 * 8 * 9 * 2) * (1 / 4 + 1 / 16 + 1 / 4)
    found = list(itertools.islice(sampled(macs_per_pixel, 45_500, 0, **FIELDS), 24))
    assert any("S" in network.choices for network in found)
    assert not any(set(network.choices) == {"S"} for network in found)


def test_the_largest_networks_cost_most() -> None:
    most = max(map(macs_per_pixel, largest_networks(**FIELDS)))
    for point in itertools.product((0.0, 0.5, 1.0), repeat=7):
        form = replace(form_at(point), more=1000)
        capped = replace(form, more=next(m for m in range(100) if max(replace(form, more=m + 1).depths) > DEPTHS[-1]))
        assert macs_per_pixel(capped.architecture(WIDTHS[-1], **FIELDS)) <= most


@pytest.mark.parametrize("budget", [50, 1e9])
def test_a_budget_that_nothing_meets_is_refused_with_the_nearest(budget: float) -> None:
    with pytest.raises(UserError, match="budget: no network") as caught:
        next(sampled(macs_per_pixel, budget, 0, **FIELDS))
    nearest = float(str(caught.value).rsplit(" ", 1)[1])
    assert (100 < nearest < 500) if budget == 50 else nearest > 1e6
