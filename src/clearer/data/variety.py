"""Make training patches more varied than the images: turned, gray, soft, or not degraded at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from clearer.degradations.resampling import resampled
from clearer.images.pixels import BT601

if TYPE_CHECKING:
    import torch

    from clearer.recipe.schema import DataSettings

LARGEST = 3.0
"""Factor by which soft patches are enlarged at most."""


@dataclass(frozen=True)
class Variety:
    """How patches are varied before they are degraded.

    Args:
        augment: random flips and quarter turns; ``"mirror"``: only left-right flips.
        gray_share: share of the color patches that are turned gray. All of their channels are equal then, and so is
            the noise in them.
        soft_share: share of the patches that show a smaller part of the image, enlarged by 1 to `LARGEST`, as smooth as
            photographs at the full size of their camera. Patches of pairs stay as they are: enlarged noise is another
            noise.
        clean_share: share of the patches whose degraded patch is the clean one, so that a network learns to leave
            clean images as they are.
    """

    augment: bool | str = True
    gray_share: float = 0.0
    soft_share: float = 0.0
    clean_share: float = 0.0

    @classmethod
    def of(cls, data: DataSettings) -> Variety:
        """Return what a recipe says."""
        return cls(data.augment, data.gray_share, data.soft_share, data.clean_share)


def soft_sides(variety: Variety, patch: int, batch: int, generator: torch.Generator) -> Tensor:
    """Draw for each patch the side of the part, in pixels, that is enlarged to the whole patch; ``patch`` for none."""
    import torch

    share, factor = torch.rand(2, batch, generator=generator)
    sides = (patch / (1 + (LARGEST - 1) * factor)).round().long()
    return torch.where(share < variety.soft_share, sides.clamp(1, patch), patch)


def softened(clean: Tensor, sides: list[int]) -> Tensor:
    """Return patches, (B, C, side, side), of which each shows its first ``sides[k]`` rows and columns enlarged."""
    size = (clean.shape[-2], clean.shape[-1])
    if all(side == size[0] for side in sides):
        return clean
    clean = clean.clone()
    for place, side in enumerate(sides):
        if side < size[0]:
            part = clean[place, :, :side, :side]
            low, high = part.amin((1, 2), keepdim=True), part.amax((1, 2), keepdim=True)
            # the cubic kernel overshoots
            clean[place] = resampled(part, size, "bicubic").clamp(low, high)
    return clean


def luma(rgb: Tensor) -> Tensor:
    """Return the BT.601 luma, (B, 1, H, W), of (B, 3, H, W)."""
    red, green, blue = (weight * part for weight, part in zip(BT601, rgb.unbind(1), strict=True))
    return (red + green + blue)[:, None]
