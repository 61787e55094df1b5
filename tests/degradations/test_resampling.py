"""Resampling: Pillow's, by matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clearer.degradations.resampling import KERNELS, resampled, resampling_matrix

BY_PILLOW = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
}


@given(
    kernel=st.sampled_from(sorted(BY_PILLOW)), before=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    after=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)  # fmt: skip
def test_it_is_pillows(kernel: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    image = torch.rand(before, generator=torch.Generator().manual_seed(0))
    expected = np.asarray(Image.fromarray(image.numpy()).resize(after[::-1], BY_PILLOW[kernel]))
    assert np.allclose(resampled(image, after, kernel).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_long_lines_are_resampled_as_short_ones_are(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand(2, 3, 50, 37, generator=torch.Generator().manual_seed(0))
    for size in ((20, 60), (77, 15)):
        short = resampled(image, size, kernel)
        with monkeypatch.context() as patched:
            patched.setattr("clearer.degradations.resampling.LARGEST_MATRIX", 0)
            assert torch.allclose(resampled(image, size, kernel), short, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_sum_to_one(kernel: str) -> None:
    for before, after in ((7, 7), (7, 3), (3, 7), (100, 33)):
        assert resampling_matrix(before, after, kernel).sum(1) == pytest.approx(np.ones(after), abs=1e-5)
    assert resampling_matrix(5, 5, kernel) == pytest.approx(np.eye(5), abs=1e-6)


def test_area_averages_whole_pixels_and_nearest_takes_the_middle_one() -> None:
    image = torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(resampled(image, (4, 3), "area"), torch.nn.functional.avg_pool2d(image, 3))
    assert torch.equal(resampled(image, (4, 3), "nearest"), image[..., 1::3, 1::3])
    assert torch.equal(resampled(image, (24, 18), "nearest"), image.repeat_interleave(2, 2).repeat_interleave(2, 3))
