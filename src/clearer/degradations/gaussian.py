"""White Gaussian noise: in training as batches on the device, in protocols exactly as published."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from clearer.core.config import later
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.channels import (
    channel_factors,
    channel_noise,
    channels_in_words,
    checked_correlation,
    checked_spread,
)
from clearer.degradations.draws import Draws
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Level, at_share, checked_level, ends, in_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor

_family = partial(ProtocolFamily, level="sigma", meaning="a noise level above 0", shows="gaussian")


@dataclass(frozen=True)
class Gaussian(Degradation):
    """White Gaussian noise.

    Protocols: ``gray-awgn-S`` and ``color-awgn-S``, noise of S gray levels on whole images, not clipped;
    ``clearer-gray-S``, the CLEARER paper's: gray, center crop to multiples of 64, clipped and floored to 8 bits;
    ``color-gray-noise-S``, the same noise in all channels; ``color-uneven-S``, channels of different level.

    Args:
        sigma: standard deviation of the noise in gray levels (of 255). A range ``(low, high)`` draws one level
            for each image of a batch, uniformly.
        clip8: clip the noisy image to [0, 255] and floor it to 8 bits, as the authors' released program does.
            Otherwise noisy values may leave [0, 1].
        channel_spread: how much the levels of the channels differ, 0 to 1. Each channel of an image draws a factor
            from [1 - spread, 1 + spread]; then all are scaled so that their root mean square is ``sigma``.
        channel_correlation: correlation of the noise in two channels, -0.5 to 1. At 1 all channels have the same
            noise; at -0.5 three channels have noise of the color alone. A range draws one for each image.

    Raises:
        UserError: a value is of the wrong type or out of range.

    >>> import torch
    >>> noisy = Gaussian(25.5).apply(torch.full((1, 1, 64, 64), 0.5), torch.Generator().manual_seed(0))
    >>> round(noisy.std().item(), 2)
    0.1
    """

    sigma: Level = 0.0
    clip8: bool = False
    channel_spread: float = later(0.0)
    channel_correlation: Level = later(0.0)  # noqa: RUF009

    kind: ClassVar[str] = "gaussian"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("gray-awgn-S", 1),
        _family("color-awgn-S", 3),
        _family("clearer-gray-S", 1, settings={"clip8": True}, crop=64),
        _family("color-gray-noise-S", 3, settings={"channel_correlation": 1.0}),
        _family("color-uneven-S", 3, settings={"channel_spread": 1.0}),
    )

    def __post_init__(self) -> None:
        sigma = checked_level("sigma", self.sigma, 0, math.inf, "a level of 0 or more gray levels, such as 30")
        object.__setattr__(self, "sigma", sigma)  # frozen: lists from YAML become tuples
        if not isinstance(self.clip8, bool):
            raise UserError(f"clip8: {self.clip8!r} is not true or false")
        object.__setattr__(self, "channel_spread", checked_spread(self.channel_spread))
        object.__setattr__(self, "channel_correlation", checked_correlation(self.channel_correlation))

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        draws = Draws.of(clean, generator, start, of)
        levels = draws.level(self.sigma)
        factors = channel_factors(draws, clean.shape[1], self.channel_spread)
        noise = channel_noise(draws, tuple(clean.shape[1:]), self.channel_correlation) * (levels * factors)
        if self.clip8:
            return (clean * 255 + noise).clamp(0, 255).floor() / 255
        return clean + noise / 255

    def degrade_image(self, clean: npt.NDArray[np.uint8], seed: int, k: int) -> npt.NDArray[np.float32]:
        import numpy as np

        if self.channel_spread or self.channel_correlation:
            return super().degrade_image(clean, seed, k)
        if isinstance(self.sigma, tuple):
            raise ValueError("a protocol has one noise level, not a range")
        height, width, channels = clean.shape
        noisy = clean.astype(np.float64) + protocol_noise((height, width, channels), self.sigma, seed, k)
        if self.clip8:
            noisy = np.floor(np.clip(noisy, 0, 255))
        # float64 up to here, so that the rounding to float32 is the same everywhere
        return (noisy / 255).astype(np.float32)

    def describe(self) -> str:
        clipped = "clipped and floored to 8 bits" if self.clip8 else "not clipped"
        channels = channels_in_words(self.channel_spread, self.channel_correlation)
        return f"Gaussian noise of sigma {in_words(self.sigma)} gray levels, {channels}{clipped}"

    def effect(self) -> str:
        return f"noise of level {in_words(self.sigma)}"

    def noise_levels(self) -> tuple[float, float]:
        return ends(self.sigma)

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, sigma=at_share(self.sigma, share))


def protocol_noise(shape_hwc: tuple[int, int, int], sigma: float, seed: int, k: int) -> npt.NDArray[np.float64]:
    """Return the noise that every protocol adds to image ``k``, (H, W, C) in gray levels.

    Args:
        shape_hwc: height, width, channels after any crop.
        sigma: standard deviation in gray levels.
        seed, k: see `clearer.degradations.base.Degradation.degrade_image`.
    """
    import numpy as np

    return np.random.default_rng([seed, k]).standard_normal(shape_hwc) * sigma
