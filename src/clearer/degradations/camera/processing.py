"""What cameras and people do to noise after the tone curve: smoothing, sharpening, scaling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clearer.images.pixels import BT601

if TYPE_CHECKING:
    from torch import Tensor

LUMA_BLUR, CHROMA_BLUR = (0.3, 1.5), (0.5, 5.0)
"""Standard deviation in pixels of the in-camera smoothing; that of chroma is uniform in the logarithm."""
THRESHOLD = (0.5, 2.5)
"""Threshold of the fine luma noise in cameras that have one, by its standard deviation."""
MOST_GRAIN = 0.6
"""Largest share of the fine luma noise that the smoothing leaves, as cameras do for a natural look."""
EDGE_SHARE, EDGE_CONTRAST = 0.6, (0.5, 4.0)
"""Share of the cameras that smooth less at edges, and the contrast of an edge by the noise around it."""
SHARPEN_SHARE, SHARPENING, SHARPENING_RADIUS = 0.7, (0.0, 1.5), (0.6, 1.6)
NUMBERS = 8
"""Numbers from 0 to 1 that choose the processing."""


def processed(noise: Tensor, image: Tensor, shares: list[float], threshold: float = 0.0) -> Tensor:
    """Return noise after in-camera smoothing, more of chroma than of luma and less at edges, and sharpening.

    Args:
        noise: (3, H, W).
        image: (3, H, W), the image beneath it.
        shares: `NUMBERS` numbers from 0 to 1.
        threshold: of the fine luma noise, by its standard deviation: less is removed, as by wavelets, and specks stay.
    """
    import torch

    luma_blur, chroma_blur, grain, has_edges, contrast, sharpens, amount, radius = shares
    luma = luma_of(noise)
    low, high = CHROMA_BLUR
    chroma = blurred(noise - luma, low * (high / low) ** chroma_blur)
    smooth = blurred(luma, _within(LUMA_BLUR, luma_blur))
    kept: Tensor | float = MOST_GRAIN * grain
    if has_edges < EDGE_SHARE:
        gray = luma_of(image)
        edges = blurred((gray - blurred(gray, 1.5)).abs(), 1.5)
        kept = kept + (1 - kept) * edges / (edges + _within(EDGE_CONTRAST, contrast) * luma.std(unbiased=False) + 1e-6)
    fine = luma - smooth
    if threshold:
        fine = torch.nn.functional.softshrink(fine, threshold * fine.std(unbiased=False).item())
    luma = smooth + fine * kept
    if sharpens < SHARPEN_SHARE:
        luma = luma + (luma - blurred(luma, _within(SHARPENING_RADIUS, radius))) * _within(SHARPENING, amount)
    return luma + chroma


def luma_of(image: Tensor) -> Tensor:
    """Return the luma of BT.601, (1, H, W), of a color image."""
    weights = image.new_tensor([BT601])
    return (weights @ image.flatten(1)).view(1, *image.shape[1:])


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
