"""The interface of a degradation: its settings, how it is applied, described and measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clearer.core.config import plain
from clearer.degradations.protocol_family import ProtocolFamily

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from torch import Tensor


class Degradation(ABC):
    """A degradation of clean images.

    A kind is a frozen dataclass whose fields are the settings under ``data.degradation`` of a recipe, checked in
    ``__post_init__`` by messages that begin with the field's name. To add one, write a file with a class and name
    it in `clearer.degradations.registry`. Import torch inside functions: recipes are read without it.
    """

    kind: ClassVar[str]
    """Its name in the registry."""

    needs_pairs: ClassVar[bool] = False
    """Whether the degraded images have to be on disk, because nothing is added to them."""

    replaces: ClassVar[bool] = False
    """Whether it replaces a pair's degraded patch by one made from the clean patch, instead of degrading it more."""

    protocols: ClassVar[tuple[ProtocolFamily, ...]] = ()
    """The evaluation protocols that it brings."""

    share: float = 0.0
    """If it ``replaces``: share of the pairs whose degraded patch is replaced. An image without a degraded one
    is always degraded.
    """

    @abstractmethod
    def apply(self, clean: Tensor, generator: torch.Generator, *, start: int = 0, of: int | None = None) -> Tensor:
        """Return the degraded batch; all randomness comes from ``generator``.

        Args:
            clean: (B, C, H, W), floating point, in [0, 1].
            generator: on the device of ``clean``. One on the CPU works for any device, more slowly, and then
                draws the same numbers for all of them.
            start, of: ``clean`` is the part from index ``start`` of a batch of ``of`` images. Random numbers are drawn
                for the whole batch, so that its parts are degraded as the whole is.

        Returns:
            (B, C, H, W), the device and dtype of ``clean``.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return a description for model cards, such as ``"Gaussian noise of sigma 5 to 50, not clipped"``."""

    @abstractmethod
    def effect(self) -> str:
        """Return the visible effect in a few words, such as ``"noise of level 25"``; "" for pairs on disk."""

    def degrade_image(self, clean: npt.NDArray[np.uint8], seed: int, k: int) -> npt.NDArray[np.float32]:
        """Return image ``k`` of a dataset as evaluation protocols degrade it: the same on every machine.

        Args:
            clean: (H, W, C), after any crop.
            seed: of the protocol, 0 unless stated otherwise.
            k: place of the image among all of its folder, sorted by file name, from 0.

        Returns:
            (H, W, C), in units of [0, 1]; unclipped noise may leave that range.
        """
        import torch

        from clearer.images.tensors import to_array, to_batch

        # In float64, so that the rounding to float32 is the same everywhere.
        batch = to_batch(clean / 255)
        degraded = self.apply(batch, torch.Generator().manual_seed(image_seed(seed, k)))
        image: npt.NDArray[np.float32] = to_array(degraded.float())
        return image

    def noise_levels(self) -> tuple[float, float] | None:
        """Return the lowest and the highest noise level in gray levels, which non-blind methods need; None without."""
        return None

    def at_level(self, share: float) -> Self:
        """Return the degradation at one level, at ``share``, 0 to 1, of its range; itself where there is no range."""
        return self

    def held_out(self) -> Self:
        """Return the degradation as used on validation images: their pairs stay as they are on disk."""
        return self

    def components(self) -> tuple[Degradation, ...]:
        """Return the single degradations that it is made of; itself where it is one."""
        return (self,)

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and all settings as plain values, as recipes and model cards store them."""
        return {"kind": self.kind, **plain(self)}


def image_seed(seed: int, k: int) -> int:
    """Return the seed of torch for image ``k`` of a protocol, for seeds of any size: those of torch have 64 bits."""
    return (1_000_003 * seed + k) % 2**64
