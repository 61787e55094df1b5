"""Look at an image file before restoring it: its noise, its compression, its sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clearer.images.nodata import hidden_of, without
from clearer.images.pixels import rgb_of_cmyk, to_unit
from clearer.images.transparent import continued, is_multiplied
from clearer.images.types import CMYK, ImageFile, UnitPixels
from clearer.inference.options import RestoreOptions
from clearer.noise.advice import Kind
from clearer.noise.blocks import BLOCK
from clearer.noise.glance import Glance, glance

SIDE = 512
"""The center of so many pixels is looked at."""
COMPRESSED = 75
"""JPEG quality up to which compression is what is to be removed, if there is little noise."""
TOO_SMALL = f"noise not measured, which needs {BLOCK}x{BLOCK} pixels"
SHARED = 0.1
"""Correlation of the noise between channels from which it is not white noise in color."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image shows.

    Attributes:
        gray: whether it is gray, also as three equal channels.
        kind: of noise, see `clearer.noise.profile.NoiseProfile`.
        level: RMS of the noise in gray levels of 255.
        blurred: whether it is blurred or enlarged.
        rain: whether it shows streaks of rain.
        quality: of a JPEG file, 1 to 100; None of other files.
        channels: correlation of the noise between channels; None for gray images, and if it cannot be told.
        known: whether the kind was measured, not assumed; see `clearer.noise.glance.Glance`.
    """

    gray: bool
    kind: Kind
    level: float
    blurred: bool
    rain: bool
    quality: int | None
    channels: float | None = None
    known: bool = True

    @property
    def white(self) -> bool:
        """Whether the noise is independent between pixels and between channels, also if it varies with the brightness.

        What cannot be told is taken as independent.
        """
        alone = not self.known or (self.channels is not None and abs(self.channels) < SHARED)
        return self.kind == "independent" and (self.gray or (alone and self.quality is None))

    @property
    def how(self) -> str:
        """How the noise of neighboring pixels is correlated, in words."""
        return HOW[self.kind] if self.known else "taken as independent from pixel to pixel"

    @property
    def noisy(self) -> bool:
        """Whether there is noise to remove; streaks of rain are none."""
        return not self.rain and self.kind in ("independent", "lines", "correlated")

    @property
    def compressed(self) -> bool:
        """Whether JPEG compression is visible, or its quality says that it must be."""
        return self.kind == "blocky" or (self.quality is not None and self.quality <= COMPRESSED)

    def in_words(self) -> str:
        """Return a phrase such as "noise of about 12 gray levels, independent from pixel to pixel"."""
        found = ["streaks as of rain"] if self.rain else []
        if self.noisy:
            found.append(f"noise of about {self.level:.0f} gray levels, {self.how}")
        if self.compressed:
            found.append("JPEG compression" if self.quality is None else f"JPEG compression of quality {self.quality}")
        if not self.noisy and not self.rain:
            found.append(f"nearly no noise ({self.level:.1f} gray levels)" if self.known else TOO_SMALL)
        if self.blurred:
            found.append("blurred or enlarged")
        return ", ".join(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts, ready for JSON."""
        return {
            "gray": self.gray, "kind": self.kind, "level": self.level, "rain": self.rain, "blurred": self.blurred,
            "quality": self.quality,
        }  # fmt: skip


HOW = {
    "independent": "independent from pixel to pixel",
    "lines": "correlated along lines",
    "correlated": "correlated between pixels, as of cameras and compression",
}


def seen_of_file(image: ImageFile, options: RestoreOptions | None = None) -> UnitPixels:
    """Return the first page of a file as it is looked at: in [0, 1], CMYK as RGB.

    It is black where there is no value, and where nothing is seen at all; where parts are transparent, the rest of
    the image is continued, as it is in restoring.

    Raises:
        UserError: its floating-point values are not finite or far outside [0, 1].
    """
    page = image.pages[0]
    hidden = hidden_of(page)
    color = page.color if hidden is None else without(page.color, hidden)
    unit = to_unit(color, (options or RestoreOptions()).spans_of(image.pages)[0])
    unit = unit if hidden is None else np.where(hidden, np.float32(0), unit)
    if unit.shape[2] == CMYK:
        unit = to_unit(rgb_of_cmyk(page.color))
    if page.alpha is None:
        return unit
    alpha = to_unit(page.alpha)
    return continued(unit, alpha, is_multiplied(page)) if alpha.any() else np.zeros_like(unit)


def facts_of(unit: UnitPixels, quality: int | None = None, side: int = SIDE) -> ImageFacts:
    """Look at the center of an image (H, W, C) in [0, 1]; ``quality`` is that of its JPEG file, if it is from one."""
    gray = unit.shape[2] == 1 or bool((unit[::4, ::4] == unit[::4, ::4, :1]).all())
    seen: Glance = glance(np.ascontiguousarray(unit[:, :, :1]) if gray else unit, side)
    return ImageFacts(gray, seen.kind, seen.level * 255, seen.blurred, seen.streaks, quality, seen.channels, seen.known)
