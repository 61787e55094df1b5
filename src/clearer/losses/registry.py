"""The losses that a recipe may name in ``train.loss``, one line each."""

from __future__ import annotations

from clearer.core.registry import Registry
from clearer.losses.base import Loss

LOSSES: Registry[Loss] = Registry(
    "train.loss",
    {
        "mse": "clearer.losses.supervised:MSE",
        "charbonnier": "clearer.losses.supervised:CHARBONNIER",
        "log-mse": "clearer.losses.supervised:LOG_MSE",
        "ssim": "clearer.losses.ssim:SSIM",
        "charbonnier+ssim": "clearer.losses.ssim:CHARBONNIER_SSIM",
    },
)
