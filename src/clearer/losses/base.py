"""The interface of a training loss: it sees the network and a batch, and returns a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Patches to train on. It unpacks to ``degraded, clean``.

    Args:
        degraded: (B, C, H, W), in [0, 1]; unclipped noise may leave that range.
        clean: the ground truth, the same shape, or None where there is none. With repeated exposures it is the other
            exposure.
        generator: of the random numbers of a loss, on the device of ``degraded``; a resumed run continues it. Without
            it, `integers` draws the same numbers in each call.
        start, of: the patches are the part from index ``start`` of a batch of ``of`` patches; by default all.
        progress: share of the training that is done, from 0 to 1.
        variance: of the noise at each pixel of ``degraded``, the same shape, for a loss that needs it.
        between_channels: with it, the correlation of the noise of any two channels, (B,); None if they are independent.
    """

    degraded: Tensor
    clean: Tensor | None
    generator: torch.Generator | None = None
    start: int = 0
    of: int | None = None
    progress: float = 1.0
    variance: Tensor | None = None
    between_channels: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor | None]:
        return iter((self.degraded, self.clean))

    def __getitem__(self, place: int) -> Tensor | None:
        return (self.degraded, self.clean)[place]

    def integers(self, high: int, *shape: int) -> Tensor:
        """Return random integers from 0 to ``high`` - 1, (B, *shape).

        They are drawn for the whole batch, so that several processes draw what one would.
        """
        import torch

        count, device = len(self.degraded), self.degraded.device
        generator = self.generator or torch.Generator(device=device).manual_seed(0)
        drawn = torch.randint(high, (self.of or count, *shape), generator=generator, device=device)
        return drawn[self.start : self.start + count]


class Loss(ABC):
    """A training loss.

    To add one, write a file with an instance and name it in `clearer.losses.registry`. Import torch inside
    functions: recipes are checked against losses without it.
    """

    needs_clean: ClassVar[bool] = True
    """Whether the batch must have clean images. A self-supervised loss sets this to False."""

    between_exposures: ClassVar[bool] = False
    """Whether the batch's clean images are other exposures, as noisy as the degraded ones."""

    needs_noise: ClassVar[bool] = False
    """Whether the batch must have the variance of its noise, measured on each training image."""

    own: ClassVar[bool] = False
    """Whether the network computes the loss itself, as some baselines do."""

    on_copies: ClassVar[bool] = False
    """Whether it calls the network on copies of some patches, so that a call does not tell by its size which it has."""

    every: int = 1
    """Some of its calls of the network are for every ``every``-th patch of the batch only; 1: for all patches."""

    smallest_patch: int = 1
    """Side in pixels of the smallest patch that the loss is defined for."""

    def at(self, progress: float) -> Loss:
        """Return the loss that counts at this share of the training."""
        return self

    @abstractmethod
    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        """Return the loss of ``network`` on ``batch``, a differentiable scalar, or a constant if no patch counts.

        Args:
            network: degraded (B, C, H, W) -> restored, the same shape, float32. It may be called more than once.
            batch: the patches.
        """
