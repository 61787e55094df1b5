"""What the report says and draws of a training that began from a model."""

from __future__ import annotations

from typing import Any

import pytest

from clearer.report.facts import start_outcome
from clearer.report.figures import curves_training

COMPARED = {"model": "a", "steps": 8, "reached_psnr": 30.0, "fresh_psnr": 31.0}


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (None, ""),
        ({"model": "a", "kept": "start", "steps": 8, "reached_psnr": 30.0}, "a: kept"),
        (
            {**COMPARED, "revived": 3, "kept": "start", "fresh_psnr": 29.0},
            "a: revived and kept (30.00 dB after 8 steps, fresh weights 29.00 dB)",
        ),
        (
            {**COMPARED, "revived": 3, "kept": "fresh"},
            "a: given up for fresh weights (30.00 dB after 8 steps, fresh weights 31.00 dB)",
        ),
    ],
)
def test_the_outcome_of_a_start_is_said(start: dict[str, Any] | None, said: str) -> None:
    assert start_outcome({} if start is None else {"start": start}) == said


@pytest.mark.parametrize(
    ("fresh", "marks", "best"),
    [
        (range(0), [], 2),
        (range(3, 6), ["fresh weights"], 4),
        (range(3, 5), ["fresh weights", "the start again"], 2),
    ],
)
def test_fresh_weights_are_marked_and_the_best_is_that_of_the_weights_kept(
    fresh: range, marks: list[str], best: int
) -> None:
    lines = [
        {"epoch": e, "loss": 0.1, "lr": 0.1, "psnr": 30.0 + e, "best": e in ((2,) if not fresh else (2, 4))}
        | ({"fresh": True} if e in fresh else {})
        for e in range(1, 6)
    ]
    figure = curves_training(lines)
    axes = figure.axes[1]
    assert [text.get_text() for text in axes.texts] == marks
    ring = next(line for line in axes.get_lines() if str(line.get_label()).startswith("best"))
    assert list(ring.get_xdata()) == [best]
    for panel in figure.axes if marks else []:  # the names stand above the curves, in a row each
        curve = next(line for line in panel.get_lines() if len(line.get_xdata()) == len(lines))
        figure.draw_without_rendering()
        top = panel.transData.transform([(0.0, float(max(curve.get_ydata())))])[0, 1]
        assert all(text.get_window_extent().y0 > top for text in panel.texts)
        assert len({text.xy[1] for text in panel.texts}) == len(panel.texts)
