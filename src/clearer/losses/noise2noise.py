"""Noise2Noise: learn to denoise from two noisy exposures of each scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.losses.base import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Noise2Noise(Loss):
    """The loss of Lehtinen et al. (ICML 2018): mean squared error against another exposure of the same scene.

    The mean of the noise is predicted, which is 0 for noise that neither exposure shares with the other. Only a squared
    error has this property, so that losses for clean images do not take its place.
    """

    between_exposures: ClassVar[bool] = True

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        if batch.clean is None:
            raise ValueError("noise2noise needs two exposures of each scene, and this batch has one")
        return (network(batch.degraded) - batch.clean).square().mean()


NOISE2NOISE = Noise2Noise()
