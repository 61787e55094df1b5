"""A mixture of degradations: every image draws its own kind by stated shares."""

from __future__ import annotations

import dataclasses
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from clearer.core.config import ChosenBy
from clearer.core.errors import UserError, shown
from clearer.degradations.base import Degradation
from clearer.degradations.camera.kind import Camera
from clearer.degradations.chain import Chain, check_parts
from clearer.degradations.choice import apply_by_choice
from clearer.degradations.correlated import Correlated
from clearer.degradations.gaussian import Gaussian
from clearer.degradations.jpeg import Jpeg
from clearer.degradations.poisson_gaussian import PoissonGaussian
from clearer.degradations.ranges import checked_share
from clearer.degradations.registry import BY_KIND, DEGRADATIONS
from clearer.degradations.speckle import Speckle

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_NAMED = 3


@dataclass(frozen=True)
class Part:
    """One degradation of a mixture.

    Args:
        share: of the images, relative to the shares of the other parts.
        degradation: what degrades them.
    """

    share: float
    degradation: Degradation

    def __post_init__(self) -> None:
        # In settings, `share` is that of the part. The share of pairs that a degradation such as rain replaces has no
        # meaning inside a mixture.
        given, usual = (getattr(one, "share", None) for one in (self.degradation, type(self.degradation)))
        if given != usual:
            object.__setattr__(self, "degradation", dataclasses.replace(self.degradation, share=usual))  # type: ignore[type-var]


@dataclass(frozen=True)
class PartBy(ChosenBy):
    """A part in settings: its ``share`` stands beside the ``kind`` and the settings of its degradation."""

    def build(self, value: Any, path: str) -> Part:
        if not isinstance(value, dict):
            raise UserError(f"{path}: {shown(value)} is no mapping such as {{share: 0.5, kind: gaussian, sigma: 25}}")
        for key in ("share", self.key):
            if key not in value:
                raise UserError(f"{path}.{key}: missing")
        settings = {key: inner for key, inner in value.items() if key != "share"}
        return Part(_checked_weight(f"{path}.share", value["share"]), super().build(settings, path))

    def plain(self, value: Part, whole: bool = False) -> dict[str, Any]:
        settings = super().plain(value.degradation, whole)
        return {"share": value.share} | {k: v for k, v in settings.items() if k != "share"}


def _checked_weight(name: str, value: Any) -> float:
    """Return a share relative to others as a float.

    Raises:
        UserError: it is not a finite number of at least 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"{name}: {shown(value)} is not a share of at least 0; shares are relative to one another")
    return float(value)


PART = PartBy(BY_KIND.key, DEGRADATIONS, BY_KIND.default)


@dataclass(frozen=True)
class Mixture(Degradation):
    """A mixture of degradations: every image of a batch draws one part by its share.

    In a recipe, ``parts: [{share: 0.4, kind: gaussian, sigma: [0, 50]}, {share: 0.2, kind: jpeg}]``. A part of
    several steps is a ``chain``.

    Args:
        parts: the degradations, by default all kinds of noise, also with JPEG compression after it. Their shares are
            relative to one another: they divide what ``clean`` leaves.
        clean: share of the images that stay as they are.
        stored: share of the degraded images that are clipped to [0, 1] and rounded to 8 bits, as in image files.

    Raises:
        UserError: a share is no number or out of range, or a part takes its degraded images from disk.
    """

    parts: tuple[Annotated[Part, PART], ...] = (
        Part(0.25, Gaussian((0, 50), channel_spread=0.7, channel_correlation=(0, 1))),
        Part(0.2, Correlated()),
        # Noise of the color is coarser than that of the brightness.
        Part(
            0.05,
            Chain((Correlated((0, 20), (1, 3), channel_correlation=-0.5), Gaussian((0, 20), channel_correlation=1))),
        ),
        Part(0.1, PoissonGaussian()),
        Part(0.05, Speckle()),
        Part(0.1, Chain()),
        Part(0.15, Camera()),
        Part(0.1, Chain((Camera(), Jpeg((50, 98))))),
    )
    clean: float = 0.05
    stored: float = 0.5

    kind: ClassVar[str] = "mixture"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))
        for name in ("clean", "stored"):
            object.__setattr__(self, name, checked_share(name, getattr(self, name)))
        for k, part in enumerate(self.parts):
            _checked_weight(f"parts[{k}].share", part.share)
        check_parts("parts", tuple(part.degradation for part in self.parts))
        if self.clean < 1 and not sum(part.share for part in self.parts):
            raise UserError("parts: all shares are 0; give one of them a share above 0")

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        whole = clean.shape[0] if of is None else of
        which, as_file = torch.rand((2, whole), generator=generator, device=generator.device).tolist()
        bounds = list(accumulate([self.clean, *self._probabilities()]))
        chosen = [min(bisect_right(bounds, number), len(self.parts)) - 1 for number in which]
        applied = [part.degradation.apply for part in self.parts]
        degraded = apply_by_choice(applied, chosen, clean, generator, start=start)
        drawn = list(zip(as_file, chosen, strict=True))[start : start + clean.shape[0]]
        stored = [number < self.stored and choice >= 0 for number, choice in drawn]
        if any(stored):
            place = torch.tensor(stored, device=clean.device)[:, None, None, None]
            degraded = torch.where(place, (degraded.clamp(0, 1) * 255).round() / 255, degraded)
        return degraded

    def _probabilities(self) -> list[float]:
        total = sum(part.share for part in self.parts)
        return [(1 - self.clean) * part.share / total if total else 0.0 for part in self.parts]

    def describe(self) -> str:
        shares = zip(self._probabilities(), self.parts, strict=True)
        stated = [f"{share:.0%} {part.degradation.describe()}" for share, part in shares]
        if self.clean:
            stated.append(f"{self.clean:.0%} clean images")
        return f"a mixture of {'; '.join(stated)}; {self.stored:.0%} of the degraded ones clipped and rounded to 8 bits"

    def effect(self) -> str:
        *effects, last = dict.fromkeys(part.degradation.effect() for part in self.parts)
        if len(effects) >= _NAMED:
            effects, last = effects[:_NAMED], "other degradations"
        return " or ".join([", ".join(effects), last] if effects else [last])

    def noise_levels(self) -> tuple[float, float] | None:
        """Return the lowest and the highest noise level of all parts that have one."""
        found = [levels for part in self.parts if (levels := part.degradation.noise_levels()) is not None]
        if not found:
            return None
        return 0.0 if self.clean else min(low for low, _ in found), max(high for _, high in found)

    def components(self) -> tuple[Degradation, ...]:
        return tuple(one for part in self.parts for one in part.degradation.components())

    def at_level(self, share: float) -> Self:
        return self._of_each(lambda one: one.at_level(share))

    def held_out(self) -> Self:
        return self._of_each(lambda one: one.held_out())

    def _of_each(self, change: Callable[[Degradation], Degradation]) -> Self:
        parts = tuple(dataclasses.replace(part, degradation=change(part.degradation)) for part in self.parts)
        return dataclasses.replace(self, parts=parts)
