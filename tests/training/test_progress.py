"""How long a job takes is said once, when its pace is known."""

import time

import pytest

from clearer.training.progress import announced_length


def said(monkeypatch: pytest.MonkeyPatch, name: str, done: int, steps: int, seconds: float) -> list[str]:
    """Return the lines of a job from a step to its end, whose steps take a number of seconds each."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    lines: list[str] = []
    note = announced_length(name, done, steps, lines.append)
    for step in range(done + 1, steps + 1):
        clock[0] += 60 if step == done + 1 else seconds  # the first step warms up
        note(step)
    return lines


def test_the_length_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # 3 steps warm up; the pace of the next 10 counts, which take 20 s; 7,187 are left.
    expected = ["train: about 3 h 59 min left for 7,187 steps, as fast as the first ones"]
    assert said(monkeypatch, "train", 0, 7200, 2) == expected


def test_fast_steps_are_timed_for_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    # 15 s are 120 steps after the 3.
    expected = ["search: about 41 min 25 s left for 19,877 steps, as fast as the first ones"]
    assert said(monkeypatch, "search", 0, 20_000, 0.125) == expected


def test_a_resumed_job_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = said(monkeypatch, "train", 7000, 7200, 2)
    assert line.startswith("train: about 6 min 14 s left for 187 steps")


def test_a_short_job_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "train", 0, 100, 2) == []
    assert said(monkeypatch, "train", 0, 5, 100) == []
