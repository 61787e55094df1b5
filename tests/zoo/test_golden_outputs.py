"""Golden outputs: every pretrained model gives the same output as in version 0.1.

golden-0.1.npz holds one small input for each model, and the output of version 0.1 for it in fp32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import clearer
from clearer.zoo.names import RESEARCH_MODELS

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "golden-0.1.npz")
NAMES = sorted({key.partition("/")[0] for key in GOLDEN.files})
FORMER = {name: f"{name}@2026-11" for name in ("denoise-color", "denoise-gray", "derain")}
"""Models whose name stands for other weights since then."""
TOLERANCE = 2e-5
"""Of the image's range: processors and kernels round differently."""


def test_all_models_of_version_01_have_golden_outputs() -> None:
    assert len(NAMES) == 11 and set(RESEARCH_MODELS) < set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_computes_what_it_did(name: str) -> None:
    restorer = clearer.load(FORMER.get(name, name), "cpu", "fp32")
    x, expected = torch.from_numpy(GOLDEN[f"{name}/input"]), torch.from_numpy(GOLDEN[f"{name}/output"])
    assert (expected - x).abs().max() > 0.1  # the model changes this input
    for found in (restorer.network(x), restorer(x), restorer(x, tile=16, overlap="full")):
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
