"""The training loss that a baseline itself states, such as one of several outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clearer.losses.supervised import Supervised, mse


@dataclass(frozen=True)
class Own(Supervised):
    """`clearer.network.baselines.base.BaselineNetwork.loss`, which the training calls.

    For a network that states no loss, it is the mean squared error.
    """

    own: ClassVar[bool] = True


OWN = Own(mse)
