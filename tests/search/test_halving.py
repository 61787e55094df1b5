"""Successive halving: who goes on and for how long, how much fits into the time, and the gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.core.errors import UserError
from clearer.search.halving import Gate, Rung, Schedule, Timing, best, gate


def test_a_third_goes_on_three_times_as_long() -> None:
    schedule = Schedule(27, 1000, 3)
    assert list(schedule) == [Rung(27, 1000, 1000), Rung(9, 3000, 2000), Rung(3, 9000, 6000)]
    assert schedule.total_steps == 27_000 + 9 * 2000 + 3 * 6000 + 2 * 1000
    assert schedule.trainings() == [29, 9, 3]
    assert [rung.networks for rung in Schedule(4, 100)] == [4, 2, 2]  # one alone would be compared with nothing


@given(st.floats(60, 20_000), st.floats(0, 20), st.floats(0.005, 1), st.integers(1, 8))
def test_a_schedule_fills_the_time_and_no_more(seconds: float, around: float, step: float, workers: int) -> None:
    timing = Timing(around, step)
    try:
        found = Schedule.within(seconds, timing, workers, 27)
    except UserError:
        assert sum(timing.of_rungs(Schedule(3, 100), workers)) > seconds
        return
    assert 3 <= found.networks <= 27 and found.steps >= 100
    assert sum(timing.of_rungs(found, workers)) <= seconds * 1.000001
    longer = Schedule(found.networks, found.steps + 100)
    assert sum(timing.of_rungs(longer, workers)) > seconds * 0.999999
    if found.networks < 27:  # one more would be trained too briefly
        enough = 100 if found.networks < 9 else 300
        assert sum(timing.of_rungs(Schedule(found.networks + 1, enough), workers)) > seconds * 0.999999
    assert found.networks <= 9 or found.steps >= 300


def test_an_hour_on_two_cores_judges_twenty_networks() -> None:
    found = Schedule.within(3600, Timing(8, 0.14), 2, 27)
    assert found.networks >= 20 and found.steps >= 300


def test_too_little_time_is_refused_with_what_is_needed() -> None:
    with pytest.raises(UserError, match=r"3 networks of 100 steps take 2.7 minutes, and 1 are left; allow more"):
        Schedule.within(60, Timing(10, 0.1), 2, 27)


def test_rungs_take_as_long_as_their_rounds() -> None:
    assert Timing(10, 0.1).of_rungs(Schedule(27, 100), 2) == [15 * 20, 5 * 30, 2 * 70]


def test_the_gate_compares_networks_with_seeds() -> None:
    assert not gate([25.0, 25.01, 24.99], [25.0, 25.02, 24.98]).open
    assert gate([25.0, 25.4, 24.6], [25.0, 25.02, 24.98]).open
    assert not Gate(float("nan"), 0.0).open
    assert gate([], [25.0]) == Gate(0.0, 0.0) and not gate([25.0], []).open
    assert best({"a": 1.0, "b": 3.0, "c": 3.0}, 2) == ["b", "c"]
