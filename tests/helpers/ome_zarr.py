"""OME-Zarr folders with computed pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

VERSIONS = {"0.2": 2, "0.3": 2, "0.4": 2, "0.5": 3}
"""Version of OME-NGFF: that of Zarr."""
OMERO = {"channels": [{"label": "DAPI", "color": "0000FF", "window": {"start": 3, "end": 900, "min": 0, "max": 65535}}]}


def corners(pixels: np.ndarray) -> np.ndarray:
    """Return every second pixel of both sides."""
    return pixels[..., ::2, ::2]


def means(pixels: np.ndarray) -> np.ndarray:
    """Return the means of 2x2 pixels, rounded to the nearest; odd rows and columns at the end are left out."""
    high, wide = (side // 2 for side in pixels.shape[-2:])
    blocks = pixels[..., : 2 * high, : 2 * wide].reshape(*pixels.shape[:-2], high, 2, wide, 2).astype(float)
    found = blocks.mean((-3, -1))
    return (found if pixels.dtype.kind == "f" else np.rint(found)).astype(pixels.dtype)


def write_image(
    path: Path,
    pixels: np.ndarray,
    axes: str = "tczyx",
    version: str = "0.4",
    chunks: tuple[int, ...] | None = None,
    levels: int = 1,
    smaller: Callable[[np.ndarray], np.ndarray] = corners,
    omero: dict[str, Any] = OMERO,
    **how: Any,
) -> Path:
    """Write one image with its pyramid; ``how`` goes to `zarr.Group.create_array`."""
    axes = axes[-pixels.ndim :]
    root = zarr.open_group(str(path), mode="w", zarr_format=VERSIONS[version])  # type: ignore[arg-type]
    datasets = []
    if VERSIONS[version] == 2:
        how = {"chunk_key_encoding": {"name": "v2", "separator": "/"}, **how}
    for level in range(levels):
        fit = tuple(min(pair) for pair in zip(chunks or pixels.shape, pixels.shape, strict=True))
        array = root.create_array(str(level), shape=pixels.shape, dtype=pixels.dtype, chunks=fit, **how)
        array[...] = pixels
        scale = [1.0] * (pixels.ndim - 2) + [0.25 * 2**level] * 2
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        pixels = smaller(pixels)
    kinds = {"t": "time", "c": "channel"}
    named: list[Any] = [{"name": a, "type": kinds.get(a, "space")} for a in axes]
    stated = {"0.2": None, "0.3": list(axes)}.get(version, named)
    one = {"version": version, "name": "cells", "datasets": datasets, **({} if stated is None else {"axes": stated})}
    if version == "0.5":
        root.attrs["ome"] = {"version": version, "multiscales": [one], "omero": omero}
    else:
        root.attrs.update({"multiscales": [one], "omero": omero})
    return path


def write_labels(path: Path, version: str = "0.4") -> np.ndarray:
    """Add a label image ``nuclei`` to an image; return its pixels."""
    pixels = np.arange(64, dtype=np.int32).reshape(8, 8)
    write_image(path / "labels" / "nuclei", pixels, "yx", version)
    group = zarr.open_group(str(path / "labels"), mode="a", zarr_format=VERSIONS[version])  # type: ignore[arg-type]
    group.attrs.update({"labels": ["nuclei"]} if version != "0.5" else {"ome": {"labels": ["nuclei"]}})
    return pixels


def read(path: Path, level: int | str = 0) -> np.ndarray:
    """Return the pixels of a level."""
    return np.asarray(zarr.open_array(str(path / str(level)), mode="r")[...])
