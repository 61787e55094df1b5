"""The x8 self-ensemble."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clearer.evaluation.self_ensemble import self_ensemble


def identity(x: Tensor) -> Tensor:
    return x


def some(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_ensemble_of_the_identity_is_the_identity(height: int, width: int) -> None:
    x = torch.from_numpy(some(2, 3, height, width))
    assert torch.allclose(self_ensemble(identity, x), x, atol=1e-6)


def test_ensemble_sees_eight_different_orientations_and_turns_them_back() -> None:
    seen: list[Tensor] = []

    def left_edge(x: Tensor) -> Tensor:
        seen.append(x)
        y = torch.zeros_like(x)
        y[..., 0] = 1
        return y

    result = self_ensemble(left_edge, torch.arange(12.0).view(1, 1, 3, 4))
    assert len({(tuple(x.shape), tuple(x.flatten().tolist())) for x in seen}) == 8
    # Each of the four edges was the left one in two orientations.
    corner, side = 0.5, 0.25
    assert torch.equal(
        result[0, 0], torch.tensor([[corner, side, side, corner], [side, 0, 0, side], [corner, side, side, corner]])
    )
