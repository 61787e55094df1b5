"""The sensor of a camera and its colors, drawn for each image: noise, gains, color matrix, exposure, mosaic."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.degradations.camera.files import CameraColors
from clearer.degradations.ranges import one_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ELECTRONS = 40_000
"""Electrons at white at ISO 100. A camera with larger pixels counts more, one of a phone fewer."""
READ_LINE = (2.18, 1.2)
"""Log read variance by log shot variance, from Brooks et al., Unprocessing Images for Learned Raw Denoising (2019)."""
READ_SPREAD = 0.8
"""Largest distance from that line."""
RED_GAIN, BLUE_GAIN = (1.2, 2.8), (1.4, 2.6)
"""White balance. In warm light red needs a small gain and blue a large one."""
OTHER_LIGHT = (0.85, 1.15)
"""White balance by that of a measured camera."""
EXPOSURE = (0.6, 1.0)
"""Share of the sensor's range that white of the image fills."""
# Camera color to sRGB, both balanced: rows sum to 1. Bounds of the off-diagonal values.
MIXING = ((-1.2, -0.2), (-0.4, 0.4), (-0.4, -0.05), (-0.6, 0.1), (-0.1, 0.15), (-1.1, -0.25))
BANDING = (0.3, 3.0)
"""Standard deviation of the offset of a line, by that of the read noise; uniform in the logarithm."""
HOT = (1e-5, 1e-3)
"""Share of the pixels that are hot; uniform in the logarithm."""
NUMBERS, DEFECTS = 13, 3
"""Numbers from 0 to 1 that choose a sensor, and its defects."""


@dataclass(frozen=True)
class Sensor:
    """A sensor at one exposure.

    Args:
        shot, read: the variance of the noise at value x, in [0, 1], is shot x + read.
        gains: of white balance, red, green, blue.
        matrix: (3, 3), balanced camera color to linear sRGB; rows sum to 1.
        exposure: sensor value of the green of white.
        phase: rows and columns by which the RGGB mosaic is moved.
        clips: whether values below black are cut off before demosaicing, not after.
    """

    shot: float
    read: float
    gains: tuple[float, float, float]
    matrix: Tensor
    exposure: float
    phase: tuple[int, int]
    clips: bool

    def raw(self, light: Tensor) -> Tensor:
        """Return the sensor values, (3, H, W) in [0, 1], of linear sRGB light."""
        import numpy as np
        import torch

        scale = torch.tensor([self.exposure / gain for gain in self.gains], device=light.device)
        back = torch.from_numpy(np.linalg.inv(self.matrix.numpy())).to(light.device) * scale[:, None]
        values: Tensor = (back @ light.flatten(1)).view_as(light).clamp(0, 1)
        return values

    def noise(self, seen: Tensor, generator: torch.Generator) -> Tensor:
        """Return the shot and read noise of the sensor values ``seen``, (H, W)."""
        import torch

        white = torch.randn(seen.shape, generator=generator, device=generator.device).to(seen.device)
        counted = seen * self.shot
        variance = counted + self.read
        # The second term gives the skewness of counts, which shows where few electrons are counted.
        found: Tensor = white * variance.sqrt() + (white * white - 1) * counted / variance * (self.shot / 6)
        return found

    def clipped(self, noise: Tensor, seen: Tensor) -> Tensor:
        """Return the noise that is left where no value exceeds white, nor, if the camera clips there, black."""
        return (seen + noise).clamp(0 if self.clips else None, 1) - seen


def shot_of_iso(iso: float) -> float:
    """Return the shot variance at white.

    >>> shot_of_iso(400)
    0.0001
    """
    return iso / 100 / ELECTRONS


def louder(sensor: Sensor, factor: float) -> Sensor:
    """Return the sensor with a standard deviation of the read noise ``factor`` times as large."""
    return dataclasses.replace(sensor, read=sensor.read * factor**2)


def banding(height: int, read: float, shares: list[float], generator: torch.Generator) -> Tensor:
    """Return the offset of each row, (height, 1), of a sensor of this read variance."""
    import torch

    low, high = BANDING
    strength = low * (high / low) ** shares[0] * math.sqrt(read)
    found: Tensor = torch.randn((height, 1), generator=generator, device=generator.device) * strength
    return found


def hot_pixels(shape: tuple[int, int], shares: list[float], generator: torch.Generator) -> Tensor:
    """Return the values, (H, W) in [0, 1], that hot pixels add to those of a sensor; 0 for most."""
    import torch

    low, high = HOT
    density = low * (high / low) ** shares[1]
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    found: Tensor = (1 - drawn / density).clamp(min=0) * shares[2]
    return found


def drawn_sensor(iso: float, shares: list[float], cameras: Sequence[CameraColors] = ()) -> Sensor:
    """Return the sensor that `NUMBERS` numbers from 0 to 1 choose, with the colors of one of ``cameras`` if any."""
    import torch

    def within(span: tuple[float, float], share: float) -> float:
        return span[0] + (span[1] - span[0]) * share

    read, red, other, exposure, down, right, clips, *mixing = shares
    blue = (1 - red + other) / 2
    shot = shot_of_iso(iso)
    slope, offset = READ_LINE
    spread = within((-READ_SPREAD, READ_SPREAD), read)
    rg, rb, gr, gb, br, bg = (within(span, share) for span, share in zip(MIXING, mixing, strict=True))
    matrix = torch.tensor([[1 - rg - rb, rg, rb], [gr, 1 - gr - gb, gb], [br, bg, 1 - br - bg]])
    gains = (within(RED_GAIN, red), 1.0, within(BLUE_GAIN, blue))
    if cameras:
        which, between, *_ = mixing
        camera = one_of(cameras, which)
        first, last = camera.matrices[0], camera.matrices[-1]
        matrix = torch.from_numpy(first + (last - first) * between).float()
        gains = (camera.gains[0] * within(OTHER_LIGHT, red), 1.0, camera.gains[2] * within(OTHER_LIGHT, blue))
    return Sensor(
        shot=shot,
        read=math.exp(slope * math.log(shot) + offset + spread),
        gains=gains,
        matrix=matrix,
        exposure=within(EXPOSURE, exposure),
        phase=(int(down < 0.5), int(right < 0.5)),
        clips=clips < 0.5,
    )
