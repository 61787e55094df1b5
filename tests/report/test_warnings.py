"""Results that are no better than their input are said; others are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from clearer.report.warnings import ADVICE, warnings_of
from clearer.runs.record import Record

WORSE = {"protocol": "gray-25", "input_psnr": 20.0, "psnr": 19.5}
BETTER = {"protocol": "gray-25", "input_psnr": 20.0, "psnr": 20.5}
DOUBTED = {"estimated_input_psnr": 20.0, "best_estimated_psnr": 19.0}


@pytest.mark.parametrize(
    ("evaluations", "train", "said"),
    [
        ([], {}, []),
        ([BETTER], {"input_psnr": 20.0, "best_psnr": 19.0}, []),
        ([BETTER, WORSE], {}, ["gray-25: the result is worse than the input: 19.50 dB instead of 20.00 dB."]),
        ([{**WORSE, "psnr": 20.0}], {}, ["gray-25: the result is no better than the input: both 20.00 dB."]),
        ([{**WORSE, "psnr": 19.9999}], {}, ["gray-25: the result is no better than the input: both 20.00 dB."]),
        ([], {"input_psnr": 20.0, "best_psnr": 19.0}, ["validation images: the result is worse than the input"]),
        ([], {**DOUBTED, "standard_error": 0.1}, ["validation images: the result is estimated to be worse than"]),
        ([], {**DOUBTED, "standard_error": 100.0}, []),
    ],
)
def test_results_no_better_than_their_input_are_said(
    evaluations: list[dict[str, Any]], train: dict[str, Any], said: list[str]
) -> None:
    found = warnings_of(cast(Record, SimpleNamespace(evaluations=evaluations, train=train, ranking={})))
    assert len(found) == (len(said) + 1 if said else 0)
    assert all(text.startswith(begin) for text, begin in zip(found, said, strict=False))
    assert not found or found[-1] == ADVICE


@pytest.mark.parametrize(("gain", "said"), [(-1.0, True), (-0.5, False), (1.0, False)])
def test_a_plain_filter_that_does_better_beyond_doubt_is_said(gain: float, said: bool) -> None:
    row = {"name": "Gaussian blur of 2 pixels", "kind": "filter", "gain": gain, "gain_standard_error": 0.3}
    others = [{**row, "name": "denoise-gray", "kind": "pretrained", "gain": -9.0}]
    record = SimpleNamespace(evaluations=[], train={}, ranking={"rows": [row, *others]})
    line = "Gaussian blur of 2 pixels: estimated to do better than this model, without any training."
    assert warnings_of(cast(Record, record)) == ([line, ADVICE] if said else [])
