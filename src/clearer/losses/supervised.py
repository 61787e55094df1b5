"""Losses that compare the restored batch with the clean one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.losses.base import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Supervised(Loss):
    """The distance of the restored batch from the clean one.

    Args:
        distance: (restored, clean), both (B, C, H, W), -> scalar.
        smallest_patch: see `clearer.losses.base.Loss`.
    """

    distance: Callable[[Tensor, Tensor], Tensor]
    smallest_patch: int = 1

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        if batch.clean is None:
            raise ValueError("a supervised loss needs clean images, and this batch has none")
        return self.distance(network(batch.degraded), batch.clean)


def mse(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean squared error."""
    from torch.nn import functional

    return functional.mse_loss(restored, clean)


def charbonnier(restored: Tensor, clean: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(d^2 + epsilon^2) of the differences d, a smooth L1 (Charbonnier et al., ICIP 1994)."""
    return ((restored - clean).square() + epsilon**2).sqrt().mean()


def log_mse(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean over patches of ln(MSE); PSNR in dB is -10 / ln 10 times the ln(MSE) of a patch.

    Every patch counts in dB. The most degraded patches dominate a plain mean of squares; with one network for
    many noise levels, these are the noisiest.
    """
    return ((restored - clean).square().mean((1, 2, 3)) + 1e-8).log().mean()


MSE = Supervised(mse)
CHARBONNIER = Supervised(charbonnier)
LOG_MSE = Supervised(log_mse)
