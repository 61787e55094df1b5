"""Noise2Void: predict noisy pixels that the network does not see, from their surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from clearer.losses.base import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor

REACH = 2
"""How far beyond the hidden pixels their replacements lie, in pixels."""


class Hidden(NamedTuple):
    """Images with hidden pixels.

    Args:
        images: (B, C, H, W), hidden pixels replaced.
        centers: (B, 1, H, W), True at the pixels to predict; their values stand nowhere in ``images``.
    """

    images: Tensor
    centers: Tensor


@dataclass(frozen=True)
class Noise2Void(Loss):
    """The loss of Krull et al. (CVPR 2019), with the line masks of Broaddus et al. (ISBI 2020).

    A grid of pixels at a random offset is hidden: each takes the value of a random pixel nearby that is not hidden.
    The loss is the mean squared error of these pixels against their noisy values. If the noise is correlated along a
    line, the line around each pixel has to be hidden with it.

    Args:
        above, beside: pixels that are hidden above and below, and left and right of each center.
    """

    above: int = 0
    beside: int = 0

    needs_clean: ClassVar[bool] = False

    @property
    def smallest_patch(self) -> int:  # type: ignore[override]
        """See `Loss`: a patch has a center wherever the grid lies."""
        return max(self._spacing)

    @property
    def _spacing(self) -> tuple[int, int]:
        """Rows and columns from one center to the next: no replacement may be hidden by another center."""
        return 2 * (self.above + REACH), 2 * (self.beside + REACH)

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        hidden = self.hide(batch)
        error = (network(hidden.images) - batch.degraded).square()
        return error[hidden.centers.expand_as(error)].mean()

    def hide(self, batch: Batch) -> Hidden:
        """Hide a grid of pixels of each patch, at random offsets."""
        import torch

        images = batch.degraded
        count, _, height, width = images.shape
        row = torch.arange(height, device=images.device)[None, :, None]
        column = torch.arange(width, device=images.device)[None, None, :]
        down = _from_center(row, batch.integers(self._spacing[0], 1, 1), self._spacing[0])
        along = _from_center(column, batch.integers(self._spacing[1], 1, 1), self._spacing[1])
        # A replacement comes from above or below all hidden rows, and from up to REACH columns beside.
        drawn = batch.integers(2 * REACH * (2 * REACH + 1), height, width)
        rows_away, columns_away = drawn % (2 * REACH), drawn // (2 * REACH) - REACH
        vertical = torch.where(rows_away < REACH, -self.above - 1 - rows_away, self.above + 1 + rows_away - REACH)
        center = row - down
        source_row = torch.where(_is_inside(center + vertical, height), center + vertical, center - vertical)
        moved = column + columns_away
        source_column = torch.where(_is_inside(moved, width), moved, column - columns_away)
        hidden = (down.abs() <= self.above) & (along.abs() <= self.beside)
        index = torch.where(hidden, source_row * width + source_column, row * width + column)
        flat = images.flatten(2)
        replaced = flat.gather(2, index.view(count, 1, -1).expand_as(flat)).view_as(images)
        return Hidden(replaced, ((down == 0) & (along == 0))[:, None])


def _from_center(place: Tensor, offset: Tensor, spacing: int) -> Tensor:
    """Return the signed distance of each place from the nearest center."""
    return (place - offset + spacing // 2) % spacing - spacing // 2


def _is_inside(place: Tensor, size: int) -> Tensor:
    return (place >= 0) & (place < size)


NOISE2VOID = Noise2Void()
NOISE2VOID_ROWS = Noise2Void(beside=4)
NOISE2VOID_COLUMNS = Noise2Void(above=4)
NOISE2VOID_HOLE = Noise2Void(above=2, beside=2)
