"""Check the output of a network before it is returned: neither NaN nor black. If bf16 fails, fp32 is tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clearer.core.errors import UserError

_DARK = 0.02
"""An image with a mean below this, five gray levels, may become black."""
_NOT_FINITE, _BLACK = "values that are not finite (NaN or infinity)", "nothing but black"


class HasPrecision(Protocol):
    """An object that computes in some precision and may have an fp32 copy, such as a `clearer.Restorer`."""

    precision: str

    @property
    def can_be_exact(self) -> bool: ...

    def in_fp32(self) -> Self: ...


T = TypeVar("T")
R = TypeVar("R", bound=HasPrecision)


class Unsound(Exception):
    """The network's output is not an image; the text states what it is instead."""


def in_sound_precision(restorer: R, work: Callable[[R], T], name: str = "image") -> T:
    """Return ``work(restorer)``; if that raises `Unsound`, ``work`` of the same restorer in fp32.

    Raises:
        UserError: the output is unsound in fp32 too, or the network cannot compute in fp32.
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
    raise UserError(f"{name}: the network returned {fault}{also}; train it again or choose another model")


def sound(restorer: R, x: Tensor, run: Callable[[R], Tensor]) -> Tensor:
    """Return ``run(restorer)``; if that is unsound, ``run`` of the same restorer in fp32.

    Args:
        restorer: not changed.
        x: (B, C, H, W), the input.
        run: maps a restorer to its output for ``x``, (B, C, H, W).

    Raises:
        UserError: see `in_sound_precision`.
    """

    def work(restorer: R) -> Tensor:
        y = run(restorer)
        if not bool(torch.isfinite(y).all()):
            raise Unsound(_NOT_FINITE)
        brightest = y.flatten(1).amax(1).to(x.device)  # (B,)
        if bool(((brightest <= 0) & (x.flatten(1).mean(1) > _DARK)).any()):
            raise Unsound(_BLACK)
        return y

    return in_sound_precision(restorer, work)


class Watch:
    """The same check for an image that is restored in parts."""

    def __init__(self) -> None:
        self.brightest: float | None = None
        self.total = 0.0
        self.count = 0

    def add_input(self, x: npt.NDArray[np.float32]) -> None:
        """Note a part of the image, in [0, 1]."""
        self.total += float(x.sum(dtype=np.float64))
        self.count += x.size

    def add_output(self, y: Tensor) -> None:
        """Note a part of the network's output.

        Raises:
            Unsound: it is not finite.
        """
        if not bool(torch.isfinite(y).all()):
            raise Unsound(_NOT_FINITE)
        self.brightest = max(self.brightest or 0.0, float(y.max()))

    def marks(self) -> list[float | None]:
        """Return what was noted so far, as `resume` takes it."""
        return [self.brightest, self.total, self.count]

    def resume(self, marks: list[float | None]) -> None:
        """Go on after parts that an earlier watch has seen."""
        self.brightest, self.total, self.count = marks[0], marks[1] or 0.0, int(marks[2] or 0)

    def finish(self) -> None:
        """Check the whole, after the last part.

        Raises:
            Unsound: the whole output is black, and the image is not.
        """
        if self.brightest is not None and self.brightest <= 0 and self.total > _DARK * self.count:
            raise Unsound(_BLACK)
