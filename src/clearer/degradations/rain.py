"""Synthetic rain: layers of streaks over clean images, each image with rain of its own.

A layer is white noise, thinned to few bright points, each drawn out to a streak: a convolution with one
soft line, done in the frequency domain, for all images and layers at once. Layers are denser and finer
the farther away they are thought to be. Light adds up as in a double exposure, so that bright places
stay below white; haze, where it is asked for, pales all that is behind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from clearer.core.errors import UserError

Span = tuple[float, float]
LARGEST_SIDE = 1024
"""Rain repeats after so many pixels: streaks go around its edges, so that no seam shows."""
LAYER_TURN = 8.0
"""Degrees by which the layers of one image may differ in angle."""


@dataclass(frozen=True)
class Rain:
    """What rain may look like; each value is drawn for each image, between two bounds.

    Args:
        angle: of the streaks, in degrees from upright, to either side.
        length: of a streak, in pixels.
        width: of a streak, in pixels (two standard deviations across; this is its blur, too).
        density: points a pixel at which streaks lie, of one layer; small values are as likely as large ones.
        brightness: of a streak's middle, 1 is white.
        layers: how many, whole numbers.
        haze: share of an even gray veil over everything, 0 for none.

    Raises:
        UserError: a bound is not a number, is out of range, or the larger one stands first.
    """

    angle: Span = (-45.0, 45.0)
    length: Span = (8.0, 48.0)
    width: Span = (0.8, 2.6)
    density: Span = (0.0005, 0.02)
    brightness: Span = (0.15, 0.8)
    layers: Span = (1, 3)
    haze: Span = (0.0, 0.0)

    def __post_init__(self) -> None:
        limits = {
            "angle": (-90, 90),
            "length": (1, 1000),
            "width": (0.1, 100),
            "density": (1e-6, 1),
            "brightness": (0, 1),
            "layers": (1, 8),
            "haze": (0, 1),
        }
        for field in fields(self):
            value, (least, most) = getattr(self, field.name), limits[field.name]
            numbers = isinstance(value, list | tuple) and len(value) == 2
            if not numbers or any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
                raise UserError(f"degradation.rain.{field.name}: {value!r} is not a pair [low, high]")
            low, high = float(value[0]), float(value[1])
            if not least <= low <= high <= most:
                bounds = f"[{low:g}, {high:g}] is not within [{least:g}, {most:g}], lower first"
                raise UserError(f"degradation.rain.{field.name}: {bounds}")
            object.__setattr__(self, field.name, (low, high))


def rain(
    clean: Tensor, generator: torch.Generator, how: Rain | None = None, *, start: int = 0, of: int | None = None
) -> Tensor:
    """Return clean images in the rain.

    Args:
        clean: (B, C, H, W), floating point, in [0, 1].
        generator: everything random comes from it; a CPU one gives the same rain on all devices.
        how: what the rain may look like.
        start, of: as of `clearer.degradations.gaussian.degrade`.

    Returns:
        (B, C, H, W), in [0, 1], the device and dtype of ``clean``.
    """
    how = Rain() if how is None else how
    height, width = (min(side, LARGEST_SIDE) for side in clean.shape[-2:])
    batch = clean.shape[0] if of is None else of
    mine = slice(start, start + clean.shape[0])
    most = int(how.layers[1])
    place = generator.device

    def drawn(span: Span, *shape: int) -> Tensor:
        low, high = span
        return low + (high - low) * torch.rand(shape, generator=generator, device=place)

    count = drawn((how.layers[0], how.layers[1] + 1), batch, 1).floor().clamp(max=most)
    angle = drawn(how.angle, batch, 1) + drawn((-LAYER_TURN, LAYER_TURN), batch, most)
    # The same factor for long and short, few and many.
    length = drawn(_log(how.length), batch, most).exp()
    density = drawn(_log(how.density), batch, most).exp()
    thickness = drawn(how.width, batch, most)
    brightness = drawn(how.brightness, batch, most)
    haze, gray = drawn(how.haze, batch), drawn((0.6, 0.9), batch)
    noise = torch.rand((batch, most, height, width), generator=generator, device=place)[mine]
    count, angle, length, density, thickness, brightness, haze, gray = (
        t[mine].to(clean.device)
        for t in (count, angle, length, density, thickness, brightness, haze, gray)
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


def streak(angle: Tensor, length: Tensor, width: Tensor, height: int, columns: int) -> Tensor:
    """Return one streak a layer, its middle at pixel (0, 0) and its ends around the corners.

    Args:
        angle, length, width: (B, L); degrees from upright, pixels, pixels.

    Returns:
        (B, L, height, columns), 1 in the middle.
    """
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
    places: Tensor = torch.fft.fftfreq(side, 1 / side, device=device)
    return places


def _log(span: Span) -> Span:
    return math.log(span[0]), math.log(span[1])
