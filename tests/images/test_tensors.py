"""Arrays, tensors and center crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.images.pixels import center_crop
from clearer.images.tensors import to_array, to_batch


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_move_to_the_front_and_back(dtype: str, channels: int) -> None:
    image = np.arange(5 * 7 * channels).reshape(5, 7, channels).astype(dtype)
    batch = to_batch(image[:, ::-1])  # of any strides
    assert batch.shape == (1, channels, 5, 7) and batch.is_contiguous()
    for c in range(channels):
        assert np.array_equal(batch[0, c].numpy(), image[:, ::-1, c])
    for tensor in (batch, batch[0]):
        back = to_array(tensor)
        assert back.dtype == image.dtype and np.array_equal(back, image[:, ::-1])
    assert torch.equal(to_batch(to_array(batch)), batch)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 14), st.integers(0, 14))
def test_a_center_crop_removes_as_much_on_both_sides(height: int, width: int, high: int, wide: int) -> None:
    image = np.arange(height * width).reshape(height, width, 1)
    found = center_crop(image, high, wide)
    assert found.shape == (min(height, high), min(width, wide), 1)
    if found.size:
        top, left = divmod(int(found[0, 0, 0]), width)
        bottom, right = height - top - found.shape[0], width - left - found.shape[1]
        assert bottom - top in (0, 1) and right - left in (0, 1)
