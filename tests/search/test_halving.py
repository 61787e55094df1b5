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
    assert schedule.trainings() == [27 + 2, 9 + 1, 3 + 1]  # the default network beside the others
    assert Schedule(27, 1000, 3, with_default=False).trainings() == [29, 9, 3]
    assert Schedule(2, 100).trainings() == [4, 2, 2]  # the default network is one of two
    assert [rung.networks for rung in Schedule(4, 100)] == [4, 2, 2]  # one alone would be compared with nothing


@given(st.floats(60, 20_000), st.floats(0, 20), st.floats(0.005, 1), st.integers(1, 8), st.integers(1, 3))
def test_a_schedule_fills_the_time_and_no_more(
    seconds: float, around: float, step: float, workers: int, budgets: int
) -> None:
    timing = Timing(around, step)

    def takes(schedule: Schedule) -> float:
        return budgets * schedule.seconds(timing, workers)

    try:
        found = Schedule.within(seconds, timing, workers, 27, budgets=budgets)
    except UserError:
        assert takes(Schedule(3, 91, 2)) > seconds * 0.999999
        return
    assert 3 <= found.networks <= 27 and found.steps >= 90
    assert takes(found) <= seconds * 1.000001
    epochs = found.steps // found.epoch
    longer = Schedule(found.networks, found.steps + epochs + 1, found.rungs)  # whole epochs, each of whole steps
    assert takes(longer) > seconds * 0.999999
    if found.networks < 27:  # one more would be trained too briefly
        enough = 90 if found.networks < 6 else 300
        assert takes(Schedule.of(found.networks + 1, enough)) > seconds * 0.999999
    assert found.rungs == 2 or (found.networks >= 18 and found.steps >= 300)
    assert (found.rungs == 3) == (found.networks >= 18)
    assert found.rungs == 3 or takes(Schedule.of(18, 300)) > seconds * 0.999999
    assert found.networks <= 6 or found.steps >= 300
    assert found.tells == (found.networks >= 9 and found.steps >= 300)


@given(st.integers(9, 5000))
def test_steps_are_whole_epochs_of_which_a_third_at_most_warms_up(steps: int) -> None:
    found = Schedule.of(9, steps)
    epochs = found.steps // found.epoch
    assert found.steps == epochs * found.epoch and epochs >= 3 and steps - epochs < found.steps <= steps
    assert steps < 300 or 100 <= found.epoch < 134
    assert all(rung.steps % found.epoch == 0 and rung.epoch == found.epoch for rung in found)
    if steps % 100 == 0 and steps >= 300:
        assert found == Schedule(9, steps, 2)


def test_an_hour_on_two_cores_judges_twenty_networks() -> None:
    found = Schedule.within(3600, Timing(8, 0.14), 2, 27)
    assert found.networks >= 20 and found.steps >= 300


def test_few_minutes_are_used_and_the_networks_trained_long_enough() -> None:
    """Two budgets and 26 minutes got 9 networks of 100 steps, which took 14 minutes."""
    timing = Timing(8, 0.14)
    found = Schedule.within(26 * 60, timing, 2, 27, budgets=2)
    assert 25 * 60 < 2 * found.seconds(timing, 2) <= 26 * 60
    assert found.steps >= 300 and found.networks >= 12 and found.tells
    assert Schedule.within(5 * 60, timing, 2, 27) == Schedule(6, 222, 2, 74)


def test_from_eighteen_networks_on_there_are_three_rungs() -> None:
    found = Schedule.within(300, Timing(5, 0.04), 2, 27)
    assert (found.networks, found.rungs) == (17, 2) and found.steps >= 300
    assert (
        4 <= Schedule.within(120, Timing(5, 0.14), 2, 27).networks < 6
    )  # fewer than 6 rather than fewer than 90 steps


def test_a_step_that_a_coarse_clock_could_not_measure_is_no_division_by_zero() -> None:
    assert Schedule.within(600, Timing(5, 0.0), 2, 27) == Schedule.within(600, Timing(5, 1e-4), 2, 27)


def test_too_little_time_is_refused_with_what_is_needed() -> None:
    with pytest.raises(UserError, match=r"3 networks of 90 steps, takes at least 1.9 minutes, and 1 are left; allow"):
        Schedule.within(60, Timing(10, 0.1), 2, 27)
    with pytest.raises(UserError, match=r"90 steps for each of 2 budgets, takes at least 3.8 minutes, and 3 are left"):
        Schedule.within(180, Timing(10, 0.1), 2, 27, budgets=2)


def test_rungs_take_as_long_as_their_rounds() -> None:
    assert Timing(10, 0.1).of_rungs(Schedule(27, 100), 2) == [15 * 20, 5 * 30, 2 * 70]
    assert Timing(10, 0.1).of_rungs(Schedule(27, 100), 1) == [29 * 20, 10 * 30, 4 * 70]


def test_the_gate_compares_networks_with_seeds() -> None:
    assert not gate([25.0, 25.01, 24.99], [25.0, 25.02, 24.98]).open
    assert gate([25.0, 25.4, 24.6], [25.0, 25.02, 24.98]).open
    assert not Gate(float("nan"), 0.0).open
    assert gate([], [25.0]) == Gate(0.0, 0.0) and not gate([25.0], []).open
    assert best({"a": 1.0, "b": 3.0, "c": 3.0}, 2) == ["b", "c"]


@given(st.integers(3, 40), st.integers(0, 8), st.integers(1, 8))
def test_what_is_asked_for_waits_for_those_before(networks: int, asked: int, workers: int) -> None:
    schedule, plain = Schedule(networks, 100, 2, asked=asked), Schedule(networks, 100, 2)
    assert sum(schedule.parts()) == networks and schedule.trainings() == plain.trainings()
    assert (schedule.parts() == [networks]) == (asked == 0 or networks <= 9)
    assert all(0 < part <= max(asked, 9) for part in schedule.parts()[1:])
    timing = Timing(10, 0.1)
    waits = schedule.seconds(timing, workers) - plain.seconds(timing, workers)
    assert 0 <= waits <= 20 * len(schedule.parts()[1:]) + 1e-6


def test_batches_as_large_as_the_workers_wait_little() -> None:
    assert Schedule(27, 100, asked=2).parts() == [9, *[2] * 9]
    assert Timing(10, 0.1).of_rungs(Schedule(27, 100, asked=2), 2) == [(6 + 9) * 20, 5 * 30, 2 * 70]
    found = Schedule.within(3600, Timing(8, 0.14), 2, 27, asked=2)
    assert found.asked == 2 and found.networks == 27 and found.seconds(Timing(8, 0.14), 2) <= 3600
