"""The best weights of a training: their estimates in checkpoints of this version and of earlier ones."""

from __future__ import annotations

import json

import pytest

from clearer.evaluation.no_reference import Estimate
from clearer.training.best import Best

ESTIMATE = Estimate("sure", (1e-3, 2e-3, 4e-3, 3e-3), 1e-4, (0, 0, 1, 1))


def test_a_checkpoint_keeps_estimates_and_their_scenes() -> None:
    best = Best().followed_by(3, 27.0, {}, ESTIMATE)
    restored = Best()
    restored.load_state_dict(json.loads(json.dumps(best.state_dict())))
    assert restored == best and restored.leading is not None
    assert restored.leading.standard_error == ESTIMATE.standard_error


@pytest.mark.parametrize(("psnr", "beaten"), [(26.9, False), (27.1, True)])
def test_an_estimate_of_an_earlier_version_that_divided_otherwise_is_compared_by_its_psnr(
    psnr: float, beaten: bool
) -> None:
    before = {"measure": "sure", "errors": [2e-3] * 12, "systematic": 0.0}
    best = Best()
    best.load_state_dict({"epoch": 3, "psnr": 27.0, "weights": {}, "estimate": before, "leading": before})
    assert best.leading is not None and best.leading.scenes == ()
    assert best.is_beaten_by(psnr, ESTIMATE) is beaten
