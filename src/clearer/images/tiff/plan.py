"""Which images a TIFF file holds: those to be restored, smaller versions of them, and masks."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import tifffile

from clearer.core.errors import UserError
from clearer.images.tiff.directory import SUBIFDS, Bytes, Directory, Tree, tree_of
from clearer.images.tiff.samples import Part, is_indexed, parts_of

_REDUCED, _MASK = 1, 4  # bits of the tag NewSubfileType
_WIDTH, _SUBFILE, _OLD_SUBFILE = 256, 254, 255
_PARTS = (273, 324)  # offsets of strips, of tiles
_OFF_ASPECT = 0.02  # share by which the height of a smaller version may differ

Role = Literal["image", "smaller", "kept"]


@dataclass(eq=False)
class StoredImage:
    """An image as a directory describes it.

    Attributes:
        directory: its tags.
        page: tifffile's view of them.
        role: "image"; "smaller" is a smaller version of another one; "kept" is copied as it is.
        parts: its samples, grouped as they are restored.
        copies: images of this kind that follow each other from the place of the first; only this one has a directory.
        base: of a smaller version, the image that it shows.
        why: why an image is kept as it is, if that needs saying.
    """

    directory: Directory
    page: Any
    role: Role = "image"
    parts: tuple[Part, ...] = ()
    copies: int = 1
    base: StoredImage | None = None
    why: str = ""

    @property
    def layers(self) -> int:
        """Layers of a volume."""
        return int(self.page.shaped[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.page.imagelength), int(self.page.imagewidth)


class Plane(NamedTuple):
    """One image to be restored: a part of the samples of one layer of one copy of a stored image."""

    image: StoredImage
    copy: int
    layer: int
    part: Part


@dataclass
class Plan:
    """The images of a file.

    Attributes:
        tree: its directories.
        images: in the order of its directories.
        notes: on what is kept as it is, and what belongs to the file and is not in it.
    """

    tree: Tree
    images: list[StoredImage]
    notes: tuple[str, ...] = ()

    def planes(self) -> Iterator[Plane]:
        """Yield what is to be restored, in the order of the file."""
        for image in self.images:
            if image.role == "image":
                for copy in range(image.copies):
                    for layer in range(image.layers):
                        yield from (Plane(image, copy, layer, part) for part in image.parts)


def plan_of(tiff: Any, data: Bytes, *, strict: bool = True) -> Plan:
    """Return the images of an open file, given its bytes; no pixel is decoded.

    Args:
        tiff: tifffile's view of the file.
        data: its bytes.
        strict: refuse a file with an image of a kind that is not supported; otherwise such an image is "kept".

    Raises:
        UserError: an image is of a kind that is not supported, or there is none. tifffile raises other exceptions too.
    """
    tree = tree_of(data)
    parents: dict[int, StoredImage] = {}
    images: list[StoredImage] = []
    for number, directory in enumerate(tree.images()):
        if _WIDTH not in directory.entries:
            if strict and any(code in directory.entries for code in _PARTS):
                raise UserError(
                    f"not readable as an image (page {number + 1} holds samples but no width); replace or remove it"
                )
            continue  # tags without an image
        tiff.filehandle.seek(directory.offset)
        images.append(StoredImage(directory, tifffile.TiffPage(tiff, number)))
        for inner in directory.below.get(SUBIFDS, []):
            parents[inner.offset] = images[-1]
    smaller, copies = _of_series(tiff, images)
    for number, image in enumerate(images):
        image.copies = copies.get(image.directory.offset, 1)
        try:
            _find_role(image, number, images, parents, smaller)
        except UserError:
            if strict:
                raise
            image.role = "kept"
    if strict and not any(image.role == "image" for image in images):
        raise UserError("not readable as an image (the TIFF has no page); replace or remove it")
    reasons = [*_of_several_files(tiff), *(image.why for image in images if image.why)]
    return Plan(tree, images, tuple(dict.fromkeys(reasons)))


def _of_several_files(tiff: Any) -> list[str]:
    """Return a note if the metadata of an OME-TIFF speak of further files."""
    files = set(re.findall(r'<UUID\b[^>]*\bFileName="([^"]*)"', tiff.ome_metadata or ""))
    if len(files) < 2:
        return []
    return [f"one of the {len(files)} files of an OME-TIFF; the others are restored one by one, by their names"]


def _of_series(tiff: Any, images: list[StoredImage]) -> tuple[dict[int, int], dict[int, int]]:
    """Return the base of each smaller version, both by offset, and the copies of images that have several."""
    smaller: dict[int, int] = {}
    copies: dict[int, int] = {}
    # Broken descriptions are no reason to refuse a file whose directories can be read.
    with contextlib.suppress(Exception):
        for series in tiff.series:
            for level in series.levels[1:]:
                for page, base in zip(level.pages, series.pages, strict=False):
                    if page is not None and base is not None:
                        smaller[page.offset] = base.offset
            page = series.keyframe
            if series.is_truncated and series.dataoffset is not None and page.nbytes:
                copies[page.offset] = max(1, int(series.size * series.dtype.itemsize) // int(page.nbytes))
    known = {image.directory.offset for image in images}
    return {a: b for a, b in smaller.items() if a in known and b in known}, copies


def _find_role(
    image: StoredImage,
    number: int,
    images: list[StoredImage],
    parents: dict[int, StoredImage],
    smaller: dict[int, int],
) -> None:
    """Find out what an image is."""
    flags = _flags(image)
    where = f"page {number + 1}: "
    if flags & _MASK:
        image.role = "kept"
        return
    try:
        image.parts = parts_of(image.page, where)
    except UserError as error:
        if not flags & _REDUCED:
            raise
        image.role, image.why = "kept", f"{where}a smaller version of another page is the source's ({error})"
        return
    by_series = smaller.get(image.directory.offset)
    parent = parents.get(image.directory.offset)
    candidates = [] if by_series is None else [o for o in images if o.directory.offset == by_series]
    if not candidates and parent is not None:
        candidates = [parent]
    if not candidates and flags & _REDUCED:
        # The base of a thumbnail may be below it or behind it, that of a pyramid's level stands before it.
        below = {inner.offset for inner in image.directory.below.get(SUBIFDS, [])}
        behind = [other for other in images[number + 1 :] if not _flags(other) & _REDUCED]
        candidates = [o for o in images if o.directory.offset in below] or [*images[:number][::-1], *behind[:1]]
    image.base = next((other for other in candidates if _shows(image, other)), None)
    if image.base is not None:
        image.role = "smaller"


def _flags(image: StoredImage) -> int:
    tags = image.page.tags
    return int(tags.valueof(_SUBFILE, 0) or 0) | (_REDUCED if tags.valueof(_OLD_SUBFILE, 1) == 2 else 0)


def _shows(small: StoredImage, base: StoredImage) -> bool:
    """Return whether an image may be a smaller version of another one."""
    if (
        base is small
        or base.base is not None
        or small.copies > 1
        or base.copies > 1
        or small.layers != base.layers
        or _flags(base) & _MASK
    ):
        return False
    (height, width), (whole_height, whole_width) = small.size, base.size
    if height > whole_height or width > whole_width or height * width >= whole_height * whole_width:
        return False
    same = small.page.shaped[0] * small.page.shaped[4] == base.page.shaped[0] * base.page.shaped[4]
    wanted = whole_height * width / whole_width
    return bool(
        same
        and small.page.dtype == base.page.dtype
        and small.page.photometric == base.page.photometric
        and abs(height - wanted) <= 1 + _OFF_ASPECT * height
    )


def channels_of(tiff: Any, plan: Plan, planes: list[Plane]) -> tuple[int, ...]:
    """Return the channel of each image, by the axes of the file's series; empty if they state none."""
    try:
        (series,) = tiff.series
        order = [page.offset for page in series.pages if page is not None]
    except Exception:  # several series, or broken descriptions
        return ()
    images = [image for image in plan.images if image.role == "image"]
    if order != [image.directory.offset for image in images] and not series.is_truncated:
        return ()
    # The samples of a page come last, wherever tifffile puts their axis; colors are restored together.
    lengths = {axis: length for axis, length in zip(series.axes, series.shape, strict=True) if axis not in "YX"}
    if all(len(plane.part.color) > 1 for plane in planes):
        lengths.pop("S", None)
    axis = "C" if "C" in lengths else "S"
    if axis not in lengths or np.prod(list(lengths.values())) != len(planes):
        return ()
    place = list(lengths).index(axis)
    return tuple(int(channel) for channel in np.indices(tuple(lengths.values()))[place].ravel())


def bands_of(tiff: Any, plan: Plan, planes: list[Plane]) -> list[tuple[int, ...]]:
    """Return the number of the band, from 1, of each channel of each image.

    Bands are the channels that the axes of the file state, or else the samples of a pixel.
    """
    channels = channels_of(tiff, plan, planes)
    if channels:
        return [(channel + 1,) for channel in channels]
    return [
        (1, 1, 1)
        if is_indexed(plane.image.page) and plane.part.color[0] == 0
        else tuple(k + 1 for k in plane.part.color)
        for plane in planes
    ]
