"""What a network makes is looked at before it is given out: not NaN, not black."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError


class HasPrecision(Protocol):
    """What computes in some precision and may have a twin that computes in fp32: a `clearer.Restorer`."""

    precision: str

    @property
    def can_be_exact(self) -> bool: ...

    def in_fp32(self) -> Self: ...


T = TypeVar("T")
R = TypeVar("R", bound=HasPrecision)

_DARK = 0.02  # the mean of an image that may well become black: five 8-bit levels
_UNFINITE, _BLACK = "values that are not finite (NaN or infinity)", "nothing but black"


class Unsound(Exception):
    """What the network made is no image; the text says what it is."""


def in_sound_precision(restorer: R, work: Callable[[R], T], name: str = "image") -> T:
    """Return ``work(restorer)``; where that is `Unsound`, ``work`` of the same restorer in fp32.

    Raises:
        UserError: it is unsound in fp32 too, or the network cannot compute in fp32.
    """
    try:
        return work(restorer)
    except Unsound as error:
        fault, also = str(error), ""
    if restorer.can_be_exact and restorer.precision != "fp32":
        also = ", in fp32 too"
        try:
            return work(restorer.in_fp32())
        except Unsound as error:
            fault = str(error)
    raise UserError(f"{name}: the network made {fault} of it{also}; train it again or choose another model")


def sound(restorer: R, x: Tensor, run: Callable[[R], Tensor]) -> Tensor:
    """Return ``run(restorer)``; where that is unsound, ``run`` of the same restorer in fp32.

    Args:
        restorer: what restores; it is not changed.
        x: (B, C, H, W), what it restores.
        run: gives (B, C, H, W), what a restorer makes of ``x``.

    Raises:
        UserError: as `in_sound_precision`.
    """

    def work(restorer: R) -> Tensor:
        y = run(restorer)
        if not bool(torch.isfinite(y).all()):
            raise Unsound(_UNFINITE)
        brightest = y.flatten(1).amax(1).to(x.device)  # (B,)
        if bool(((brightest <= 0) & (x.flatten(1).mean(1) > _DARK)).any()):
            raise Unsound(_BLACK)
        return y

    return in_sound_precision(restorer, work)


class Watch:
    """The same for an image that goes by in parts."""

    def __init__(self) -> None:
        self.brightest: float | None = None
        self.total = 0.0
        self.count = 0

    def give(self, x: npt.NDArray[np.float32]) -> None:
        """Note a part of the image, in [0, 1]."""
        self.total += float(x.sum(dtype=np.float64))
        self.count += x.size

    def see(self, y: Tensor) -> None:
        """Note a part of what the network makes.

        Raises:
            Unsound: it is not finite.
        """
        if not bool(torch.isfinite(y).all()):
            raise Unsound(_UNFINITE)
        self.brightest = max(self.brightest or 0.0, float(y.max()))

    def end(self) -> None:
        """Tell that this was all.

        Raises:
            Unsound: all of it is black, and the image is not.
        """
        if self.brightest is not None and self.brightest <= 0 and self.total > _DARK * self.count:
            raise Unsound(_BLACK)
