"""How estimates without ground truth are put into words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clearer.report.noisy import estimated_line
from clearer.runs.record import Record
from clearer.training.progress import in_words


@pytest.mark.parametrize(
    ("error", "line", "progress"),
    [
        (0.5, "35.00 ± 0.50 dB, input 20.00 dB", "estimated psnr 35.00 ± 0.50 dB"),
        (6173.2, "too small to be told from the noise, input 20.00 dB", "estimated psnr not known"),
    ],
)
def test_an_estimate_beyond_all_doubt_is_not_a_figure(error: float, line: str, progress: str) -> None:
    train: Any = {"best_estimated_psnr": 35.0, "standard_error": error, "estimated_input_psnr": 20.0}
    assert estimated_line(cast(Record, SimpleNamespace(train=train))) == line
    figures: Any = {"estimated_psnr": 35.0, "standard_error": error}
    assert in_words(figures) == progress
