"""Synthetic rain: layers of streaks over clean images, drawn for each image.

A layer is white noise, thinned to a few bright points, each drawn out to a streak: a convolution with one soft line,
done in the frequency domain for all images and layers at once. Streaks add up as light does in a double exposure, so
that bright places stay below white. Haze, if any, fades what is behind them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Span, checked_span

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LARGEST_SIDE = 1024
"""Rain repeats after this many pixels. Streaks wrap around its edges, so that no seam shows."""
LAYER_TURN = 8.0
"""Degrees by which the layers of one image may differ in angle."""
LIMITS: dict[str, Span] = {
    "angle": (-90, 90),
    "length": (1, 1000),
    "width": (0.1, 100),
    "density": (1e-6, 1),
    "brightness": (0, 1),
    "layers": (1, 8),
    "haze": (0, 1),
}
"""The least and the largest value of each setting that is a range."""


@dataclass(frozen=True)
class Rain(Degradation):
    """Synthetic rain. Each value is drawn for each image, uniformly between two bounds unless stated otherwise.

    Protocol: ``rain-synthetic``, clean color images in rain of the default settings, whole images, RGB: for those
    who have no pairs. Its figures are not comparable with those of ``rain-rgb`` and ``rain-y``.

    Args:
        angle: of the streaks, in degrees from vertical, to either side.
        length: of a streak, in pixels; uniform in the logarithm.
        width: of a streak, in pixels (two standard deviations across; also how soft it is).
        density: streaks per pixel and layer; uniform in the logarithm.
        brightness: at the middle of a streak; 1 is white.
        layers: number of layers, whole.
        haze: share of a uniform gray veil over everything, 0 for none.
        share: share of the pairs whose degraded image is replaced by new rain on the clean one; an image
            without a degraded one always gets it.

    Raises:
        UserError: a bound is not a number, is out of range, or the larger one comes first.
    """

    angle: Span = (-45.0, 45.0)
    length: Span = (8.0, 48.0)
    width: Span = (0.8, 2.6)
    density: Span = (0.0005, 0.02)
    brightness: Span = (0.15, 0.8)
    layers: Span = (1.0, 3.0)
    haze: Span = (0.0, 0.0)
    share: float = 0.0

    kind: ClassVar[str] = "rain"
    replaces: ClassVar[bool] = True
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (ProtocolFamily("rain-synthetic", 3, shows="rain"),)

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            object.__setattr__(self, name, checked_span(name, getattr(self, name), low, high))
        share = self.share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise UserError(f"share: {share!r} is not a share of the pairs, from 0 to 1")

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        height, width = (min(side, LARGEST_SIDE) for side in clean.shape[-2:])
        batch = clean.shape[0] if of is None else of
        mine = slice(start, start + clean.shape[0])
        most = int(self.layers[1])
        place = generator.device

        def drawn(span: Span, *shape: int) -> Tensor:
            low, high = span
            return low + (high - low) * torch.rand(shape, generator=generator, device=place)

        count = drawn((self.layers[0], self.layers[1] + 1), batch, 1).floor().clamp(max=most)
        angle = drawn(self.angle, batch, 1) + drawn((-LAYER_TURN, LAYER_TURN), batch, most)
        # The same factor for long and short, few and many.
        length = drawn(_log(self.length), batch, most).exp()
        density = drawn(_log(self.density), batch, most).exp()
        thickness = drawn(self.width, batch, most)
        brightness = drawn(self.brightness, batch, most)
        haze, gray = drawn(self.haze, batch), drawn((0.6, 0.9), batch)
        noise = torch.rand((batch, most, height, width), generator=generator, device=place)[mine]
        count, angle, length, density, thickness, brightness, haze, gray = (
            t[mine].to(clean.device) for t in (count, angle, length, density, thickness, brightness, haze, gray)
        )
        noise = noise.to(clean.device)
        # A point where the noise is below the density; how far below is how bright it is.
        density = density[..., None, None]
        points = (1 - noise / density).clamp(min=0)
        line = streak(angle, length, thickness, height, width)
        light = torch.fft.irfft2(torch.fft.rfft2(points) * torch.fft.rfft2(line), s=(height, width))
        there = torch.arange(most, device=clean.device) < count
        light = (light.clamp(min=0) * (brightness * there)[..., None, None]).sum(1, keepdim=True)
        light = 1 - torch.exp(-light)  # many faint streaks do not sum up beyond white
        times = [-(-whole // side) for whole, side in zip(clean.shape[-2:], (height, width), strict=True)]
        light = light.repeat(1, 1, *times)[..., : clean.shape[-2], : clean.shape[-1]]
        veil = haze[:, None, None, None]
        behind = clean.float() * (1 - veil) + veil * gray[:, None, None, None]
        return (behind + light * (1 - behind)).clamp(0, 1).to(clean.dtype)

    def describe(self) -> str:
        return f"synthetic rain, in {self.share:.0%} of the pairs and on all images without a pair"

    def effect(self) -> str:
        return "rain"

    def held_out(self) -> Self:
        return dataclasses.replace(self, share=0.0)


def streak(angle: Tensor, length: Tensor, width: Tensor, height: int, columns: int) -> Tensor:
    """Return one streak a layer, its middle at pixel (0, 0) and its ends around the corners.

    Args:
        angle, length, width: (B, L); degrees from upright, pixels, pixels.

    Returns:
        (B, L, height, columns), 1 in the middle.
    """
    import torch

    down = _around_zero(height, angle.device)[:, None]
    right = _around_zero(columns, angle.device)[None, :]
    turn = torch.deg2rad(angle)[..., None, None]
    along = down * turn.cos() + right * turn.sin()
    across = right * turn.cos() - down * turn.sin()
    reach = length[..., None, None] / 2
    ends = torch.sigmoid((reach - along.abs()) * 2)  # half a pixel soft
    line: Tensor = ends * torch.exp(-2 * (across / width[..., None, None]) ** 2)
    return line


def _around_zero(side: int, device: torch.device) -> Tensor:
    """Return 0, 1, ..., then negative ones: places around the first pixel of a periodic axis."""
    import torch

    places: Tensor = torch.fft.fftfreq(side, 1 / side, device=device)
    return places


def _log(span: Span) -> Span:
    return math.log(span[0]), math.log(span[1])
