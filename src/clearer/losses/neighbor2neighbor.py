"""Neighbor2Neighbor: learn to denoise from noisy images alone, if the noise of neighboring pixels is independent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.losses.base import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor

NEIGHBORS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (3, 2))
"""The ordered pairs of adjacent pixels of a 2x2 cell; pixels count row by row."""


@dataclass(frozen=True)
class Neighbor2Neighbor(Loss):
    """The loss of Huang et al. (CVPR 2021).

    Two neighboring pixels of each 2x2 cell make two images of half the size, g1 and g2, of almost the same signal and
    independent noise. The network maps g1 to g2. A second term compares with the difference that the restored whole
    image has between the same pixels, because the signal of neighbors differs. It is computed for some of the patches:
    a whole patch costs more than the training on its quarter.

    Args:
        weight: of the second term at the end of training; it grows in proportion to the progress. 2 as published for
            synthetic noise.
        every: the second term is the mean over every ``every``-th patch of the batch; 1 as published.
    """

    weight: float = 2.0
    every: int = 4

    needs_clean: ClassVar[bool] = False
    smallest_patch: int = 4

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        height, width = (side // 2 for side in batch.degraded.shape[-2:])
        choice = batch.integers(len(NEIGHBORS), height, width)
        first, second = subsampled(batch.degraded, choice)
        error = network(first) - second
        loss: Tensor = error.square().mean()
        if self.weight * batch.progress:
            loss = loss + self.weight * batch.progress * self._consistency(network, batch, choice, error)
        return loss

    def _consistency(
        self, network: Callable[[Tensor], Tensor], batch: Batch, choice: Tensor, error: Tensor
    ) -> Tensor | float:
        """Return the second term: the mean over every ``every``-th patch of the whole batch."""
        import torch

        count = len(batch.degraded)
        mine = slice(-batch.start % self.every, None, self.every)
        if not len(batch.degraded[mine]):
            return 0.0
        with torch.no_grad():
            restored_first, restored_second = subsampled(network(batch.degraded[mine]), choice[mine])
        terms = (error[mine] - (restored_first - restored_second)).square().mean((1, 2, 3))
        whole = batch.of or count
        share = whole / -(-whole // self.every)  # each process returns the mean over its own patches
        return terms.sum() / count * share


def subsampled(images: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
    """Return two images of half the size: the two pixels of each 2x2 cell that ``choice`` names.

    Args:
        images: (B, C, H, W); an odd last row or column is left out.
        choice: (B, H // 2, W // 2), places in `NEIGHBORS`.
    """
    import torch
    from torch.nn import functional

    batch, channels = images.shape[:2]
    height, width = choice.shape[1:]
    cells = functional.pixel_unshuffle(images[..., : 2 * height, : 2 * width], 2)
    cells = cells.view(batch, channels, 4, height, width)
    places = torch.tensor(NEIGHBORS, device=images.device)[choice]  # (B, H, W, 2)
    index = places.permute(3, 0, 1, 2)[:, :, None, None].expand(2, batch, channels, 1, height, width)
    first, second = (cells.gather(2, one).squeeze(2) for one in index)
    return first, second


NEIGHBOR2NEIGHBOR = Neighbor2Neighbor()
