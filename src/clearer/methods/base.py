"""A restoration method of any kind, as tables and figures use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from clearer.core.errors import UserError
from clearer.data.items import Item
from clearer.evaluation.protocols import Protocol
from clearer.images.tensors import to_array, to_batch

ImageArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """A method that restores images.

    Args:
        name: the name in tables and captions. Methods of one name share a row, such as networks that
            were each trained for one noise level.
        degradation: what the method removes: ``"gaussian"`` (white Gaussian noise) or ``"rain"``.
        restore: maps (H, W, C) float32 in [0, 1], which noise may leave, and the noise level in gray levels
            (None if there is no noise) to an array of the same shape; callers clamp the result to [0, 1].
        channels: number of channels the method takes; None takes any.
        sigmas: lowest and highest noise level the method is meant for, in gray levels; None means any.
        parameters: number of weights, if it has any.
        macs_per_pixel: multiply-adds of its convolutions per pixel, if it has any.
        notes: one or two sentences that a reader of its figures must know; tables print them as a footnote.
        sha256: digest of the file behind the method. A new digest invalidates kept measurements.
        setup: how the method runs, such as device and precision. A new value invalidates kept measurements.
        also: further degradations that the method removes, such as those of a mixture.
        sample: number of images that tables measure a slow method on; None for all.
        seen: returns how many of some images a model has seen, see `clearer.zoo.seen_images`; None if it cannot tell.
    """

    name: str
    degradation: str
    restore: Callable[[ImageArray, float | None], ImageArray]
    channels: int | None = None
    sigmas: tuple[float, float] | None = None
    parameters: int | None = None
    macs_per_pixel: float | None = None
    notes: str = ""
    sha256: str = ""
    setup: str = ""
    also: tuple[str, ...] = ()
    sample: int | None = None
    seen: Callable[[Sequence[Item]], dict[str, int]] | None = None

    def suits(self, protocol: Protocol) -> bool:
        """Return whether the method is meant for the degradation that the protocol measures."""
        if protocol.shows not in ("", self.degradation, *self.also) or self.channels not in (None, protocol.channels):
            return False
        if protocol.shows in self.also:  # the levels are those of the first degradation
            return True
        return protocol.sigma is None or self.sigmas is None or self.sigmas[0] <= protocol.sigma <= self.sigmas[1]


def as_restore(method: Method, sigma: float | None) -> Callable[[Tensor], Tensor]:
    """Return the method as a function of tensors, for `clearer.evaluation.evaluate.evaluate`.

    The function maps (1, C, H, W) float32 on the CPU to the same shape. It raises UserError if the
    method does not keep the shape.

    Args:
        method: the method to wrap.
        sigma: the noise level that the method is given, in gray levels.
    """

    def restore(x: Tensor) -> Tensor:
        image = np.ascontiguousarray(to_array(x))
        restored = np.asarray(method.restore(image, sigma), dtype=np.float32)
        if restored.shape != image.shape:
            raise UserError(f"{method.name}: restore returned shape {restored.shape} for {image.shape}; keep the shape")
        return to_batch(restored)

    return restore


def non_blind_denoiser(
    name: str, restore: Callable[[ImageArray, float], Any], setup: str, channels: int | None = None
) -> Method:
    """Return a denoiser that is given the noise level and takes gray and color images.

    Args:
        name: the name in tables.
        restore: maps (H, W, C) and the noise level in units of [0, 1] to the restored image.
        setup: see `Method`.
        channels: number of channels it takes, if it does not take any.
    """

    def run(image: ImageArray, sigma: float | None) -> ImageArray:
        if sigma is None:
            raise UserError(f"{name}: needs the noise level and got none; use a protocol of Gaussian noise")
        if channels not in (None, image.shape[2]):
            raise UserError(f"{name}: takes {channels} channel(s) and got {image.shape[2]}; use a gray protocol")
        restored = restore(np.ascontiguousarray(image), sigma / 255)
        return np.asarray(restored, dtype=np.float32).reshape(image.shape)

    return Method(name, "gaussian", run, channels, setup=setup)


def import_library(module: str, license: str = "") -> ModuleType:
    """Import a library of the extra ``classical``.

    Args:
        module: name of the module.
        license: who may use it, where not everybody may.

    Raises:
        UserError: it is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        told = f" ({license})" if license else ""
        raise UserError(f"{library}: not installed ({error}); run pip install 'clearer[classical]'{told}") from error
