"""What cameras and people do to noise after the tone curve: smoothing, sharpening, scaling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LUMA_BLUR, CHROMA_BLUR = (0.3, 1.1), (0.5, 3.0)
"""Standard deviation in pixels of the in-camera smoothing."""
SHARPENING, SHARPENING_RADIUS = (0.0, 1.2), (0.6, 1.6)
NUMBERS = 5
"""Numbers from 0 to 1 that choose the processing."""


def processed(noise: Tensor, shares: list[float]) -> Tensor:
    """Return noise after in-camera smoothing, more of chroma than of luma, and sharpening.

    Args:
        noise: (3, H, W).
        shares: `NUMBERS` numbers from 0 to 1.
    """
    luma_blur, chroma_blur, amount, radius, keep = shares
    weights = noise.new_tensor([0.299, 0.587, 0.114])
    luma = (weights[:, None, None] * noise).sum(0, keepdim=True)
    chroma = blurred(noise - luma, _within(CHROMA_BLUR, chroma_blur))
    smooth = blurred(luma, _within(LUMA_BLUR, luma_blur))
    luma = smooth + (luma - smooth) * (keep * 0.5)
    sharper = luma + (luma - blurred(luma, _within(SHARPENING_RADIUS, radius))) * _within(SHARPENING, amount)
    return sharper + chroma


def blurred(image: Tensor, sigma: float) -> Tensor:
    """Return an image, (C, H, W), after a gaussian blur; edge pixels are repeated outwards."""
    import torch

    reach = max(1, math.ceil(2.5 * sigma))
    weights = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(-reach, reach + 1)]
    total = sum(weights)
    # A sum of moved images: for a single image several times faster than a convolution.
    for pad, dim in (((0, 0, reach, reach), 1), ((reach, reach, 0, 0), 2)):
        side = image.shape[dim]
        padded = torch.nn.functional.pad(image[None], pad, mode="replicate")[0]
        image = torch.zeros_like(image)
        for place, weight in enumerate(weights):
            image.add_(padded.narrow(dim, place, side), alpha=weight / total)
    return image


def _within(span: tuple[float, float], share: float) -> float:
    return span[0] + (span[1] - span[0]) * share
