"""Poisson-Gaussian noise: shot noise of a sensor's photons and read noise of its electronics."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from clearer.core.config import Range
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.draws import Draws
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Level, at_share, checked_level, ends, in_words

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FEWEST, MOST = 0.1, 1e9
"""Photons of a white pixel."""
_MIDDLE = 0.5
_FEW = 8.0
_family = partial(
    ProtocolFamily, level="photons", levels=Range(FEWEST, below=MOST), meaning="photons of a white pixel",
    settings={"read": 0.0}, example=100, shows="poisson-gaussian",
)  # fmt: skip


@dataclass(frozen=True)
class PoissonGaussian(Degradation):
    """Noise whose variance grows with the brightness: in units of [0, 1], x / photons + (read / 255)^2.

    The photons of each pixel follow a Poisson distribution; the read noise is Gaussian.

    Protocols: ``color-poisson-P`` and ``gray-poisson-P``, P photons of a white pixel without read noise, on whole
    images, not clipped.

    Args:
        photons: mean number of photons (or electrons) that a white pixel counts. A range draws one number for each
            image of a batch, uniformly in the logarithm.
        read: standard deviation of the read noise in gray levels (of 255). A range draws one for each image,
            uniformly in the logarithm, or uniformly if it begins at 0.
        clip: clip the noisy image to [0, 1], as a sensor's black and white level do.

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    photons: Level = (20.0, 2000.0)
    read: Level = (0.0, 5.0)
    clip: bool = False

    kind: ClassVar[str] = "poisson-gaussian"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (_family("color-poisson-P", 3), _family("gray-poisson-P", 1))

    def __post_init__(self) -> None:
        what = f"a number of photons from {FEWEST:g} to {MOST:g}, such as 100"
        object.__setattr__(self, "photons", checked_level("photons", self.photons, FEWEST, MOST, what))
        what = "a level of 0 or more gray levels, such as 2"
        object.__setattr__(self, "read", checked_level("read", self.read, 0, math.inf, what))
        if not isinstance(self.clip, bool):
            raise UserError(f"clip: {self.clip!r} is not true or false")

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        work = clean.to(torch.promote_types(clean.dtype, torch.float32))
        draws = Draws.of(work, generator, start, of)
        photons, read = draws.level(self.photons, log=True), draws.level(self.read, log=True)
        noisy = poisson(work.clamp(min=0) * photons, draws) / photons
        if self.read != 0:
            noisy = noisy + draws.normal(*work.shape[1:]) * (read / 255)
        return (noisy.clamp(0, 1) if self.clip else noisy).to(clean.dtype)

    def describe(self) -> str:
        clipped = "clipped" if self.clip else "not clipped"
        return (
            f"Poisson noise of {in_words(self.photons)} photons at white and read noise of sigma "
            f"{in_words(self.read)} gray levels, {clipped}"
        )

    def effect(self) -> str:
        return f"sensor noise of {in_words(self.photons)} photons"

    def noise_levels(self) -> tuple[float, float]:
        """Return the lowest and the highest noise level at middle gray, in gray levels."""
        (few, many), (low, high) = ends(self.photons), ends(self.read)
        return tuple(255 * math.hypot(math.sqrt(_MIDDLE / p), r / 255) for p, r in ((many, low), (few, high)))  # type: ignore[return-value]

    def at_level(self, share: float) -> Self:
        """Return the noise at a share of the way from the weakest to the strongest."""
        photons, read = at_share(self.photons, 1 - share, log=True), at_share(self.read, share)
        return dataclasses.replace(self, photons=photons, read=read)


def poisson(rates: Tensor, draws: Draws) -> Tensor:
    """Return numbers of the Poisson distributions of the means ``rates``, (B, C, H, W).

    Above a mean of 8 they come from normal numbers by the expansion of Cornish and Fisher (1938), rounded: ten times
    faster on a CPU than exact draws, and with probabilities right to 0.001.
    """
    import torch

    normal = draws.normal(*rates.shape[1:])
    # Rounding adds a variance of 1 / 12.
    spread = (rates - 1 / 12).clamp(min=1e-6).sqrt()
    square = normal * normal
    counts = (rates + spread * normal + (square - 1) / 6 + normal * (1 - square) / (72 * spread)).round().clamp(min=0)
    # An exact draw takes as many numbers as it needs, hence a generator for each image.
    for image, rate, generator in zip(counts, rates, draws.generators(), strict=True):
        few = rate < _FEW
        drawn = torch.poisson(rate[few].to(generator.device), generator=generator)
        image[few] = drawn.to(image.device)
    return counts
