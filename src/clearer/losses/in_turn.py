"""Two losses in turn: one for the first part of a training, another for the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.losses.base import Batch, Loss
from clearer.losses.neighbor2neighbor import NEIGHBOR2NEIGHBOR
from clearer.losses.sure import SURE

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InTurn(Loss):
    """A loss that learns fast, then one that learns what is right.

    Args:
        first, then: the losses.
        share: of the training that the first one has.
    """

    first: Loss
    then: Loss
    share: float

    def __post_init__(self) -> None:
        for name in ("needs_clean", "needs_noise"):
            object.__setattr__(self, name, any(getattr(loss, name) for loss in (self.first, self.then)))
        object.__setattr__(self, "every", math.lcm(self.first.every, self.then.every))
        object.__setattr__(self, "smallest_patch", max(self.first.smallest_patch, self.then.smallest_patch))

    def at(self, progress: float) -> Loss:
        """See `Loss`."""
        return self.first if progress <= self.share else self.then

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        return self.at(batch.progress)(network, batch)


NEIGHBOR2NEIGHBOR_SURE = InTurn(NEIGHBOR2NEIGHBOR, SURE, 0.6)
