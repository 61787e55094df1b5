"""The interval of a difference in PSNR by a paired bootstrap over images and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS, COVERED = 10_000, 0.95


@dataclass(frozen=True)
class Difference:
    """A mean difference in dB and the interval that covers it with 95 %."""

    mean: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_difference(first: NDArray[np.float64], second: NDArray[np.float64], seed: int = 0) -> Difference:
    """Return ``first`` - ``second`` and its interval.

    Seeds and images are drawn anew with replacement, independently of each other and the same for both, so that what
    they have in common (a hard image, a fortunate seed) cancels.

    Args:
        first, second: (seeds, images), PSNR in dB; equal places hold equal images, and trainings of one seed.
        seed: of the draws.

    Raises:
        ValueError: the shapes differ, or are empty.
    """
    if first.shape != second.shape or first.ndim != 2 or first.size == 0:
        raise ValueError(f"two arrays of one shape (seeds, images) are needed, not {first.shape} and {second.shape}")
    gains = first - second
    generator = np.random.default_rng(seed)
    seeds, images = gains.shape
    # A draw is how often each seed and each image comes: its mean is a product with the shares of both.
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), DRAWS) / seeds
    of_images = generator.multinomial(images, np.full(images, 1 / images), DRAWS) / images
    means = np.einsum("ds,si,di->d", of_seeds, gains, of_images, optimize=True)
    low, high = np.quantile(means, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Difference(float(gains.mean()), float(low), float(high))
