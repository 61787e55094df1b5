"""Restore the pixels of a layer plane by plane, without napari: stacks, time series and color, in any array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearer.core.errors import UserError
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.napari.levels import Extremes, Levels

KEPT = (
    "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "colormap", "contrast_limits", "gamma",
    "blending", "rgb",
)  # fmt: skip
"""Attributes of a layer that its restored copy has, too."""


@dataclass(frozen=True)
class Settings:
    """How a layer is restored.

    Attributes:
        strength: blends the layer and the model's output: 0 gives the layer, 1 the output.
        level: the noise level in gray levels of 0 to 255, for a model that takes it; None: estimated for each plane.
        span: the values that are black and white; None: those of the model, of 8 and 16 bits, or of [0, 1]; of other
            integers and floats, the least and the greatest of all planes.
    """

    strength: float = 1.0
    level: float | None = None
    span: tuple[float, float] | None = None


class Step(NamedTuple):
    """A plane of a layer that was looked at or restored.

    Attributes:
        done, total: planes so far, and in all; each counts twice where all are looked at before the first is restored.
        notes: lines about the values of the layer; empty until all planes were looked at.
        pixels: the result so far, of the type and shape of the layer, where planes to come hold zeros; None before.
    """

    done: int
    total: int
    notes: tuple[str, ...] = ()
    pixels: NDArray[Any] | None = None


def planes_of(data: Any, rgb: bool) -> Iterator[tuple[int, ...]]:
    """Yield the index of each plane of an array (..., Y, X), or (..., Y, X, 3 or 4) with ``rgb``."""
    yield from product(*map(range, np.shape(data)[: -3 if rgb else -2]))


def restored_layer(restorer: Restorer, data: Any, rgb: bool, settings: Settings) -> Iterator[Step]:
    """Yield a step after each plane; closing the iterator cancels.

    Where black and white depend on the values, all planes are looked at first: one scale holds for all of them.

    Args:
        restorer: the model.
        data: an array of NumPy, Dask or Zarr, of which one plane at a time is read; of a multiscale layer the largest.
        rgb: whether the last axis is R, G, B and perhaps alpha, which stays.
        settings: see `Settings`.

    Raises:
        UserError: the layer has no planes, or see `clearer.napari.levels` and `clearer.Restorer.restore`.
    """
    if len(np.shape(data)) < (3 if rgb else 2) or 0 in np.shape(data):
        raise UserError("layer: it has no planes of pixels; choose an image")
    level = settings.level if restorer.architecture.takes_level else None
    options = RestoreOptions(span=settings.span, levels=restorer.card.span)
    places, levels = list(planes_of(data, rgb)), Levels()
    done, total = 0, len(places)
    if Extremes.matter(data.dtype, options):
        total *= 2
        extremes = Extremes()
        for place in places:
            yield Step(done, total)
            extremes.add(_parts(np.asarray(data[place]), rgb)[0])
            done += 1
        levels = extremes.levels(restorer.channels, options)
        yield Step(done, total, levels.notes)
    out = np.zeros(np.shape(data), data.dtype)
    for place in places:
        color, alpha = _parts(np.asarray(data[place]), rgb)
        values = np.ascontiguousarray(color.astype(np.uint8) * 255 if color.dtype == bool else color)
        found = restorer.restore(values, strength=settings.strength, level=level, range=levels.span)
        if color.dtype == bool:
            found = found >= 128
        out[place] = np.concatenate([found, alpha], -1) if rgb else found
        done += 1
        yield Step(done, total, levels.notes, out)


def _parts(plane: NDArray[Any], rgb: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the color of a plane, and its alpha, which may have no channel."""
    return (plane[..., :3], plane[..., 3:]) if rgb else (plane, plane[..., :0])


def kept(layer: Any) -> dict[str, Any]:
    """Return what a restored layer takes over from the layer: its place, scale, colors and name."""
    found = {name: getattr(layer, name) for name in KEPT if hasattr(layer, name)}
    found["metadata"] = {**getattr(layer, "metadata", {})}
    return found
