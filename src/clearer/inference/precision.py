"""The precision of a restorer: the one that was stated; else fp32, and bf16 for images of 8 bits where it hardly shows.

It hardly shows unless the card says otherwise: see `ModelCard.differs_in_bf16`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from clearer.core.device import choose_precision
from clearer.core.errors import UserError, nearest
from clearer.inference.onnx_network import OnnxNetwork
from clearer.inference.processes import sharing
from clearer.network.network import RestorationNetwork
from clearer.zoo.card import ModelCard

PRECISIONS = ("auto", "fp32", "bf16")

_COARSE = ("1", "8")
"""Depths, as `clearer.images.pixels.depth_of` names them, with levels that hide what bf16 changes."""
_BYTES = ("uint8", "int8")
_DEEP_MODES = ("I", "F")
"""How modes of PIL begin that hold more than 8 bits."""


def chosen_precision(precision: str, device: torch.device, card: ModelCard) -> str:
    """Return ``fp32`` or ``bf16``; ``auto`` is the one that a model restores images of 8 bits in.

    Raises:
        UserError: there is no such precision.
    """
    if precision not in PRECISIONS:
        near = nearest(precision, PRECISIONS)
        raise UserError(f"precision: {precision!r} is not one of {', '.join(PRECISIONS)}{near}")
    chosen = choose_precision(precision, device)
    return "fp32" if precision == "auto" and card.differs_in_bf16 else chosen


def depth_in_memory(image: Any) -> str:
    """Return "8" for a NumPy array, a torch tensor or a PIL image of bytes, and "float" for anything wider."""
    if isinstance(image, Image.Image):
        return "float" if image.mode.startswith(_DEEP_MODES) else "8"
    dtype = str(getattr(image, "dtype", "")).removeprefix("torch.")
    return "8" if dtype in _BYTES else "float"


class PrecisionMixin:
    """A restorer's methods that choose a precision.

    Attributes:
        precision: in which the network computes.
        is_stated: whether the precision was stated, so that it stays whatever is restored.
    """

    network: RestorationNetwork | OnnxNetwork
    card: ModelCard
    precision: str
    is_stated: bool
    _run: Callable[..., Tensor]
    _exact: Self | None = None

    @abstractmethod
    def _prepared(self) -> Callable[..., Tensor]: ...

    @property
    def can_be_exact(self) -> bool:
        """Whether the network can compute in fp32. An exported network keeps the precision of its export."""
        return not isinstance(self.network, OnnxNetwork)

    def in_fp32(self) -> Self:
        """Return a restorer of the same network (shared) that computes in fp32."""
        exact = sharing(self)
        exact.precision, exact.is_stated = "fp32", True
        exact._run = exact._prepared()
        return exact

    def at_depth(self, *depths: str) -> Self:
        """Return the restorer for images of these depths: of the same network, in the precision that suits them.

        A precision that was stated stays. Otherwise images of at most 8 bits are restored in ``precision``, and all
        others in fp32: their levels show what bf16 changes.

        Args:
            depths: as `clearer.images.pixels.depth_of` names them, those of the output included.
        """
        if self.is_stated or self.precision != "bf16":
            return self
        if all(depth in _COARSE for depth in depths):
            fast = sharing(self)
            fast.is_stated = True
            return fast
        self._exact = self._exact or self.in_fp32()
        return self._exact
