"""Structural similarity as a training loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.losses.supervised import Supervised, charbonnier

if TYPE_CHECKING:
    from torch import Tensor

WINDOW, WINDOW_SIGMA = 11, 1.5
SSIM_WEIGHT = 0.15
"""Weight of 1 - SSIM beside the Charbonnier loss. Chosen in advance; no other value was tried."""


def ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the mean SSIM (Wang et al., TIP 2004) of two batches, a differentiable scalar.

    The Gaussian window has 11x11 pixels and sigma 1.5; only windows that lie inside the images count. Results
    are reported with `clearer.evaluation.metrics.ssim`, which mirrors the images at their edges.

    Args:
        restored, clean: (B, C, H, W), each side 11 pixels or more.
    """
    return similarity(restored, clean).mean()


def similarity(restored: Tensor, clean: Tensor) -> Tensor:
    """Return SSIM of each window that lies inside two batches, (B, C, H - 10, W - 10); see `ssim`."""
    import torch
    from torch.nn import functional

    channels = restored.shape[1]
    place = torch.arange(WINDOW, device=restored.device, dtype=restored.dtype) - WINDOW // 2
    window = torch.exp(-(place**2) / (2 * WINDOW_SIGMA**2))
    window = window / window.sum()

    def blurred(x: Tensor) -> Tensor:
        x = functional.conv2d(x, window.view(1, 1, -1, 1).expand(x.shape[1], 1, -1, 1), groups=x.shape[1])
        return functional.conv2d(x, window.view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1), groups=x.shape[1])

    moments = blurred(torch.cat([restored, clean, restored**2, clean**2, restored * clean], 1))
    a, b, aa, bb, ab = torch.split(moments, channels, 1)
    luminance = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    structure = (2 * (ab - a * b) + 9e-4) / (aa - a**2 + bb - b**2 + 9e-4)
    found: Tensor = luminance * structure
    return found


def dissimilarity(restored: Tensor, clean: Tensor) -> Tensor:
    """Return 1 - SSIM, which is 0 for equal batches."""
    return 1 - ssim(restored, clean)


def charbonnier_ssim(restored: Tensor, clean: Tensor) -> Tensor:
    """Return the Charbonnier loss plus `SSIM_WEIGHT` times 1 - SSIM."""
    return charbonnier(restored, clean) + SSIM_WEIGHT * dissimilarity(restored, clean)


SSIM = Supervised(dissimilarity, smallest_patch=WINDOW)
CHARBONNIER_SSIM = Supervised(charbonnier_ssim, smallest_patch=WINDOW)
