"""Images that are too small for a network."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.network.baselines.padding import mirrored


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30))
def test_an_image_is_continued_by_its_mirror_image(
    height: int, width: int, least_height: int, least_width: int
) -> None:
    x = np.arange(height * width, dtype=np.float32).reshape(1, height, width)
    below, right = max(least_height - height, 0), max(least_width - width, 0)
    expected = np.pad(x, ((0, 0), (0, below), (0, right)), "reflect")
    assert np.array_equal(mirrored(torch.from_numpy(x), least_height, least_width).numpy(), expected)
