"""RestoreOptions: checked when they are made, before a model is loaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clearer.core.errors import UserError
from clearer.inference.options import RestoreOptions


def test_defaults_change_nothing_but_the_pixels() -> None:
    options = RestoreOptions()
    assert (options.color, options.strength, options.span) == ("luma", 1.0, None)
    assert (options.tile, options.overlap, options.ensemble) == ("auto", "auto", False)
    assert (options.format, options.depth, options.quality) == (None, None, None)
    assert options.span_of(np.zeros((2, 2, 1), np.uint16)) == (0, 1)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([0, 4095], np.uint16), (0, 4095)),
        (np.array([0, 255], np.uint8), (0, 1)),
        (np.array([-0.1, 1.2], np.float32), (0, 1)),
        (np.array([0, 3000], np.float32), (0, 4095)),
    ],
)
def test_levels_of_the_model_hold_for_what_may_be_levels(pixels: np.ndarray, expected: tuple[float, float]) -> None:
    assert RestoreOptions(levels=(0, 4095)).span_of(pixels) == expected
    assert RestoreOptions(levels=(0, 12)).span_of(pixels) == ((0, 12) if pixels.max() > 2 else (0, 1))
    part = (0, 0.1) if pixels.dtype == np.float32 else (0, 1)
    assert RestoreOptions(levels=(0, 0.1)).span_of(pixels) == part
    assert RestoreOptions(levels=(0, 4095), span=(0, 65535)).span_of(pixels) == (0, 65535)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"color": "chanels"}, r"^color: 'chanels' is not one of luma, channels \(did you mean 'channels'\?\)$"),
        ({"strength": 1.5}, r"^strength: 1.5 is not between 0 \(the input\) and 1 \(the network's output\)$"),
        ({"span": (1.0, 0.0)}, r"^range: 1,0 is not two numbers with the smaller one first$"),
        ({"span": (0.0, float("inf"))}, "^range: 0,inf is not two numbers"),
        ({"tile": 0}, "^tile: 0 is not auto, none or a number of pixels from 1 up$"),
        ({"overlap": "none"}, "^overlap: 'none' is not auto, full or a number of pixels from 0 up$"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        RestoreOptions(**wrong)
