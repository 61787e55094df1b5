"""RestoreOptions: checked when they are made, before a model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from clearer.core.errors import UserError
from clearer.inference.options import RestoreOptions


def test_defaults_change_nothing_but_the_pixels() -> None:
    options = RestoreOptions()
    assert (options.color, options.strength, options.span) == ("luma", 1.0, (0.0, 1.0))
    assert (options.tile, options.overlap, options.ensemble) == ("auto", "auto", False)
    assert (options.format, options.depth, options.quality) == (None, None, None)


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
