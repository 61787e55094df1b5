"""Several degradations, one after another."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from clearer.core.errors import UserError
from clearer.degradations.base import Degradation
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.poisson_gaussian import PoissonGaussian
from clearer.degradations.registry import BY_KIND

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Chain(Degradation):
    """Several degradations, one after another, such as the noise of a sensor and then JPEG compression.

    Args:
        steps: the degradations in their order, each with its ``kind`` and settings; by default the noise of a
            sensor, then JPEG compression.

    Raises:
        UserError: there is no step, or one takes its degraded images from disk.
    """

    steps: tuple[Annotated[Degradation, BY_KIND], ...] = (PoissonGaussian(), Jpeg((50, 98)))

    kind: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        check_parts("steps", self.steps)

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        for step in self.steps:
            clean = step.apply(clean, generator, start=start, of=of)
        return clean

    def describe(self) -> str:
        return ", then ".join(step.describe() for step in self.steps)

    def effect(self) -> str:
        return ", then ".join(step.effect() for step in self.steps)

    def noise_levels(self) -> tuple[float, float] | None:
        return next((levels for step in self.steps if (levels := step.noise_levels()) is not None), None)

    def components(self) -> tuple[Degradation, ...]:
        return tuple(one for step in self.steps for one in step.components())

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, steps=tuple(step.at_level(share) for step in self.steps))

    def held_out(self) -> Self:
        return dataclasses.replace(self, steps=tuple(step.held_out() for step in self.steps))


def check_parts(name: str, degradations: tuple[Degradation, ...]) -> None:
    """Raise a UserError if there is no degradation, or one of them adds nothing."""
    if not degradations:
        raise UserError(f"{name}: [] is empty; list at least one degradation, such as {{kind: gaussian, sigma: 25}}")
    for k, one in enumerate(degradations):
        if one.needs_pairs:
            raise UserError(f"{name}[{k}].kind: {one.kind!r} degrades nothing; name another kind, or leave it out")
