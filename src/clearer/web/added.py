"""Noise and rain that a visitor adds to an image to try a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from clearer.core.errors import UserError
from clearer.degradations.gaussian import protocol_noise
from clearer.degradations.rain import Rain
from clearer.images.pixels import WHOLE, Span, from_unit, to_unit
from clearer.images.tensors import to_array, to_batch
from clearer.images.types import CMYK, AnyPixels

LARGEST_NOISE = 100.0  # gray levels


@dataclass(frozen=True)
class Added:
    """Noise of ``sigma`` gray levels and ``rain`` of brightness 0 to 1, drawn with ``seed``.

    Raises:
        UserError: a value is out of range.
    """

    sigma: float = 0.0
    rain: float = 0.0
    seed: float = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.sigma) and 0 <= self.sigma <= LARGEST_NOISE):
            raise UserError(f"The noise level {self.sigma:g} is not between 0 and {LARGEST_NOISE:g}.")
        if not (math.isfinite(self.rain) and 0 <= self.rain <= 1):
            raise UserError(f"The amount of rain {self.rain:g} is not between 0 and 1.")
        if not (math.isfinite(self.seed) and self.seed == int(self.seed) and 0 <= self.seed < 2**32):
            raise UserError(f"The seed {self.seed:g} is not a whole number of 0 or more.")

    @property
    def nothing(self) -> bool:
        """Whether the image stays as it is."""
        return not self.sigma and not self.rain

    def __str__(self) -> str:
        added = [word for word, amount in (("Rain", self.rain), ("Noise", self.sigma)) if amount]
        return f"{' and '.join(added).capitalize()} added, as a demonstration." if added else ""


CLEAN = Added()


def degraded(pixels: AnyPixels, added: Added, page: int = 0, span: Span = WHOLE) -> AnyPixels:
    """Return an image with rain and then white Gaussian noise, clipped to black and white.

    Noise is added to all channels of CMYK, rain to its colors only.

    Args:
        pixels: (H, W, C).
        added: how much is added.
        page: number of the page in its file; each page has its own noise and rain.
        span: the values that are black and white; by default all of the pixel type.

    Returns:
        (H, W, C) of the same type.

    >>> gray = np.full((64, 64, 1), 128, np.uint8)
    >>> bool(np.array_equal(degraded(gray, Added(25, seed=1)), degraded(gray, Added(25, seed=1))))
    True
    >>> round(float(degraded(gray, Added(25, seed=1)).std()))
    25
    """
    if added.nothing:
        return pixels
    x = to_unit(pixels, span)
    light = 1 - x if x.shape[2] == CMYK else x
    if added.rain:
        colors = to_batch(light[:, :, :3]).clamp(0, 1)
        chance = torch.Generator().manual_seed(int(added.seed) + page)
        rainy = Rain(brightness=(added.rain, added.rain), layers=(2, 3)).apply(colors, chance)[0]
        light = np.concatenate([to_array(rainy), light[:, :, 3:]], 2)
    if added.sigma:
        height, width, channels = light.shape
        noise = protocol_noise((height, width, channels), added.sigma, int(added.seed), page)
        light = (light + noise / 255).astype(np.float32)
    light = light.clip(0, 1)
    return from_unit(1 - light if x.shape[2] == CMYK else light, pixels.dtype, span)
