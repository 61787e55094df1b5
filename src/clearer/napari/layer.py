"""Restore the pixels of a layer plane by plane, without napari: stacks, time series and color, in any array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearer.core.errors import UserError
from clearer.inference.restorer import Restorer

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
        span: the values that are black and white; None: those of the model or of the type, and of floating point that
            leaves [0, 1], the least and the greatest of the first plane.
    """

    strength: float = 1.0
    level: float | None = None
    span: tuple[float, float] | None = None


def planes_of(data: Any, rgb: bool) -> Iterator[tuple[int, ...]]:
    """Yield the index of each plane of an array (..., Y, X), or (..., Y, X, 3 or 4) with ``rgb``."""
    yield from product(*map(range, np.shape(data)[: -3 if rgb else -2]))


def restored_layer(
    restorer: Restorer, data: Any, rgb: bool, settings: Settings
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield (planes done, planes in all, the result so far) after each plane; closing the iterator cancels.

    Args:
        restorer: the model.
        data: an array of NumPy, Dask or Zarr, of which one plane at a time is read; of a multiscale layer the largest.
        rgb: whether the last axis is R, G, B and perhaps alpha, which stays.
        settings: see `Settings`.

    Yields:
        The result has the type and shape of the layer; planes to come hold zeros.

    Raises:
        UserError: the layer has no planes, or see `clearer.Restorer.restore`.
    """
    if len(np.shape(data)) < (3 if rgb else 2) or 0 in np.shape(data):
        raise UserError("layer: it has no planes of pixels; choose an image")
    level = settings.level if restorer.architecture.takes_level else None
    places = list(planes_of(data, rgb))
    out = np.zeros(np.shape(data), data.dtype)
    span = settings.span or _span(np.asarray(data[places[0]]), restorer)
    for done, place in enumerate(places, 1):
        plane = np.asarray(data[place])
        color, alpha = (plane[..., :3], plane[..., 3:]) if rgb else (plane, plane[..., :0])
        values = np.ascontiguousarray(color.astype(np.uint8) * 255 if color.dtype == bool else color)
        found = restorer.restore(values, strength=settings.strength, level=level, range=span)
        if color.dtype == bool:
            found = found >= 128
        out[place] = np.concatenate([found, alpha], -1) if rgb else found
        yield done, len(places), out


def _span(plane: NDArray[Any], restorer: Restorer) -> tuple[float, float] | None:
    """Return what is black and white where neither the type nor the model says so."""
    if plane.dtype == bool or plane.dtype.name in ("uint8", "uint16"):
        return None
    known = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if plane.dtype.kind == "f" and (restorer.card.span or (low >= -0.5 and high <= 1.5)):
        return None
    return low, high if high > low else low + 1


def kept(layer: Any) -> dict[str, Any]:
    """Return what a restored layer takes over from the layer: its place, scale, colors and name."""
    found = {name: getattr(layer, name) for name in KEPT if hasattr(layer, name)}
    found["metadata"] = {**getattr(layer, "metadata", {})}
    return found
