"""Validation images of every depth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clearer.degradations.none import NoDegradation
from clearer.training.validation import Validation


@pytest.mark.parametrize(
    ("dtype", "white", "span"), [(np.uint8, 255, (0, 1)), (np.uint16, 4095, (0, 4095)), (np.float32, 1, (0, 1))]
)
def test_psnr_refers_to_the_span_at_any_depth(dtype: type, white: int, span: tuple[float, float]) -> None:
    clean = np.full((20, 30, 1), 0.2 * white).astype(dtype)
    degraded = np.full((20, 30, 1), 0.4 * white).astype(dtype)
    validation = Validation([(clean, degraded)], NoDegradation(), crop=16, device=torch.device("cpu"), span=span)
    assert validation.input_psnr == pytest.approx(-20 * np.log10(0.2), abs=2e-2)
    assert validation.pairs[0][0].shape == (1, 1, 16, 16)
