"""Recorrupted-to-Recorrupted: learn to denoise from noisy images alone, if the variance of the noise is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.losses.base import Batch, Loss
from clearer.noise.model import across_channels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Recorrupted(Loss):
    """The loss of Pang et al. (CVPR 2021).

    Noise z as strong as that of the image y makes two images of it, y + strength * z and y - z / strength, whose noise
    is uncorrelated. The network maps the first to the second. Unlike with subsampling, it sees the image at its own
    scale. The image's noise must be independent from pixel to pixel; channels may share it.

    The loss is the mean over z and -z, which is not in the paper: most of what z adds to the gradient cancels.

    Args:
        strength: alpha of the paper. The first image has sqrt(1 + strength^2) of the noise, the second one
            sqrt(1 + 1 / strength^2).
    """

    strength: float = 0.5

    needs_clean: ClassVar[bool] = False
    needs_noise: ClassVar[bool] = True

    def __call__(self, network: Callable[[Tensor], Tensor], batch: Batch) -> Tensor:
        import torch

        if batch.variance is None:
            raise ValueError("the batch has no noise variance")
        noise = batch.normals(*batch.degraded.shape[1:])
        if batch.between_channels is not None:
            noise = across_channels(noise, batch.between_channels)
        noise = batch.variance.sqrt() * noise
        both = torch.cat([noise, -noise])
        noisy = batch.degraded.repeat(2, 1, 1, 1)
        error = network(noisy + self.strength * both) - (noisy - both / self.strength)
        return error.square().mean()


RECORRUPTED = Recorrupted()
