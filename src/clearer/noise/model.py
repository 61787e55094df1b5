"""A noise model: the variance at each brightness, and the correlation of neighboring pixels and of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.noise.profile import NoiseProfile

if TYPE_CHECKING:
    import torch
    from torch import Tensor

NEIGHBORHOOD = 5
"""Side in pixels of the square whose mean is taken for the brightness without noise."""


@dataclass(frozen=True)
class NoiseModel:
    """Noise whose variance is a linear function of brightness: Gaussian, Poisson, or both.

    Args:
        gain, offset: the variance of each channel at brightness x is ``gain * x + offset``, all in units of [0, 1].
        along_rows, along_columns: correlation of pixels 1, 2, ... apart; empty for independent ones.
        between_channels: correlation of any two channels at the same pixel; 1 for gray noise in a color image.
    """

    gain: tuple[float, ...]
    offset: tuple[float, ...]
    along_rows: tuple[float, ...] = ()
    along_columns: tuple[float, ...] = ()
    between_channels: float = 0.0

    @classmethod
    def of(cls, profile: NoiseProfile) -> NoiseModel:
        """Return the model that a measured profile describes."""
        correlated = profile.kind not in ("independent", "clean")
        return cls(
            profile.gain,
            profile.offset,
            along_rows=profile.rows[1:] if correlated else (),
            along_columns=profile.columns[1:] if correlated else (),
            between_channels=profile.channels or 0.0,
        )

    @property
    def is_correlated(self) -> bool:
        """Whether neighbors share noise."""
        return bool(self.along_rows or self.along_columns)

    def variance(self, noisy: Tensor) -> Tensor:
        """Return the variance at each pixel of noisy images, (B, C, H, W).

        An image without values below black was clipped there, and likewise at white: near these, it has less noise.
        """
        import torch

        brightness = _local_mean(noisy)
        gain, offset = lines_of([self]).to(noisy.device)[..., None, None]
        variance: Tensor = (gain * brightness + offset).clamp(min=1e-8)
        level = variance.sqrt()
        black = noisy.amin((1, 2, 3), keepdim=True) >= 0
        white = noisy.amax((1, 2, 3), keepdim=True) <= 1
        for clipped, distance in ((black, brightness), (white, 1 - brightness)):
            variance = torch.where(clipped, variance * _kept_by_clipping(distance / level), variance)
        return variance.clamp(min=1e-8)

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Return noise of variance 1 with these correlations, (B, C, H, W), on the CPU."""
        import torch

        white = _across_channels(torch.randn(shape, generator=generator), self.between_channels)
        if not self.along_rows and not self.along_columns:
            return white
        height, width = shape[-2:]
        power = _spectrum(self.along_columns, height)[:, None] * _spectrum(self.along_rows, width)[None, :]
        shaped: Tensor = torch.fft.ifft2(torch.fft.fft2(white) * power.sqrt()).real
        return shaped


def _across_channels(white: Tensor, correlation: float) -> Tensor:
    """Return independent noise of variance 1, (B, C, H, W), with this correlation between any two channels.

    It is clamped to what C channels can have, -1 / (C - 1) to 1.
    """
    count = white.shape[1]
    if count == 1:
        return white
    rho = min(max(correlation, -1 / (count - 1)), 1.0)
    mean = white.mean(1, keepdim=True)
    # The eigenvectors of the correlation matrix: the mean of the channels, and all that is orthogonal to it.
    return math.sqrt(1 - rho) * (white - mean) + math.sqrt(max(1 + (count - 1) * rho, 0)) * mean


def lines_of(models: Sequence[NoiseModel]) -> Tensor:
    """Return gain and offset of noise models, (2, N, C)."""
    import torch

    return torch.tensor([[one.gain for one in models], [one.offset for one in models]])


def variance_for_stein(lines: Tensor, noisy: Tensor) -> Tensor:
    """Return the variance at each pixel with which Stein's identity holds for photons too, (B, C, H, W).

    For Gaussian noise it is the variance at the brightness without noise. For Poisson noise of y photons,
    ``E (y - x) f(y) = E y (f(y) - f(y - 1)) = E x (f(y + 1) - f(y))``: by the slope of f, y leaves an error of second
    order and x the opposite one, so that their mean leaves none.

    Args:
        lines: gain and offset of each image, (2, B, C); see `lines_of`.
        noisy: the images.
    """
    gain, offset = lines[..., None, None]
    variance: Tensor = (gain * (noisy + _local_mean(noisy)) / 2 + offset).clamp(min=1e-8)
    return variance


def _local_mean(noisy: Tensor) -> Tensor:
    """Return the brightness without noise, about: the mean of the neighborhood of each pixel."""
    from torch.nn import functional

    padded = functional.pad(noisy, (NEIGHBORHOOD // 2,) * 4, "replicate")
    mean: Tensor = functional.avg_pool2d(padded, NEIGHBORHOOD, 1)
    return mean


def _kept_by_clipping(distance: Tensor) -> Tensor:
    """Return the share of the variance of Gaussian noise that clipping leaves.

    Args:
        distance: of the mean after clipping from the value at which is clipped, in standard deviations.
    """
    import torch

    place = torch.linspace(-4, 4, 257, dtype=torch.float64)  # of the mean before clipping
    density, below = torch.exp(-(place**2) / 2) / math.sqrt(2 * math.pi), torch.special.ndtr(place)
    mean = density + place * below
    kept = ((place**2 + 1) * below + place * density - mean**2).to(distance)
    steps = mean.to(distance)
    k = torch.searchsorted(steps, distance.contiguous()).clamp(1, len(steps) - 1)
    share = ((distance - steps[k - 1]) / (steps[k] - steps[k - 1])).clamp(0, 1)
    return torch.lerp(kept[k - 1], kept[k], share)


def _spectrum(correlation: tuple[float, ...], size: int) -> Tensor:
    """Return the power at each frequency of noise with this correlation on a ring of pixels; its mean is 1."""
    import torch

    ring = torch.zeros(size)
    ring[0] = 1
    for distance, value in enumerate(correlation, 1):
        if distance < size - distance:
            ring[distance] = ring[size - distance] = value
    power: Tensor = torch.fft.fft(ring).real.clamp(min=0)
    return power / power.mean()
