"""Find the images of an OME-Zarr folder by its metadata: OME-NGFF 0.1 to 0.5, in Zarr 2 and 3, plates included."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.core.parse import parse_json
from clearer.images.ome_zarr.place import Place, place_of

METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
"""Files that describe a group or an array; all others in an array's folder are chunks."""
_ARRAY_OR_GROUP = METADATA[:3]
_OLD_AXES = ("t", "c", "z", "y", "x")
_KNOWN_AXES = frozenset("tczyx")


@dataclass(frozen=True)
class ZarrImage:
    """One image of an OME-Zarr folder.

    Attributes:
        group: its folder, below the root; "" is the root.
        axes: their names, the last two ``y`` and ``x``.
        levels: the folders of its arrays below ``group``, the largest first.
        colors: that of each channel as shown, such as FF0000; none if they are not stated.
    """

    group: str
    axes: tuple[str, ...]
    levels: tuple[str, ...]
    colors: tuple[str, ...] = ()

    def path(self, level: int) -> str:
        """Return the folder of a level below the root."""
        return f"{self.group}/{self.levels[level]}" if self.group else self.levels[level]


@dataclass(frozen=True)
class ZarrTree:
    """The images of an OME-Zarr folder, and the groups and arrays beside them, which are copied as they are.

    ``labels``, ``others``: folders below the root.
    """

    images: tuple[ZarrImage, ...]
    labels: tuple[str, ...]
    others: tuple[str, ...]


def is_zarr(path: str | Path) -> bool:
    """Return whether a folder is a Zarr group or array: one image, and no folder of image files."""
    # Not by pathlib, which raises where a folder may not be entered: those who read it say so.
    return any(os.path.isfile(os.path.join(path, name)) for name in _ARRAY_OR_GROUP)  # noqa: PTH113, PTH118


def is_zarr_at(place: Place) -> bool:
    """Return the same of a place that may be elsewhere.

    Raises:
        UserError: the storage cannot be reached.
    """
    return any((place / name).exists() for name in _ARRAY_OR_GROUP)


def tree_of(root: str | Path | Place) -> ZarrTree:
    """Return the images below a folder, by its metadata; no chunk is read.

    Raises:
        UserError: there is none, or the metadata are broken.
    """
    root = place_of(root)
    images: list[ZarrImage] = []
    labels: list[str] = []
    others: list[str] = []
    for below in _nodes(root, ""):
        folder = root / below
        attributes = attributes_of(folder)
        if "labels" in below.split("/"):
            if attributes.get("multiscales"):
                labels.append(below)
        elif attributes.get("multiscales"):
            images += _images_of(folder, below, attributes)
        elif is_array(folder) and not any(_holds(image, below) for image in images):
            others.append(below or folder.name)
    if not images:
        what = "a Zarr array without the metadata of OME-Zarr" if is_array(root) else "no OME-Zarr image"
        raise UserError(f"{root}: {what} (multiscales); convert it, for example with bioformats2raw or ome-zarr")
    return ZarrTree(tuple(images), tuple(labels), tuple(others))


def _nodes(root: Place, below: str) -> Iterator[str]:
    """Yield the groups and arrays of a folder, the outer ones first, by their paths below the root."""
    yield below
    if is_array(root / below):
        return
    for name, is_folder in (root / below).entries():
        inside = f"{below}/{name}".lstrip("/")
        if is_folder and is_zarr_at(root / inside):
            yield from _nodes(root, inside)


def _holds(image: ZarrImage, below: str) -> bool:
    return below in {image.path(level) for level in range(len(image.levels))}


def is_array(folder: Place) -> bool:
    """Return whether a folder is an array and no group."""
    found = _read(folder / "zarr.json")
    if found is not None:
        return bool(found.get("node_type") == "array")
    return (folder / ".zarray").exists()


def attributes_of(folder: Place) -> Mapping[str, Any]:
    """Return the OME attributes of a group: those under ``ome``, or of earlier versions all.

    Raises:
        UserError: they are no JSON object.
    """
    found = _read(folder / "zarr.json")
    found = _read(folder / ".zattrs") if found is None else found.get("attributes")
    inner = found.get("ome") if isinstance(found, dict) else None
    return inner if isinstance(inner, dict) else found if isinstance(found, dict) else {}


def _read(place: Place) -> dict[str, Any] | None:
    try:
        data = place.read()
        found = None if data is None else parse_json(data.decode("utf-8"))
    except ValueError as error:
        raise UserError(f"{place}: not readable as metadata of Zarr ({error}); copy the folder again") from error
    if data is not None and not isinstance(found, dict):
        raise UserError(f"{place}: not readable as metadata of Zarr (no JSON object); copy the folder again")
    return found


def _images_of(folder: Place, below: str, attributes: Mapping[str, Any]) -> Iterator[ZarrImage]:
    """Yield the images of a group; several share no array."""
    stated = attributes["multiscales"]
    seen: set[str] = set()
    for one in stated if isinstance(stated, list) else [stated]:
        try:
            levels = tuple(str(level["path"]).strip("/") for level in one["datasets"])
            axes = _axes(one)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{folder}: its multiscales state no {error}; convert the image again") from error
        if not levels or any(not is_array(folder / level) for level in levels):
            raise UserError(f"{folder}: its multiscales name arrays that are missing; copy the folder again")
        if axes[-2:] != ("y", "x") or not set(axes) <= _KNOWN_AXES or len(set(axes)) != len(axes):
            raise UserError(f"{folder}: its axes are {', '.join(axes)}, not of t, c, z and then y, x; reorder them")
        if not seen & set(levels):
            yield ZarrImage(below, axes, levels, _colors(attributes))
        seen |= set(levels)


def _colors(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        return tuple(str(channel["color"]).lstrip("#").upper() for channel in attributes["omero"]["channels"])
    except (KeyError, TypeError):  # a viewer's settings, which may be missing or broken
        return ()


def _axes(multiscale: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the axes; up to version 0.2 they are always five, and 0.3 states names alone."""
    stated = multiscale.get("axes")
    if stated is None:
        return _OLD_AXES
    return tuple(str(axis["name"] if isinstance(axis, dict) else axis) for axis in stated)
