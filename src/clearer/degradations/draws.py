"""Random numbers for a part of a batch, drawn for the whole of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.degradations.ranges import Level

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """Draw random numbers for a whole batch and return those of one part, so that parts are degraded as the whole is.

    Args:
        generator: source of all numbers.
        whole: number of images of the whole batch.
        mine: the images of the part.
        device, dtype: of what is returned.
    """

    generator: torch.Generator
    whole: int
    mine: slice
    device: torch.device
    dtype: torch.dtype

    @staticmethod
    def of(clean: Tensor, generator: torch.Generator, start: int, of: int | None) -> Draws:
        """Return the draws for ``clean``; see `clearer.degradations.base.Degradation.apply`."""
        count = clean.shape[0]
        whole = count if of is None else of
        return Draws(generator, whole, slice(start, start + count), clean.device, clean.dtype)

    def uniform(self, *shape: int) -> Tensor:
        """Return numbers in [0, 1), (B, \\*shape)."""
        import torch

        place = self.generator.device
        drawn = torch.rand((self.whole, *shape), generator=self.generator, device=place, dtype=self.dtype)
        return drawn[self.mine].to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers, (B, \\*shape)."""
        import torch

        place = self.generator.device
        drawn = torch.randn((self.whole, *shape), generator=self.generator, device=place, dtype=self.dtype)
        return drawn[self.mine].to(self.device)

    def level(self, level: Level, *, log: bool = False) -> Tensor | float:
        """Return the value of each image, (B, 1, 1, 1); one number where all images have the same.

        Args:
            level: one value, or a range from which each image draws its own, uniformly.
            log: uniformly in the logarithm, if the lower end is above 0.
        """
        if not isinstance(level, tuple):
            return level
        low, high = level
        shares = self.uniform(1, 1, 1)
        if log and low > 0:
            return (math.log(low) + (math.log(high) - math.log(low)) * shares).exp()
        return low + (high - low) * shares

    def generators(self) -> list[torch.Generator]:
        """Return a generator for each image of the part, for numbers whose count depends on the image."""
        import torch

        place = self.generator.device
        seeds = torch.randint(2**62, (self.whole,), generator=self.generator, device=place)[self.mine].tolist()
        return [torch.Generator(device=place).manual_seed(seed) for seed in seeds]
