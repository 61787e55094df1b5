"""No degradation: pairs on disk, and the protocols that measure on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.degradations.base import Degradation
from clearer.degradations.protocol_family import ProtocolFamily

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class NoDegradation(Degradation):
    """Nothing is added: the images come in pairs and are already degraded.

    Protocols: ``rain-rgb`` and ``rain-y`` measure on RGB or on Y of BT.601 (16-235); ``pairs-gray`` and
    ``pairs-color``, of any degradation, on all channels. All of them take whole images. ``clearer-rain`` is
    ``rain-rgb`` on center crops to multiples of 64, as the released program tests.
    """

    kind: ClassVar[str] = "none"
    needs_pairs: ClassVar[bool] = True
    protocols: ClassVar[tuple[ProtocolFamily, ...]] = (
        ProtocolFamily("rain-rgb", 3, shows="rain"),
        ProtocolFamily("rain-y", 3, luma=True, shows="rain"),
        ProtocolFamily("clearer-rain", 3, crop=64, shows="rain"),
        ProtocolFamily("pairs-gray", 1),
        ProtocolFamily("pairs-color", 3),
    )

    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        return clean

    def describe(self) -> str:
        return "none added; the training images come in degraded and clean pairs"

    def effect(self) -> str:
        return ""
