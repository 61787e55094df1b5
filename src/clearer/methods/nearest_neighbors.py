"""Relaxed nearest neighbors of overlapping image patches, which N3Net computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH, STRIDE, WINDOW = 10, 5, 15
"""Side of a patch and step between patches in pixels; side of the window of candidates in patches."""
FIRST_TEMPERATURE = 0.1
"""The temperature where its logarithm, as the network states it, is 0."""
TILE = 8
"""Side in patches of the squares of patches that share one product of matrices."""


def patches_a_side(pixels: int) -> int:
    """Return the number of patches along a side, with zeros around it so that they cover it."""
    return -(-(pixels - PATCH) // STRIDE) + 1


class NearestNeighbors(nn.Module):
    """Average the patches near each patch, once weighted as its nearest neighbor, then as its second, and so on.

    The candidates are the other patches of a window of WINDOW x WINDOW around it, which is moved inwards at the
    borders. The weights of the first neighbor are a softmax; those of each further one leave out what the earlier
    took. Patches are processed a tile at a time, so that memory grows with the number of pixels alone.

    Args:
        count: the number of neighbors.
        momentum: of the batch norm of the distances.
    """

    def __init__(self, count: int, momentum: float) -> None:
        super().__init__()
        self.count = count
        self.norm = nn.BatchNorm2d(1, momentum=momentum)

    def forward(self, x: Tensor, embedded: Tensor, temperature: Tensor) -> Tensor:
        """Return the averages, put together to images: (B, count, C, H, W).

        Args:
            x: what is averaged, (B, C, H, W), at least WINDOW patches a side.
            embedded: where distances are measured, (B, D, H, W).
            temperature: logarithm of the temperature, (B, 1, H, W); a patch takes the mean of its pixels.
        """
        (top, _), (left, _) = (_padding(side) for side in x.shape[-2:])
        with _full_precision(x.device.type):  # squared distances need more digits than bf16 has
            whole, embedded, temperature = (_padded(y.float()) for y in (x, embedded, temperature))
            heat = FIRST_TEMPERATURE * functional.avg_pool2d(temperature, PATCH, STRIDE)[:, 0].exp()
            logits = self.norm(-_distances(_patches(embedded)).flatten(1, 2)[:, None])[:, 0]
            logits = logits.reshape(*heat.shape, -1) / heat[..., None]
            averages = self._averages(whole, logits)
        return averages[..., top : top + x.shape[-2], left : left + x.shape[-1]]

    def _averages(self, x: Tensor, logits: Tensor) -> Tensor:
        """(B, C, H, W) and (B, N, M, candidates) -> (B, count, C, H, W)."""
        patches = _patches(x)
        batch, channels, *size = x.shape
        sums = x.new_zeros(batch, self.count * channels, *size)
        for tile in _tiles(patches):
            candidates = tile.candidates(patches)
            weights = torch.stack(_weights(logits[:, tile.rows, tile.columns].flatten(1, 2), self.count), 1)
            spread = weights.new_zeros(*weights.shape[:3], candidates.shape[1])
            spread = spread.scatter(-1, tile.others.expand_as(weights), weights)
            means = (spread.flatten(1, 2) @ candidates).view(*weights.shape[:3], -1)
            columns = means.transpose(2, 3).flatten(1, 2)  # (B, count C PATCH^2, queries), as fold expects
            rows, across = _pixels(tile.rows), _pixels(tile.columns)
            area = (rows.stop - rows.start, across.stop - across.start)
            sums[..., rows, across] += functional.fold(columns, area, PATCH, stride=STRIDE)
        ones = x.new_ones(1, PATCH**2, patches.shape[1] * patches.shape[2])
        averages = sums / functional.fold(ones, tuple(size), PATCH, stride=STRIDE)
        return averages.view(batch, self.count, channels, *size)


def _full_precision(device: str) -> AbstractContextManager[object]:
    available = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


def _weights(logits: Tensor, count: int) -> list[Tensor]:
    """(..., candidates) -> the weights of each neighbor, ``count`` times the same shape."""
    found = []
    for _ in range(count):
        logarithms = logits.log_softmax(-1)
        found.append(logarithms.exp())
        logits = logits + _log_of_rest(logarithms)
    return found


def _log_of_rest(logarithms: Tensor) -> Tensor:
    """Return log(1 - w) of the logarithms of weights w whose sum is 1, (..., candidates)."""
    largest = logarithms.argmax(-1, keepdim=True)
    others = logarithms.scatter(-1, largest, -torch.inf)
    # The largest weight may be 1 in all its digits; what it leaves is the sum of the others.
    return torch.log1p(-others.exp()).scatter(-1, largest, others.logsumexp(-1, keepdim=True))


def _distances(patches: Tensor) -> Tensor:
    """(B, N, M, P) -> the squared distances to the candidates of each patch, (B, N, M, candidates)."""
    found = []
    for tile in _tiles(patches):
        ours, theirs = patches[:, tile.rows, tile.columns].flatten(1, 2), tile.candidates(patches)
        squares = ours.square().sum(-1)[:, :, None] + theirs.square().sum(-1)[:, None]
        distances = torch.baddbmm(squares, ours, theirs.mT, alpha=-2)
        distances = distances.gather(-1, tile.others.expand(len(patches), -1, -1))
        found.append(distances.view(len(patches), tile.rows.stop - tile.rows.start, -1, WINDOW**2 - 1))
    across = len(range(0, patches.shape[2], TILE))
    rows = [torch.cat(found[start : start + across], 2) for start in range(0, len(found), across)]
    return torch.cat(rows, 1)


@dataclass(frozen=True)
class _Tile:
    """A rectangle of patches whose neighbors are found together.

    Args:
        rows, columns: of the patches.
        window: rows and columns of all their candidates.
        others: of each patch its candidates, as places in ``window`` counted row by row, (queries, candidates).
    """

    rows: slice
    columns: slice
    window: tuple[slice, slice]
    others: Tensor

    def candidates(self, patches: Tensor) -> Tensor:
        """Return the candidates of all patches of the tile, (B, N, M, P) -> (B, all candidates, P)."""
        return patches[:, self.window[0], self.window[1]].flatten(1, 2)


def _tiles(patches: Tensor) -> Iterator[_Tile]:
    """Yield the tiles of patches (B, N, M, P), row by row."""
    height, width = patches.shape[1:3]
    k = torch.arange(WINDOW**2 - 1, device=patches.device)
    for first in range(0, height, TILE):
        rows, row_window, row, row_start = _along(first, height, patches.device)
        for left in range(0, width, TILE):
            columns, column_window, column, column_start = _along(left, width, patches.device)
            own = (row - row_start)[:, None] * WINDOW + (column - column_start)
            place = k + (k >= own[..., None])  # a patch is not its own candidate
            down = row_start[:, None, None] - row_window.start + place // WINDOW
            right = column_start[:, None] - column_window.start + place % WINDOW
            others = (down * (column_window.stop - column_window.start) + right).flatten(0, 1)
            yield _Tile(rows, columns, (row_window, column_window), others)


def _along(first: int, side: int, device: torch.device) -> tuple[slice, slice, Tensor, Tensor]:
    """Return of the tile from ``first`` along one side: places, candidates, places and starts of windows as tensors."""
    last = min(first + TILE, side)
    half, end = WINDOW // 2, side - WINDOW
    window = slice(min(max(first - half, 0), end), min(max(last - 1 - half, 0), end) + WINDOW)
    places = torch.arange(first, last, device=device)
    return slice(first, last), window, places, (places - half).clamp(0, end)


def _pixels(patches: slice) -> slice:
    """Return the pixels that neighboring patches cover."""
    return slice(patches.start * STRIDE, (patches.stop - 1) * STRIDE + PATCH)


def _padding(side: int) -> tuple[int, int]:
    """Return the zeros before and after a side of so many pixels."""
    more = (patches_a_side(side) - 1) * STRIDE + PATCH - side
    return more // 2, more - more // 2


def _padded(x: Tensor) -> Tensor:
    return functional.pad(x, (*_padding(x.shape[-1]), *_padding(x.shape[-2])))


def _patches(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N, M, C PATCH^2)."""
    columns = functional.unfold(x, PATCH, stride=STRIDE)
    return columns.mT.reshape(len(x), (x.shape[-2] - PATCH) // STRIDE + 1, -1, columns.shape[1])
