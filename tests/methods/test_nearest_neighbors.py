"""Relaxed nearest neighbors of image patches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clearer.methods import nearest_neighbors
from clearer.methods.nearest_neighbors import NearestNeighbors


def one_by_one(block: NearestNeighbors, x: Tensor, embedded: Tensor, temperature: Tensor) -> Tensor:
    """Return what the block returns for one image of whole patches, written for one patch at a time."""
    channels, height, width = x.shape
    down, right = (height - 10) // 5 + 1, (width - 10) // 5 + 1

    def patch(y: Tensor, i: int, j: int) -> Tensor:
        return y[:, 5 * i : 5 * i + 10, 5 * j : 5 * j + 10]

    sums, counts = x.new_zeros(block.count, channels, height, width), x.new_zeros(height, width)
    for i in range(down):
        for j in range(right):
            top, left = min(max(i - 7, 0), down - 15), min(max(j - 7, 0), right - 15)
            places = [(a, b) for a in range(top, top + 15) for b in range(left, left + 15) if (a, b) != (i, j)]
            own = patch(embedded, i, j)
            distances = torch.stack([(patch(embedded, a, b) - own).square().sum() for a, b in places])
            logits = block.norm(-distances.view(1, 1, 1, -1)).flatten() / (0.1 * patch(temperature, i, j).mean().exp())
            candidates = torch.stack([patch(x, a, b) for a, b in places])
            for k in range(block.count):
                weights = logits.softmax(-1)
                patch(sums[k], i, j).add_(torch.tensordot(weights, candidates, 1))
                logits = logits + (1 - weights).log()
            patch(counts[None], i, j).add_(1)
    return sums / counts


def images(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return what is averaged, where distances are measured, and temperatures that are not small."""
    generator = torch.Generator().manual_seed(0)
    x, embedded, temperature = (torch.rand(1, c, height, width, generator=generator) for c in (2, 3, 1))
    return x, embedded, 1 + temperature


@torch.inference_mode()
def test_the_result_is_that_of_one_patch_at_a_time() -> None:
    block = NearestNeighbors(3, 0.1).eval()
    given = images(90, 100)
    found = block(*given)[0]
    exact = one_by_one(block.double(), *(x[0].double() for x in given))
    torch.testing.assert_close(found.double(), exact, atol=1e-4, rtol=0)
    assert (found[0] - found[2]).abs().max() > 0.05


@torch.inference_mode()
@pytest.mark.parametrize("training", [True, False])
def test_the_size_of_tiles_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch, training: bool) -> None:
    block, given = NearestNeighbors(2, 0.1).train(training), images(103, 97)
    tiled = block(*given)
    monkeypatch.setattr(nearest_neighbors, "TILE", 100)
    torch.testing.assert_close(tiled, block(*given), atol=1e-4, rtol=0)
    assert tiled.shape == (1, 2, 2, 103, 97)


@torch.inference_mode()
def test_a_repeated_texture_is_its_own_nearest_neighbor() -> None:
    tile = torch.rand(1, 1, 10, 10, generator=torch.Generator().manual_seed(0))
    x = tile.repeat(1, 1, 9, 9)
    block = NearestNeighbors(4, 0.1).eval()
    averages = block(x, 10 * x, torch.full_like(x, -3.0))
    torch.testing.assert_close(averages, x[:, None].expand_as(averages), atol=1e-4, rtol=0)


def test_weights_of_further_neighbors_leave_out_what_the_first_took() -> None:
    logits = torch.tensor([[9.0, 8.0, 6.0, 0.0], [15.0, 1.0, 0.5, 0.0], [2.0, 2.0, 2.0, 2.0]])
    expected, exact = [], logits.double()
    for _ in range(4):
        expected.append(exact.softmax(-1))
        exact = exact + (1 - expected[-1]).log()
    found = torch.stack(nearest_neighbors._weights(logits, 4))
    torch.testing.assert_close(found.double(), torch.stack(expected), atol=1e-5, rtol=0)


def test_a_weight_of_one_leaves_what_the_others_sum_to() -> None:
    logits = torch.tensor([200.0, 101.0, 101.0, 0.0], requires_grad=True)
    first, second = nearest_neighbors._weights(logits, 2)
    torch.testing.assert_close(first, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(second, torch.tensor([0.5, 0.25, 0.25, 0.0]))
    (second * torch.arange(4)).sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all() and logits.grad.abs().max() > 0
