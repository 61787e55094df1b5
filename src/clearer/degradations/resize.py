"""Low resolution: images scaled down and back up."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self

from clearer.core.config import Range
from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily
from clearer.degradations.ranges import Level, at_share, checked_level, checked_names, in_words, one_of
from clearer.degradations.resampling import KERNELS, resampled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_MOST = 32
_family = partial(
    ProtocolFamily, level="factor", levels=Range(1, below=_MOST + 1), meaning="a factor of 1 or more",
    example=2, settings={"down": "bicubic", "up": "bicubic"}, shows="resize",
)  # fmt: skip


@dataclass(frozen=True)
class Resize(Degradation):
    """Images scaled down by a factor and back up to their size, both as Pillow does.

    Protocols: ``resize-F`` (color) and ``resize-gray-F``, factor F, bicubic both ways, on whole images.

    Args:
        factor: by which each side becomes shorter, rounded to whole pixels. A range draws one for each image,
            uniformly.
        down, up: ``bicubic``, ``bilinear``, ``area``, ``lanczos`` or ``nearest``, or a list of these from which each
            image draws one.

    Raises:
        UserError: a value is of the wrong type or out of range.
    """

    factor: Level = (1.0, 4.0)
    down: str | list[str] = KERNELS  # type: ignore[assignment]
    up: str | list[str] = ("bicubic", "bilinear", "lanczos")  # type: ignore[assignment]

    kind: ClassVar[str] = "resize"
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (_family("resize-F", 3), _family("resize-gray-F", 1))

    def __post_init__(self) -> None:
        what = f"a factor from 1 to {_MOST}"
        # frozen: lists from YAML become tuples
        object.__setattr__(self, "factor", checked_level("factor", self.factor, 1, _MOST, what))
        for name in ("down", "up"):
            object.__setattr__(self, name, checked_names(name, getattr(self, name), KERNELS))

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        import torch

        batch = clean.shape[0] if of is None else of
        shares = torch.rand((batch, 3), generator=generator, device=generator.device).tolist()
        size = (clean.shape[2], clean.shape[3])
        found = []
        for image, (factor, down, up) in zip(clean.float(), shares[start:], strict=False):
            shorter = at_share(self.factor, factor)
            small = (max(1, round(size[0] / shorter)), max(1, round(size[1] / shorter)))
            lost = resampled(image, small, one_of(self.down, down)) if small != size else image
            found.append(resampled(lost, size, one_of(self.up, up)) if small != size else image)
        return torch.stack(found).clamp(0, 1).to(clean.dtype)

    def describe(self) -> str:
        return f"images scaled down by {in_words(self.factor)} and back up"

    def effect(self) -> str:
        return f"resolution reduced by {in_words(self.factor)}"

    def at_level(self, share: float) -> Self:
        return dataclasses.replace(self, factor=at_share(self.factor, share))
