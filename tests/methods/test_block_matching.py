import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.methods.block_matching import grid, overlap_mean, patches_of, similar


@settings(deadline=None, max_examples=15)
@given(
    height=st.integers(4, 26), width=st.integers(4, 26), step=st.integers(1, 3), reach=st.integers(1, 6),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_nearest_patches_are_those_of_a_plain_search(
    height: int, width: int, step: int, reach: int, seed: int
) -> None:
    image = torch.rand(height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    patches = patches_of(image, 3)
    rows, columns, _ = patches.shape
    keys, found = similar(patches, step, reach, 9)
    assert found.shape[1] == min(9, min(rows, reach + 1) * min(columns, reach + 1))

    def positions(length: int) -> list[int]:
        regular = list(range(0, length, step))
        return [*regular, *range(regular[-1] + 1, length)]

    assert sorted(keys.tolist()) == [i * columns + j for i in positions(rows) for j in positions(columns)]
    flat = patches.flatten(0, 1)
    for key, group in zip(keys.tolist(), found, strict=True):
        i, j = divmod(key, columns)
        near = [a * columns + b for a in range(rows) for b in range(columns) if max(abs(a - i), abs(b - j)) <= reach]
        distances = (flat[near] - flat[key]).square().sum(-1)
        expected = [near[k] for k in distances.argsort()[: found.shape[1]]]
        assert set(group.tolist()) == set(expected) and key in expected


def test_bright_patches_are_told_apart_in_single_precision() -> None:
    image = torch.full((20, 20), 250.0)
    image[:, 10:] += 0.5
    patches = patches_of(image, 4)
    keys, found = similar(patches, 1, 16, 60)
    for key, group in zip(keys.tolist(), found.tolist(), strict=True):
        if key % 17 in (0, 16):  # flat patches, of which there are 119 and more alike
            assert all((k % 17 < 7) == (key % 17 == 0) and (k % 17 < 7 or k % 17 > 9) for k in group)


def test_the_mean_of_all_patches_is_the_image() -> None:
    image = torch.arange(54.0).reshape(6, 9).sin()
    patches = patches_of(image, 4)
    assert patches.shape == (3, 6, 16) and torch.equal(patches[2, 5].reshape(4, 4), image[2:, 5:])
    count = torch.tensor(np.arange(1, 19).reshape(3, 6), dtype=torch.float32)
    assert torch.allclose(overlap_mean(patches * count[..., None], count), image)


def test_the_grid_ends_at_the_border() -> None:
    assert grid(7, 3) == [(0, 3, 3)] and grid(8, 3) == [(0, 3, 3), (7, 1, 1)] and grid(1, 2) == [(0, 2, 1)]
