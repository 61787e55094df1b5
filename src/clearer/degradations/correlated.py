"""Correlated noise: white Gaussian noise blurred by a random kernel, as demosaicing and resampling leave it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

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
    import torch
    from torch import Tensor

_family = partial(
    ProtocolFamily, level="sigma", meaning="a noise level above 0", settings={"blur": 1.0, "stretch": 1.0}, example=25,
    shows="correlated",
)  # fmt: skip


@dataclass(frozen=True)
class Correlated(Degradation):
    """White Gaussian noise blurred by a Gaussian kernel and scaled back to its level: neighboring pixels agree.

    The kernel is sampled at the pixels, as `scipy.ndimage.gaussian_filter` does. The noise wraps around at the
    edges of the image.

    Protocols: ``color-correlated-S`` and ``gray-correlated-S``, noise of S gray levels blurred by 1 pixel on whole
    images, not clipped.

    Args:
        sigma: standard deviation of the noise in gray levels after the blur. A range draws one level for each
            image of a batch, uniformly; so do the other ranges.
        blur: standard deviation of the kernel in pixels.
        stretch: ratio of the kernel's two axes, 1 or more, at constant area; above 1, its angle is random.
        channel_spread: see `clearer.degradations.gaussian.Gaussian`.
        channel_correlation: see `clearer.degradations.gaussian.Gaussian`.

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    sigma: Level = (0.0, 50.0)
    blur: Level = (0.4, 2.0)
    stretch: Level = (1.0, 2.0)
    channel_spread: float = 0.0
    channel_correlation: Level = 0.0

    kind: ClassVar[str] = "correlated"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("color-correlated-S", 3),
        _family("gray-correlated-S", 1),
    )

    def __post_init__(self) -> None:
        for name, low, high, what in (
            ("sigma", 0, math.inf, "a level of 0 or more gray levels, such as 30"),
            ("blur", 0.1, 20, "a blur from 0.1 to 20 pixels, such as 1"),
            ("stretch", 1, 10, "a ratio from 1 to 10"),
        ):
            object.__setattr__(self, name, checked_level(name, getattr(self, name), low, high, what))
        object.__setattr__(self, "channel_spread", checked_spread(self.channel_spread))
        object.__setattr__(self, "channel_correlation", checked_correlation(self.channel_correlation))

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        work = clean.to(torch.promote_types(clean.dtype, torch.float32))
        draws = Draws.of(work, generator, start, of)
        sigma, blur, stretch = draws.level(self.sigma), draws.level(self.blur), draws.level(self.stretch)
        angle = draws.level((0.0, math.pi)) if ends(self.stretch)[1] > 1 else 0.0
        factors = channel_factors(draws, work.shape[1], self.channel_spread)
        white = channel_noise(draws, tuple(work.shape[1:]), self.channel_correlation)
        kernel = gaussian_kernel(work, blur, stretch, angle)
        spectrum = torch.fft.rfft2(white) * torch.fft.rfft2(kernel / kernel.square().sum((-2, -1), keepdim=True).sqrt())
        noise: Tensor = torch.fft.irfft2(spectrum, s=work.shape[-2:])
        return (work + noise * (sigma * factors / 255)).to(clean.dtype)

    def describe(self) -> str:
        channels = channels_in_words(self.channel_spread, self.channel_correlation)
        blurred = f"blurred by {in_words(self.blur)} pixels"
        return f"Gaussian noise of sigma {in_words(self.sigma)} gray levels, {channels}{blurred}"

    def effect(self) -> str:
        return f"blurred noise of level {in_words(self.sigma)}"

    def noise_levels(self) -> tuple[float, float]:
        return ends(self.sigma)

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, sigma=at_share(self.sigma, share))


def gaussian_kernel(image: Tensor, blur: Tensor | float, stretch: Tensor | float, angle: Tensor | float) -> Tensor:
    """Return Gaussian kernels, 1 in the middle, which is pixel (0, 0) of a periodic image.

    Args:
        image: (B, C, H, W), for the size of the kernel, the device and the dtype.
        blur: standard deviation in pixels, one or (B, 1, 1, 1); so are the others.
        stretch: ratio of the longer to the shorter axis.
        angle: of the longer axis to the rows, in radians.

    Returns:
        (B, 1, H, W), or (H, W) if all arguments are numbers.
    """
    import torch

    height, width = image.shape[-2:]
    down, right = (torch.fft.fftfreq(side, 1 / side, device=image.device).to(image.dtype) for side in (height, width))
    down, right = down[:, None], right[None, :]
    turn = torch.as_tensor(angle, device=image.device, dtype=image.dtype)
    along, across = right * turn.cos() + down * turn.sin(), down * turn.cos() - right * turn.sin()
    square: Tensor = (along / blur) ** 2 / stretch + (across / blur) ** 2 * stretch
    return torch.exp(-square / 2)
