"""How a clean image is degraded: in training as batches on the device, in protocols exactly as published.

Each kind is one plain function, (B, C, H, W) in [0, 1] and a generator to the same shape (rain has a
file of its own); `degrade` chooses among them. A further kind is a further function, its name in
`KINDS`, and a line in `degrade`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError, nearest
from clearer.degradations.rain import Rain, rain

KINDS = ("none", "gaussian", "rain")


@dataclass(frozen=True)
class Degradation:
    """A way to spoil clean images, as a recipe states it.

    Args:
        kind: ``"none"`` (the images stay as they are: the pairs on disk are degraded already),
            ``"gaussian"``, or ``"rain"``.
        sigma: standard deviation of the noise in 8-bit levels; a pair ``(low, high)`` draws it
            uniformly for each image of a batch.
        clip8: clip the noisy image to [0, 255] and floor it to 8 bits, the noise of the authors'
            released program. Otherwise noise may leave [0, 1].
        rain: what rain may look like.
        share: of pairs, how many get synthetic rain on their clean image in place of their degraded one;
            an image that has no degraded one always does.

    Raises:
        UserError: a value is of the wrong kind or out of range.

    >>> Degradation("gaussian", sigma=[5, 50]).sigma
    (5.0, 50.0)
    """

    kind: str = "none"
    sigma: float | tuple[float, float] = 0.0
    clip8: bool = False
    rain: Rain = field(default_factory=Rain)
    share: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            near = nearest(str(self.kind), KINDS)
            raise UserError(f"degradation.kind: {self.kind!r} is not one of {', '.join(KINDS)}{near}")
        if not isinstance(self.clip8, bool):
            raise UserError(f"degradation.clip8: {self.clip8!r} is not true or false")
        object.__setattr__(self, "sigma", _checked_sigma(self.sigma))  # frozen: lists from YAML become tuples
        if not isinstance(self.rain, Rain):
            raise UserError(f"degradation.rain: {self.rain!r} is not a mapping of its settings")
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 <= self.share <= 1:
            raise UserError(f"degradation.share: {self.share!r} is not a share of the pairs, from 0 to 1")

    @classmethod
    def from_dict(cls, stated: dict[str, Any]) -> Degradation:
        """Return what a weight file's card states.

        Raises:
            UserError: a value is out of range.
            TypeError: it has keys that are not known.
        """
        more = {"rain": Rain(**stated["rain"])} if isinstance(stated.get("rain"), dict) else {}
        return cls(**{**stated, **more})

    def held_out(self) -> Degradation:
        """Return the same for images that validate: of these, pairs stay as they are."""
        return dataclasses.replace(self, share=0.0)

    def replaces(self) -> bool:
        """Whether it makes a degraded image in place of a pair's; otherwise it adds to what is there."""
        return self.kind == "rain"


def degrade(
    clean: Tensor, degradation: Degradation, generator: torch.Generator, *, start: int = 0, of: int | None = None
) -> Tensor:
    """Return the degraded form of a batch; everything random comes from ``generator``.

    Args:
        clean: (B, C, H, W), floating point, in [0, 1].
        degradation: what to do.
        generator: on the device of ``clean``; one on the CPU works for any device, more slowly, and
            then draws the same noise on all of them.
        start, of: ``clean`` is the part from ``start`` of a batch of ``of``: what is drawn is drawn for
            all of it, so that parts are degraded as the whole would be.

    Returns:
        (B, C, H, W), the device and dtype of ``clean``; unclipped noise may leave [0, 1].

    >>> chance = torch.Generator().manual_seed(0)
    >>> noisy = degrade(torch.full((1, 1, 64, 64), 0.5), Degradation("gaussian", 25.5), chance)
    >>> round(noisy.std().item(), 2)
    0.1
    """
    if degradation.kind == "gaussian":
        return gaussian(clean, generator, degradation.sigma, degradation.clip8, start=start, of=of)
    if degradation.kind == "rain":
        return rain(clean, generator, degradation.rain, start=start, of=of)
    return clean


def gaussian(
    clean: Tensor,
    generator: torch.Generator,
    sigma: float | tuple[float, float],
    clip8: bool = False,
    *,
    start: int = 0,
    of: int | None = None,
) -> Tensor:
    """Add white Gaussian noise of ``sigma`` 8-bit levels; see `Degradation` and `degrade` for the arguments."""
    place, end = generator.device, start + clean.shape[0]
    batch = clean.shape[0] if of is None else of
    levels: Tensor | float
    if isinstance(sigma, tuple):
        low, high = sigma
        shares = torch.rand((batch, 1, 1, 1), generator=generator, device=place, dtype=clean.dtype)
        levels = low + (high - low) * shares[start:end]
    else:
        levels = sigma
    shape = (batch, *clean.shape[1:])
    noise = torch.randn(shape, generator=generator, device=place, dtype=clean.dtype)[start:end] * levels
    noise = noise.to(clean.device)  # 8-bit levels
    if clip8:
        return (clean * 255 + noise).clamp(0, 255).floor() / 255
    return clean + noise / 255


def protocol_noise(shape_hwc: tuple[int, int, int], sigma: float, seed: int, k: int) -> npt.NDArray[np.float64]:
    """Return the noise that every protocol adds to image ``k``, (H, W, C) in 8-bit levels.

    Args:
        shape_hwc: height, width, channels after any crop.
        sigma: standard deviation in 8-bit levels.
        seed: of the protocol, 0 unless said otherwise.
        k: place of the image among all of its folder, sorted by file name, from 0.
    """
    return np.random.default_rng([seed, k]).standard_normal(shape_hwc) * sigma


def degrade_by_protocol(
    clean: npt.NDArray[np.uint8], sigma: float, clip8: bool, seed: int, k: int
) -> npt.NDArray[np.float32]:
    """Return image ``k`` with its protocol noise.

    Args:
        clean: (H, W, C), after any crop.
        sigma, seed, k: see `protocol_noise`.
        clip8: clip to [0, 255] and floor to 8 bits.

    Returns:
        (H, W, C), in units of [0, 1]; without ``clip8`` values may leave it.
    """
    height, width, channels = clean.shape
    noisy = clean.astype(np.float64) + protocol_noise((height, width, channels), sigma, seed, k)
    if clip8:
        noisy = np.floor(np.clip(noisy, 0, 255))
    # float64 up to here, so that the rounding to float32 is the same everywhere
    return (noisy / 255).astype(np.float32)


def _checked_sigma(sigma: object) -> float | tuple[float, float]:
    if isinstance(sigma, Sequence) and not isinstance(sigma, str):
        if len(sigma) != 2:
            raise UserError(f"degradation.sigma: {sigma!r} is not one level or a pair [low, high]")
        low, high = (_checked_level(level) for level in sigma)
        if low > high:
            raise UserError(f"degradation.sigma: the pair {sigma!r} has its larger level first; write [low, high]")
        return low, high
    return _checked_level(sigma)


def _checked_level(level: object) -> float:
    if isinstance(level, bool) or not isinstance(level, (int, float)):
        raise UserError(f"degradation.sigma: {level!r} is not a number (8-bit levels, such as 30)")
    if not (math.isfinite(level) and level >= 0):
        raise UserError(f"degradation.sigma: {level!r} is not a level of 0 or more (8-bit levels, such as 30)")
    return float(level)
