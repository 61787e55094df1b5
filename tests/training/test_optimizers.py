"""The bound of a gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from clearer.recipe.load import load_recipe
from clearer.recipe.schema import OptimizerSettings
from clearer.training.optimizers import clip_gradients, learning_rate


@pytest.mark.parametrize(
    ("settings", "rate", "norm"),
    [
        ({"clip": 2.0}, 0.1, 2.0),
        ({"clip": 2.0, "clip_by_rate": True}, 0.5, 4.0),
        ({"clip": 2.0, "clip_by_rate": True}, 0.1, 5.0),
        ({"clip": 2.0, "clip_by_rate": True}, 0.0, 2.0),
        ({"clip": None}, 0.1, 5.0),
    ],
)
def test_a_gradient_is_scaled_to_its_bound(settings: dict[str, float], rate: float, norm: float) -> None:
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients(OptimizerSettings(**settings), [weight], rate) == 5.0  # type: ignore[arg-type]
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]) * norm)


def test_memnet_moves_by_at_most_a_hundredth_at_all_rates() -> None:
    """Adjustable clipping: 0.01 over the rate, which falls by 10 twice."""
    settings = load_recipe("baselines/memnet").train.optimizer
    for epoch, rate in ((0, 0.1), (200, 0.01), (400, 0.001)):
        assert math.isclose(learning_rate(settings, epoch, 500), rate)
        weight = nn.Parameter(torch.zeros(1))
        weight.grad = torch.tensor([1000.0])
        clip_gradients(settings, [weight], rate)
        assert math.isclose(float(weight.grad) * rate, 0.01, rel_tol=1e-5)
