"""SURE: learn to denoise from noisy images alone, by an unbiased estimate of the error against the ground truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.losses.base import Batch, Loss

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sure(Loss):
    """Stein's unbiased risk estimate (1981) as a training loss, as by Soltanayev and Chun (NeurIPS 2018).

    The distance of the result from the noisy image, less the noise, plus twice the part of the noise that the result
    follows. The latter is found by a small disturbance of random signs (Ramani et al., TIP 2008), here forth and back,
    so that the error is of second order. Unlike with subsampling, the network sees images
    at their own scale. Pixels must have independent noise of known variance; channels may share noise.

    Where an image was clipped at black or white, a result that falls steeply would seem to follow the noise backwards
    at no cost. So clipped pixels are not disturbed, and no disturbance leaves the range. They are compared with the
    mean of what noise there is beyond the limit, by the present result, so that dark regions do not stay too bright.

    Args:
        step: size of the disturbance in standard deviations of the noise.
        every: the estimate is the mean over every ``every``-th patch of the batch: a patch is restored twice.
    """

    step: float = 0.2
    every: int = 4

    needs_clean: ClassVar[bool] = False
    needs_noise: ClassVar[bool] = True
    on_copies: ClassVar[bool] = True

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        import torch

        if batch.variance is None:
            raise ValueError("the batch has no noise variance")
        mine = slice(-batch.start % self.every, None, self.every)
        noisy, variance = batch.degraded[mine], batch.variance[mine]
        draws = batch.integers(2, *noisy.shape[1:])[mine]
        if not len(noisy):  # this process has none of these patches: its part of the mean is 0
            return batch.degraded.new_zeros(())
        level = variance.sqrt()
        # An image without values beyond black was clipped there, and likewise at white.
        low, high = noisy.amin((1, 2, 3), keepdim=True).clamp(max=0), noisy.amax((1, 2, 3), keepdim=True).clamp(min=1)
        black, white = (noisy <= 0) & (low == 0), (noisy >= 1) & (high == 1)
        signs = (2.0 * draws - 1).masked_fill(black | white, 0)
        away = self.step * level * signs
        disturbed = torch.cat([(noisy + one).clamp(low, high) for one in (away, -away)])
        forth, back = network(disturbed).chunk(2)
        restored = (forth + back) / 2
        now = restored.detach()
        target = torch.where(black, -_beyond(now, level), torch.where(white, 1 + _beyond(1 - now, level), noisy))
        shared = signs if batch.between_channels is None else _across(signs, batch.between_channels[mine])
        follows = level * shared * (forth - back) / self.step
        estimates = ((restored - target).square() + follows - variance).mean((1, 2, 3))
        whole = batch.of or len(batch.degraded)
        share = whole / -(-whole // self.every)  # each process returns the mean over its own patches
        estimate: Tensor = estimates.sum() / len(batch.degraded) * share
        return estimate


def _across(signs: Tensor, correlation: Tensor) -> Tensor:
    """Return the product of the signs, (B, C, H, W), with the correlation matrix of the channels."""
    rho = correlation.view(-1, 1, 1, 1)
    return (1 - rho) * signs + rho * signs.sum(1, keepdim=True)


def _beyond(distance: Tensor, level: Tensor) -> Tensor:
    """Return how far beyond a limit Gaussian noise lies on average where it lies beyond.

    Args:
        distance: of the value without noise from the limit, on its inner side.
        level: standard deviation of the noise.
    """
    import torch

    place = (distance / level).clamp(0, 4)
    density = torch.exp(-place.square() / 2) / math.sqrt(2 * math.pi)
    mean: Tensor = level * (density / torch.special.ndtr(-place) - place)
    return mean


SURE = Sure()
