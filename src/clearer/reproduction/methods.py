"""A restoration method, of whatever kind, as tables and figures see it: name, degradation, function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clearer.evaluation.protocols import Protocol

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """Something that restores pictures.

    Args:
        name: for tables and captions.
        degradation: what it is for: ``"gaussian"`` (white Gaussian noise) or ``"rain"``.
        restore: (H, W, C) float32 in [0, 1] but for the noise, and the noise level in 8-bit units (None
            where there is none) -> the same shape; values are clamped afterwards.
        channels: of the pictures it takes; None takes any.
        sigmas: the lowest and highest noise level it is meant for, or None for any.
        parameters: number of weights, where it has weights.
        macs_per_pixel: multiply-adds of its convolutions per pixel, where it has them.
    """

    name: str
    degradation: str
    restore: Callable[[Picture, float | None], Picture]
    channels: int | None = None
    sigmas: tuple[float, float] | None = None
    parameters: int | None = None
    macs_per_pixel: float | None = None

    def suits(self, protocol: Protocol) -> bool:
        """Whether the method is meant for what the protocol measures."""
        wanted = "rain" if protocol.sigma is None else "gaussian"
        if self.degradation != wanted or self.channels not in (None, protocol.channels):
            return False
        return protocol.sigma is None or self.sigmas is None or self.sigmas[0] <= protocol.sigma <= self.sigmas[1]
