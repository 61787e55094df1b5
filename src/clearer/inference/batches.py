"""Restore a batch of any channels with a network, soundly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from torch import Tensor

from clearer.core.errors import UserError
from clearer.images.types import UnitPixels
from clearer.inference.arrays import apply_to, axes_hint
from clearer.inference.checks import HasPrecision, sound
from clearer.inference.color import most_runs_on, restore_batch
from clearer.inference.noise_level import NoiseLevel
from clearer.inference.options import RestoreOptions
from clearer.inference.tiling import Overlap, Tiling
from clearer.network.architecture import Architecture


class Tiled(HasPrecision, Protocol):
    """A network that passes over batches of its channels, such as a `clearer.Restorer`."""

    @property
    def architecture(self) -> Architecture: ...

    def __call__(
        self,
        x: Tensor,
        ensemble: bool = ...,
        tile: Tiling = ...,
        overlap: Overlap = ...,
        progress: Callable[[float], None] | None = ...,
        level: NoiseLevel | None = ...,
    ) -> Tensor: ...


R = TypeVar("R", bound=Tiled)


@dataclass(frozen=True)
class Passes:
    """How a network passes over an image; see `clearer.Restorer.restore`."""

    ensemble: bool = False
    tile: Tiling = "auto"
    overlap: Overlap = "auto"
    progress: Callable[[float], None] | None = None


def restored(restorer: R, x: Tensor, passes: Passes, options: RestoreOptions, level: NoiseLevel | None) -> Tensor:
    """Return (B, C, H, W) as the network restores it, clamped to [0, 1].

    Raises:
        UserError: the channels do not fit the network, or its result is not sound; see `clearer.inference.checks`.
    """
    _check_channels(restorer, x)

    channels = restorer.architecture.channels

    def run(one: R) -> Tensor:
        done, most = 0, most_runs_on(x, channels, options)

        def tell(share: float) -> None:
            if passes.progress is not None:
                passes.progress((done + share) / most)

        def forward(part: Tensor, level: NoiseLevel | None) -> Tensor:
            nonlocal done
            y = one(part, passes.ensemble, passes.tile, passes.overlap, tell, level)
            done += 1
            return y

        y = restore_batch(x, forward, channels, options, level)
        if 0 < done < most:  # R, G and B are equal
            done = most
            tell(0)
        return y

    return sound(restorer, x, run).clamp(0, 1)


def restore_unit(restorer: Tiled, x: UnitPixels, passes: Passes, level: NoiseLevel | None = None) -> UnitPixels:
    """Restore (H, W, C) in units of black and white, in the precision of the restorer.

    Nothing warns of values beyond black and white: who reads a file says it of the whole file.
    """
    found: UnitPixels = apply_to(x, partial(restored, restorer, passes=passes, options=RestoreOptions(), level=level))
    return found


def _check_channels(restorer: Tiled, x: Tensor) -> None:
    """Refuse (B, C, H, W) unless C is the network's channels, or one of the two is gray and the other color."""
    expected = restorer.architecture.channels
    if x.shape[1] != expected and {x.shape[1], expected} != {1, 3}:
        raise UserError(f"image: it has {x.shape[1]} channels where the model takes {expected}; {axes_hint(x)}")
