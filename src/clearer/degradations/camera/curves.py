"""Tone curves of cameras: from light to the values of an image, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Within these bounds the family comes within 0.01 (median of the root mean square) of the 201 measured curves of the
# Database of Response Functions (Grossberg and Nayar, 2003).
CONTRAST = (0.0, 6.0)
"""Steepness of the S-curve at its middle; small ones are more frequent."""
MIDDLE = (0.2, 0.7)
POWER = (1.2, 2.8)
SRGB_SHARE = 0.5
"""Share of curves whose gamma is that of sRGB; the others are powers."""


@dataclass(frozen=True)
class ToneCurve:
    """A gamma followed by an S-curve, with an exact inverse.

    Args:
        power: light is the image to this power; 0 for the curve of sRGB (IEC 61966-2-1).
        contrast: steepness of the S-curve, a logistic function scaled to pass through (0, 0) and (1, 1); 0 for none.
        middle: where the S-curve is steepest.
    """

    power: float = 0.0
    contrast: float = 0.0
    middle: float = 0.5

    @classmethod
    def drawn(cls, shares: list[float]) -> ToneCurve:
        """Return the curve that four numbers from 0 to 1 choose."""
        which, power, contrast, middle = shares
        return cls(
            power=0.0 if which < SRGB_SHARE else POWER[0] + (POWER[1] - POWER[0]) * power,
            contrast=CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * contrast**1.5,
            middle=MIDDLE[0] + (MIDDLE[1] - MIDDLE[0]) * middle,
        )

    def to_light(self, image: Tensor) -> Tensor:
        """Return the light, 0 to 1, of image values from 0 to 1."""
        import torch

        if self.contrast:
            low, high = self._ends()
            image = (self.middle + torch.logit(low + image * (high - low)) / self.contrast).clamp(0, 1)
        if self.power:
            return image.pow(self.power)
        return torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055).pow(2.4))

    def to_image(self, light: Tensor) -> Tensor:
        """Return the image values, 0 to 1, of light from 0 to 1."""
        import torch

        if self.power:
            image = light.pow(1 / self.power)
        else:
            image = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.pow(1 / 2.4) - 0.055)
        if self.contrast:
            low, high = self._ends()
            image = (torch.sigmoid(self.contrast * (image - self.middle)) - low) / (high - low)
        return image

    def _ends(self) -> tuple[float, float]:
        low, high = (1 / (1 + math.exp(-self.contrast * (end - self.middle))) for end in (0, 1))
        return low, high


@dataclass(frozen=True)
class TableCurve:
    """A measured tone curve, linear between its points.

    Args:
        light, image: (N,), rising from 0 to 1.
    """

    light: Tensor
    image: Tensor

    def to_light(self, image: Tensor) -> Tensor:
        """Return the light, 0 to 1, of image values from 0 to 1."""
        return _interpolated(image, self.image, self.light)

    def to_image(self, light: Tensor) -> Tensor:
        """Return the image values, 0 to 1, of light from 0 to 1."""
        return _interpolated(light, self.light, self.image)


def _interpolated(values: Tensor, places: Tensor, heights: Tensor) -> Tensor:
    import torch

    places, heights = places.to(values.device), heights.to(values.device)
    above = torch.searchsorted(places, values.contiguous()).clamp(1, len(places) - 1)
    low, high = places[above - 1], places[above]
    share = ((values - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    return torch.lerp(heights[above - 1], heights[above], share)
