"""Speckle: multiplicative noise of coherent imaging such as radar, ultrasound and laser."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from clearer.core.config import Range
from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.draws import Draws
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Level, at_share, checked_level, ends, in_words

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FEWEST, MOST = 1, 1e6
_MIDDLE = 0.5
_family = partial(
    ProtocolFamily, level="looks", levels=Range(FEWEST, below=MOST), meaning="a number of looks from 1", example=10,
    shows="speckle",
)  # fmt: skip


@dataclass(frozen=True)
class Speckle(Degradation):
    """Every pixel is multiplied by a random factor of mean 1 and variance 1 / looks.

    Protocols: ``color-speckle-L`` and ``gray-speckle-L``, gamma speckle of L looks on whole images, not clipped.

    Args:
        looks: number of independent images that the instrument averages, 1 or more. A range draws one number for
            each image of a batch, uniformly in the logarithm.
        law: distribution of the factor: ``gamma``, of averaged intensities, or ``gaussian``.
        clip: clip the result to [0, 1].

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    looks: Level = (4.0, 100.0)
    law: Literal["gamma", "gaussian"] = "gamma"
    clip: bool = False

    kind: ClassVar[str] = "speckle"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (_family("color-speckle-L", 3), _family("gray-speckle-L", 1))

    def __post_init__(self) -> None:
        what = f"a number of looks from {FEWEST} to {MOST:g}, such as 10"
        object.__setattr__(self, "looks", checked_level("looks", self.looks, FEWEST, MOST, what))
        if self.law not in ("gamma", "gaussian"):
            raise UserError(f"law: {self.law!r} is not one of gamma, gaussian")
        if not isinstance(self.clip, bool):
            raise UserError(f"clip: {self.clip!r} is not true or false")

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        work = clean.to(torch.promote_types(clean.dtype, torch.float32))
        draws = Draws.of(work, generator, start, of)
        looks = draws.level(self.looks, log=True)
        normal = draws.normal(*work.shape[1:])
        factor = 1 + normal * looks**-0.5 if self.law == "gaussian" else gamma_of_normal(normal, looks)
        noisy = work * factor
        return (noisy.clamp(0, 1) if self.clip else noisy).to(clean.dtype)

    def describe(self) -> str:
        clipped = "clipped" if self.clip else "not clipped"
        return f"{self.law} speckle of {in_words(self.looks)} looks, {clipped}"

    def effect(self) -> str:
        return f"speckle of {in_words(self.looks)} looks"

    def noise_levels(self) -> tuple[float, float]:
        """Return the lowest and the highest noise level at middle gray, in gray levels."""
        few, many = ends(self.looks)
        return 255 * _MIDDLE / math.sqrt(many), 255 * _MIDDLE / math.sqrt(few)

    def at_level(self, share: float) -> Self:
        """Return the noise at a share of the way from the weakest to the strongest."""
        return dataclasses.replace(self, looks=at_share(self.looks, 1 - share, log=True))


def gamma_of_normal(normal: Tensor, looks: Tensor | float) -> Tensor:
    """Return numbers of a gamma distribution of mean 1 and variance 1 / looks from standard normal ones.

    By the cube of Wilson and Hilferty (1931). At one look, the hardest case, mean and variance are within 0.5 %.
    """
    ninth = 1 / (9 * looks)
    return (1 - ninth + normal * ninth**0.5).clamp(min=0) ** 3
