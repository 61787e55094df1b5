"""Validation without ground truth, on images of all sizes."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from clearer.evaluation.no_reference import NoReference
from clearer.losses.registry import LOSSES
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.training.job import RunContext
from clearer.training.noisy_validation import NoisyValidation


@pytest.mark.parametrize("loss", ["noise2void", "noise2void-rows", "noise2void-columns", "noise2void-hole"])
def test_parts_of_small_images_without_a_hidden_pixel_are_left_out(tmp_path: Path, loss: str) -> None:
    recipe = load_recipe("noisy-gray", {"train.loss": loss})
    rng = np.random.default_rng(0)
    images = [(rng.random((side, side + 3, 1), dtype=np.float32), None) for side in (16, 19, 96)]
    found = NoisyValidation(recipe, RunContext.of(recipe, RunFolder(tmp_path), validation=images))
    assert found.measure(nn.Identity()) == found.input_psnr
    alone = NoReference(images, None, hide=LOSSES.get(loss), crop=recipe.train.validation_crop)
    errors = [error for k in range(3) for error in alone.errors(nn.Identity(), k) if error is not None]
    assert found.latest.errors == pytest.approx(errors)
    assert found.latest.scenes == tuple(sorted(found.latest.scenes)) and set(found.latest.scenes) == {0, 1, 2}
    assert (len(errors) < 12) == (loss in ("noise2void-rows", "noise2void-columns"))
