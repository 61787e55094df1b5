"""A quick look at one image: what a model should remove from it, in about 10 ms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clearer.images.pixels import center_crop
from clearer.images.types import UnitPixels
from clearer.noise.advice import Kind
from clearer.noise.blockiness import block_grid
from clearer.noise.blocks import BLOCK, brightness_ends, filled_channels
from clearer.noise.brightness import brightness_curve, falls, fit_line
from clearer.noise.correlation import noise_correlation
from clearer.noise.kind import COLORED, kind_of
from clearer.noise.sharpness import BLURRED, sharpness
from clearer.noise.streaks import shows_streaks


@dataclass(frozen=True)
class Glance:
    """What the center of an image shows.

    Attributes:
        kind: of noise, see `clearer.noise.profile.NoiseProfile`; stripes are not looked for, empty channels left out.
        level: RMS of the noise, white is 1.
        span: brightness spanned.
        blurred: whether it is blurred or enlarged; False if it cannot be told.
        streaks: whether there are streaks of rain; see `clearer.noise.streaks.shows_streaks`.
        channels: correlation of the noise between channels; None for gray images, and if it cannot be told.
        known: False if ``independent`` is an assumption, since no 16x16 pixels tell the correlation, or ``clean`` one,
            since no 8x8 pixels tell the level.
    """

    kind: Kind
    level: float
    span: float
    blurred: bool
    streaks: bool
    channels: float | None = None
    known: bool = True


def glance(image: UnitPixels, side: int = 256) -> Glance:
    """Look at the center of an image (H, W, C) in [0, 1]; below 8x8 pixels it is called clean, see ``known``."""
    center = center_crop(image, side, side)
    if min(center.shape[:2]) >= BLOCK:
        center = center[:, :, filled_channels([center])]
    low, high = brightness_ends(center)
    if min(center.shape[:2]) < BLOCK:
        return Glance("clean", 0.0, high - low, False, False, known=False)
    units = [np.asarray(center, np.float32)]
    curve = brightness_curve(units)
    falling = falls(curve.brightness, curve.white, curve.trust)
    seen = noise_correlation(units, *fit_line(curve.brightness, curve.total, curve.trust, may_fall=falling))
    certain = curve.certain_level
    level = certain if seen is not None and certain > COLORED * curve.level else curve.level
    grid = block_grid(units)
    kind = kind_of(curve.level, level, high - low, seen, (0.0, 0.0), grid)
    sharp = sharpness(units, level**2)
    blurred = sharp is not None and sharp < BLURRED
    channels = None if seen is None else seen.channels
    rain = shows_streaks(seen, curve.total_level, grid)
    return Glance(kind, level, high - low, blurred, rain, channels, seen is not None or kind == "clean")
