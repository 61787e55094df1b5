"""What a network makes is looked at before it is given out: not NaN, not black."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clearer.errors import UserError

if TYPE_CHECKING:
    from clearer.inference.restorer import Restorer

_DARK = 0.02  # the mean of a picture that may well become black: five 8-bit levels


def sound(restorer: Restorer, x: Tensor, run: Callable[[Restorer], Tensor]) -> Tensor:
    """Return ``run(restorer)``; where that is unsound, ``run`` of the same restorer in fp32.

    Args:
        restorer: what restores; it is not changed.
        x: (B, C, H, W), what it restores.
        run: gives (B, C, H, W), what a restorer makes of ``x``.

    Raises:
        UserError: it is unsound in fp32 too.
    """
    y = run(restorer)
    fault = _fault(x, y)
    if fault and restorer.precision != "fp32":
        y = run(restorer.in_fp32())
        fault = _fault(x, y)
    if fault:
        raise UserError(f"picture: the network made {fault} of it, in fp32 too; train it again or choose another model")
    return y


def _fault(x: Tensor, y: Tensor) -> str | None:
    if not bool(torch.isfinite(y).all()):
        return "values that are not finite (NaN or infinity)"
    brightest = y.flatten(1).amax(1).to(x.device)  # (B,)
    if bool(((brightest <= 0) & (x.flatten(1).mean(1) > _DARK)).any()):
        return "nothing but black"
    return None
