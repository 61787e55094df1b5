"""Block matching: for patches on a grid, the positions of the most similar patches nearby."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from clearer.methods.threads import in_threads

TILE = 8
"""Grid points along each side of a tile, whose patches are compared with the same surroundings by one product."""

Run = tuple[int, int, int]  # start, step and count of positions


def patches_of(image: Tensor, side: int) -> Tensor:
    """Return all overlapping patches of an image (H, W) as (H - side + 1, W - side + 1, side squared)."""
    return image.unfold(0, side, 1).unfold(1, side, 1).flatten(2)


def overlap_mean(total: Tensor, count: Tensor) -> Tensor:
    """Return the image in which each pixel is the mean of the patches that cover it.

    Args:
        total: (R, C, p * p), the sum of the patches at each position.
        count: (R, C), their number.
    """
    rows, columns, area = total.shape
    side = round(area**0.5)
    sums, counts = (x.new_zeros(rows + side - 1, columns + side - 1) for x in (total, count))
    for k in range(area):
        i, j = divmod(k, side)
        sums[i : i + rows, j : j + columns] += total[..., k]
        counts[i : i + rows, j : j + columns] += count
    return sums / counts


def grid(length: int, step: int) -> list[Run]:
    """Return the runs of grid positions below ``length``: every ``step``-th, then each one after the last of these.

    >>> grid(9, 3)
    [(0, 3, 3), (7, 1, 2)]
    """
    count = (length - 1) // step + 1
    last = (count - 1) * step
    rest = length - 1 - last
    return [(0, step, count)] + ([(last + 1, 1, rest)] if rest else [])


def similar(patches: Tensor, step: int, reach: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the positions of the patches of a grid, and those of the patches nearest to each, itself among them.

    Positions are row * C + column. Distances are sums of squared differences.

    Args:
        patches: (R, C, N), see `patches_of`.
        step: of the grid, see `grid`.
        reach: largest distance in rows and in columns at which patches are compared.
        count: number of patches to find; fewer if the smallest surroundings hold fewer.

    Returns:
        (K,) and (K, count), int64.
    """
    rows, columns, _ = patches.shape
    count = min(count, min(rows, reach + 1) * min(columns, reach + 1))
    frame = (reach, reach, reach, reach)
    padded = functional.pad(patches, (0, 0, *frame))
    outside = functional.pad(patches.new_zeros(rows, columns), frame, value=torch.inf)
    side = 2 * reach + 1

    def matched(tile: tuple[Run, Run]) -> tuple[Tensor, Tensor]:
        local = _nearest(padded, outside, *tile, reach, count)
        key_rows, key_columns = (torch.arange(n) * s + start for start, s, n in tile)
        at_row = key_rows[:, None, None] - reach + local // side
        at_column = key_columns[None, :, None] - reach + local % side
        return (key_rows[:, None] * columns + key_columns).flatten(), (at_row * columns + at_column).flatten(0, 1)

    tiles = [(a, b) for a in _tiles(grid(rows, step)) for b in _tiles(grid(columns, step))]
    keys, found = zip(*in_threads(matched, tiles), strict=True)
    return torch.cat(keys), torch.cat(found)


def _tiles(runs: list[Run]) -> Iterator[Run]:
    for start, step, count in runs:
        for first in range(0, count, TILE):
            yield start + first * step, step, min(TILE, count - first)


def _nearest(padded: Tensor, outside: Tensor, row: Run, column: Run, reach: int, count: int) -> Tensor:
    """Return the places in its window of the patches nearest to each patch of a tile, (rows, columns, count)."""
    (top, row_step, rows), (left, column_step, columns) = row, column
    side = 2 * reach + 1
    height, width = (rows - 1) * row_step + side, (columns - 1) * column_step + side
    around = padded[top : top + height, left : left + width]
    around = around - around.mean((0, 1))  # float32 keeps small distances between bright patches
    key = around[reach : height - reach : row_step, reach : width - reach : column_step].flatten(0, 1)
    squares = around.square().sum(-1) + outside[top : top + height, left : left + width]
    # The square of the key itself does not change the order.
    distance = torch.addmm(squares.flatten(), key, around.flatten(0, 1).mT, alpha=-2)
    size = height * width
    windows = distance.as_strided(
        (rows, columns, side, side), (columns * size + row_step * width, size + column_step, width, 1)
    )
    windows[:, :, reach, reach] = -torch.inf  # the patch itself is found also among equal ones
    return windows.flatten(2).topk(count, largest=False, sorted=False).indices
