"""What a training minimizes: functions of a restored and a clean batch, (B, C, H, W) in [0, 1], to a scalar."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.recipe.schema import SSIM_WINDOW

SSIM_SIGMA = 1.5
SSIM_SHARE = 0.15
"""Of 1 - SSIM beside the Charbonnier loss. Set beforehand; no other was tried."""


def charbonnier(output: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(d^2 + epsilon^2), a smooth L1."""
    return ((output - target).square() + epsilon**2).sqrt().mean()


def log_mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean over patches of ln(MSE): PSNR in dB is -10 / ln 10 of it, so every patch counts in dB.

    A plain mean of squares is ruled by the patches that are degraded most; of one network for many noise
    levels these are the noisiest.
    """
    return ((output - target).square().mean((1, 2, 3)) + 1e-8).log().mean()


def charbonnier_ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return the Charbonnier loss and `SSIM_SHARE` of 1 - SSIM."""
    return charbonnier(output, target) + SSIM_SHARE * (1 - ssim(output, target))


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean SSIM with a Gaussian window (11, sigma 1.5), where the window lies inside. Differentiable.

    `clearer.evaluation.metrics` has the one that figures are reported with.
    """
    channels = output.shape[1]
    place = torch.arange(SSIM_WINDOW, device=output.device, dtype=output.dtype) - SSIM_WINDOW // 2
    bell = torch.exp(-(place**2) / (2 * SSIM_SIGMA**2))
    bell = bell / bell.sum()

    def blurred(x: Tensor) -> Tensor:
        x = F.conv2d(x, bell.view(1, 1, -1, 1).expand(x.shape[1], 1, -1, 1), groups=x.shape[1])
        return F.conv2d(x, bell.view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1), groups=x.shape[1])

    moments = blurred(torch.cat([output, target, output**2, target**2, output * target], 1))
    a, b, aa, bb, ab = torch.split(moments, channels, 1)
    luminance = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    structure = (2 * (ab - a * b) + 9e-4) / (aa - a**2 + bb - b**2 + 9e-4)
    found: Tensor = (luminance * structure).mean()
    return found


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": nn.functional.mse_loss,
    "charbonnier": charbonnier,
    "log-mse": log_mse,
    "charbonnier+ssim": charbonnier_ssim,
}
"""By their names in recipes."""
