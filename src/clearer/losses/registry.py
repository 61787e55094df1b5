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
        "neighbor2neighbor": "clearer.losses.neighbor2neighbor:NEIGHBOR2NEIGHBOR",
        "noise2void": "clearer.losses.noise2void:NOISE2VOID",
        "noise2void-rows": "clearer.losses.noise2void:NOISE2VOID_ROWS",
        "noise2void-columns": "clearer.losses.noise2void:NOISE2VOID_COLUMNS",
        "noise2void-hole": "clearer.losses.noise2void:NOISE2VOID_HOLE",
        "sure": "clearer.losses.sure:SURE",
        "neighbor2neighbor+sure": "clearer.losses.in_turn:NEIGHBOR2NEIGHBOR_SURE",
        "own": "clearer.losses.own:OWN",
        "noise2noise": "clearer.losses.noise2noise:NOISE2NOISE",
    },
)
