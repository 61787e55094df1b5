"""The interface of a training loss: it sees the network and a batch, and returns a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Batch(NamedTuple):
    """Patches to train on.

    Args:
        degraded: (B, C, H, W), in [0, 1]; unclipped noise may leave that range.
        clean: the ground truth, the same shape, or None where there is none.
    """

    degraded: Tensor
    clean: Tensor | None


class Loss(ABC):
    """A training loss.

    To add one, write a file with an instance and name it in `clearer.losses.registry`. Import torch inside
    functions: recipes are checked against losses without it.
    """

    needs_clean: ClassVar[bool] = True
    """Whether the batch must have clean images. A self-supervised loss sets this to False."""

    smallest_patch: int = 1
    """Side in pixels of the smallest patch that the loss is defined for."""

    @abstractmethod
    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        """Return the loss of ``network`` on ``batch``, a differentiable scalar.

        Args:
            network: degraded (B, C, H, W) -> restored, the same shape, float32. It may be called more than once.
            batch: the patches.
        """
