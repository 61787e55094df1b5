"""Pixels without a value: NaN, and the value that GeoTIFF states for it. They are filled for a network, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearer.images.pixels import center_crop
from clearer.images.transparent import extended
from clearer.images.types import AnyPixels, HiddenPixels, ImagePage, UnitPixels

Hidden = npt.NDArray[np.bool_]
"""(H, W, C): True where there is no value."""

REACH = 64
"""Side in pixels of the largest block from which a pixel is filled, a power of two."""


def hidden_of(page: ImagePage) -> Hidden | None:
    """Return where a page has no value; None if it has one everywhere.

    Of floating point, these are the samples that are NaN, one by one. The value that a GeoTIFF states counts
    where all colors of a pixel have it.
    """
    return hidden_in(page.color, page.own.get("nodata"))


def hidden_in(color: AnyPixels, nodata: float | None) -> Hidden | None:
    """Return where pixels (H, W, C) have no value, given the one that stands for none; None if there is no such."""
    found = np.isnan(color) if color.dtype.kind == "f" else None
    if nodata is not None and np.isfinite(nodata):
        wanted = _as_stored(nodata, color.dtype)
        if wanted is not None:
            stated = np.broadcast_to((color == wanted).all(2, keepdims=True), color.shape)
            found = stated if found is None else found | stated
    return found if found is not None and found.any() else None


def without_gaps(images: Sequence[AnyPixels]) -> tuple[list[AnyPixels], HiddenPixels | None]:
    """Return images of one scene, each continued where it is NaN, and where (H, W) all of them have a value.

    The second is None where there is no gap. The images are (H, W, C); integers have none.
    """
    known = [_known_of(image) for image in images]
    continued = [
        image if one is None else np.nan_to_num(extended(image, one), nan=0.0, posinf=np.inf, neginf=-np.inf)
        for image, one in zip(images, known, strict=True)
    ]
    return continued, _everywhere(known)


def known_in(images: Sequence[AnyPixels]) -> HiddenPixels | None:
    """Return where (H, W) all images of one scene have a value, as `without_gaps` does; None where there is no gap."""
    return _everywhere([_known_of(image) for image in images])


def _known_of(image: AnyPixels) -> HiddenPixels | None:
    known = np.asarray(~np.isnan(image).any(2)) if image.dtype.kind == "f" else None
    return None if known is None or known.all() else known


def _everywhere(known: Sequence[HiddenPixels | None]) -> HiddenPixels | None:
    seen = [one for one in known if one is not None]
    return np.asarray(np.logical_and.reduce(seen)) if seen else None


def centers_without_gaps(images: Sequence[AnyPixels], side: int | None) -> tuple[list[AnyPixels], HiddenPixels | None]:
    """Return what `without_gaps` does of the centers of the images, at most so many pixels a side; None for all.

    Where the centers have no value at all, the whole images are returned.
    """
    found, known = without_gaps(images)
    if side is None or (known is not None and not center_crop(known, side, side).any()):
        return found, known
    centers = [center_crop(image, side, side) for image in found]
    return centers, None if known is None else np.ascontiguousarray(center_crop(known, side, side))


def _as_stored(nodata: float, dtype: np.dtype[Any]) -> Any:
    """Return the value in a data type; None if that cannot hold it."""
    if dtype.kind == "f":
        return dtype.type(nodata)
    if dtype.kind not in "iu" or nodata != int(nodata):
        return None
    limits = np.iinfo(dtype)
    return dtype.type(int(nodata)) if limits.min <= nodata <= limits.max else None


def without(pixels: AnyPixels, hidden: Hidden) -> AnyPixels:
    """Return pixels with a value of theirs where there is none, so that they have a range."""
    known = pixels[~hidden]
    return np.where(hidden, known[0] if known.size else pixels.dtype.type(0), pixels)


def filled(x: UnitPixels, hidden: Hidden) -> UnitPixels:
    """Return pixels with those that are hidden filled from their neighbors.

    Each becomes the mean of the values in the smallest block around it that has any, of 2, 4, 8 and up to `REACH`
    pixels a side. Blocks begin at the first pixel; where there is no value within `REACH`, the pixel is black. So the
    result depends on values in the same block of `REACH` pixels only, and an image can be filled by bands of rows.
    """
    out = np.where(hidden, np.float32(0), x)
    for channel in range(x.shape[2]):
        down, across = np.nonzero(hidden[:, :, channel])
        sums = out[:, :, channel].astype(np.float64)
        counts = (~hidden[:, :, channel]).astype(np.float64)
        level = 0
        while len(down) and 2**level < REACH:
            sums, counts, level = _halved(sums), _halved(counts), level + 1
            at = down >> level, across >> level
            found = counts[at] > 0
            place = down[found], across[found]
            out[(*place, channel)] = (sums[at][found] / counts[at][found]).astype(np.float32)
            down, across = down[~found], across[~found]
    return out


def _halved(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)))
    return np.asarray(even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2])


def put_back(new: AnyPixels, old: AnyPixels, hidden: Hidden, nodata: float | None) -> AnyPixels:
    """Return new pixels with the old ones where these have no value; no other pixel becomes the value for none."""
    return np.where(hidden, old.astype(new.dtype, copy=False), _beside(new, hidden, nodata))


def put_none(new: AnyPixels, hidden: Hidden, nodata: float | None) -> AnyPixels:
    """Return pixels of a new data type with none, see `none_in`, where there is no value; black if it has none."""
    none = none_in(new.dtype, nodata)
    return np.where(hidden, new.dtype.type(0) if none is None else none, _beside(new, hidden, nodata))


def none_in(dtype: np.dtype[Any], nodata: float | None) -> Any:
    """Return what stands for no value in a data type: the value that is stated, or NaN; None if it can hold neither."""
    if nodata is not None and np.isfinite(nodata):
        stated = _as_stored(nodata, dtype)
        if stated is not None:
            return stated
    return dtype.type(np.nan) if dtype.kind == "f" else None


def _beside(new: AnyPixels, hidden: Hidden, nodata: float | None) -> AnyPixels:
    """Return pixels that do not become the value for none where they have one."""
    if nodata is None or not np.isfinite(nodata) or new.dtype.kind not in "iu":
        return new
    wanted = _as_stored(nodata, new.dtype)
    if wanted is None:
        return new
    beside = wanted - 1 if wanted == np.iinfo(new.dtype).max else wanted + 1
    became = (new == wanted).all(2, keepdims=True) & ~hidden.all(2, keepdims=True)
    return np.where(became, np.asarray(beside, new.dtype), new)
