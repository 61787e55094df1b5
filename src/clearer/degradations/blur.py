"""Blur: defocus, straight motion, or a gaussian."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Level, at_share, checked_level, checked_names, in_words, one_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHAPES = {"gaussian": "sigma", "disk": "radius", "motion": "length"}
"""The setting that is the extent of each shape."""
_MOST = 100.0
_family = partial(ProtocolFamily, meaning="an extent in pixels, above 0", example=2, shows="blur")


@dataclass(frozen=True)
class Blur(Degradation):
    """Blur by one kernel an image, which sums to 1. Edge pixels are repeated outwards.

    Protocols, on whole images: ``blur-X`` (color) and ``blur-gray-X``, gaussian of standard deviation X pixels;
    ``blur-disk-X``, defocus, a disk of radius X; ``blur-motion-X``, a line of length X, its angle drawn for each image.

    Args:
        shape: ``gaussian``, ``disk`` or ``motion``, or a list of these from which each image draws one.
        sigma: standard deviation of the gaussian in pixels. Here and below, a range draws one value for each image,
            uniformly.
        radius: of the disk in pixels.
        length: of the motion in pixels.
        angle: of the motion in degrees from horizontal.

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    shape: str | list[str] = tuple(SHAPES)  # type: ignore[assignment]
    sigma: Level = (0.4, 3.0)
    radius: Level = (0.5, 5.0)
    length: Level = (2.0, 15.0)
    angle: Level = (0.0, 180.0)

    kind: ClassVar[str] = "blur"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        _family("blur-X", 3, level="sigma", settings={"shape": "gaussian"}),
        _family("blur-gray-X", 1, level="sigma", settings={"shape": "gaussian"}),
        _family("blur-disk-X", 3, level="radius", settings={"shape": "disk"}),
        _family("blur-motion-X", 3, level="length", settings={"shape": "motion"}),
    )

    def __post_init__(self) -> None:
        # frozen: lists from YAML become tuples
        object.__setattr__(self, "shape", checked_names("shape", self.shape, tuple(SHAPES)))
        what = f"a number of pixels from 0.1 to {_MOST:g}"
        for name in SHAPES.values():
            object.__setattr__(self, name, checked_level(name, getattr(self, name), 0.1, _MOST, what))
        angle = checked_level("angle", self.angle, -360, 360, "an angle from -360 to 360 degrees")
        object.__setattr__(self, "angle", angle)

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        batch = clean.shape[0] if of is None else of
        shares = torch.rand((batch, 3), generator=generator, device=generator.device)
        mine = shares[start : start + clean.shape[0]].tolist()
        # One by one: an FFT of several images rounds otherwise than one of a part of them.
        found = [convolved(image, self._kernel(*numbers)) for image, numbers in zip(clean.float(), mine, strict=True)]
        return torch.stack(found).to(clean.dtype)

    def describe(self) -> str:
        return f"blur ({self._in_words()})"

    def effect(self) -> str:
        return "blur"

    def at_level(self, share: float) -> Self:
        changes: Any = {SHAPES[one]: at_share(getattr(self, SHAPES[one]), share) for one in self._shapes()}
        return dataclasses.replace(self, **changes)

    def _kernel(self, which: float, extent: float, angle: float) -> Tensor:
        shape = one_of(self.shape, which)
        size = at_share(getattr(self, SHAPES[shape]), extent)
        farthest = {"gaussian": 3 * size, "disk": size, "motion": size / 2}[shape]
        return kernel(shape, size, at_share(self.angle, angle), math.ceil(farthest) + 1)

    def _shapes(self) -> tuple[str, ...]:
        return (self.shape,) if isinstance(self.shape, str) else tuple(self.shape)

    def _in_words(self) -> str:
        extents = [f"{shape} of {SHAPES[shape]} {in_words(getattr(self, SHAPES[shape]))}" for shape in self._shapes()]
        return ", ".join(extents)


def convolved(image: Tensor, weights: Tensor) -> Tensor:
    """Return an image, (C, H, W), convolved with a square kernel of odd side; edge pixels are repeated outwards."""
    import torch

    reach = weights.shape[0] // 2
    padded = torch.nn.functional.pad(image[None], (reach,) * 4, mode="replicate")[0]
    size = (padded.shape[1], padded.shape[2])
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(weights.to(image.device), s=size)
    # The middle of the kernel is at (reach, reach), which moves the image by as much.
    found: Tensor = torch.fft.irfft2(spectrum, s=size)[:, 2 * reach :, 2 * reach :]
    return found


def kernel(shape: str, extent: float, angle: float, reach: int) -> Tensor:
    """Return a blur kernel, (2 reach + 1, 2 reach + 1), whose sum is 1.

    Args:
        shape: one of `SHAPES`.
        extent: standard deviation, radius or length in pixels; edges are one pixel soft.
        angle: of the motion, in degrees from horizontal.
        reach: pixels from the middle to the end.
    """
    import torch

    places = torch.arange(-reach, reach + 1, dtype=torch.float64)
    down, right = places[:, None], places[None, :]
    if shape == "gaussian":
        weights = torch.exp(-0.5 * (down**2 + right**2) / extent**2)
    elif shape == "disk":
        weights = (extent + 0.5 - (down**2 + right**2).sqrt()).clamp(0, 1)
    else:
        turn = math.radians(angle)
        along = (right * math.cos(turn) - down * math.sin(turn)).abs()
        across = (right * math.sin(turn) + down * math.cos(turn)).abs()
        weights = (extent / 2 + 0.5 - along).clamp(0, 1) * (1 - across).clamp(min=0)
    found: Tensor = (weights / weights.sum()).float()
    return found
