"""What counts for the whole of an OME-Zarr image that is restored by blocks: its channels without their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.images.nodata import REACH, hidden_in
from clearer.images.ome_zarr.store import BLOCK_BYTES, blocks, open_array, read_block, steps_within, unit_of
from clearer.images.ome_zarr.tree import ZarrImage, ZarrTree
from clearer.images.pixels import Span, depth_of, to_unit
from clearer.images.tiff.read import with_common_levels
from clearer.images.types import ImageFile, ImagePage, PageOwn
from clearer.inference.color import check_bands, notes_on
from clearer.inference.options import RestoreOptions


@dataclass(frozen=True)
class ZarrOutline:
    """What counts for the whole of one image.

    Attributes:
        image: its metadata.
        array: its largest level, in the source.
        pages: of each channel one, with its lowest and its highest value as two pixels.
        spans: the values that are black and white in each channel.
        chosen: the channels that are restored, from 0.
    """

    image: ZarrImage
    array: Any
    pages: tuple[ImagePage, ...]
    spans: tuple[Span, ...]
    chosen: frozenset[int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.array.shape[-2], self.array.shape[-1]

    def channel(self, place: tuple[int, ...]) -> int:
        """Return the channel of a plane, given its place on the axes before y and x."""
        return place[self.image.axes.index("c")] if "c" in self.image.axes else 0

    @property
    def step(self) -> int:
        """Windows begin at multiples of it, for floats may be filled by blocks."""
        return REACH if self.array.dtype.kind == "f" else 1


def outline_notes(tree: ZarrTree, images: list[ZarrOutline], channels: int, options: RestoreOptions) -> Iterator[str]:
    """Yield notes on the values of the images, for a network of ``channels``, and on what is copied as it is."""
    for facts in images:
        where = f"{facts.image.group}: " if len(images) > 1 else ""
        for note in notes_on(ImageFile("TIFF", facts.pages), channels, options):
            yield f"{where}{note}"
    for what, names in (("labels", tree.labels), ("arrays that belong to no image", tree.others)):
        if names:
            yield f"{what} are copied as they are: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


def outline_of(source: Path, image: ZarrImage, options: RestoreOptions) -> ZarrOutline:
    """Read the facts of an image, and where they matter the lowest and the highest value of each channel.

    Raises:
        UserError: the image is damaged, it has no such channel, or values lie far beyond black and white.
    """
    array = open_array(source / image.path(0))
    if array.ndim != len(image.axes):
        raise UserError(f"{source / image.path(0)}: {array.ndim} axes where {', '.join(image.axes)} are stated")
    if 0 in array.shape:
        raise UserError(f"{source / image.path(0)}: it has no pixels; remove it")
    try:
        pages = tuple(with_common_levels(list(_pages(array, image, options))))
        check_bands(pages, options)
        spans = tuple(options.span_of_page(page) for page in pages)
        for page, span in zip(pages, spans, strict=True):
            to_unit(page.color, span)  # refuses what lies far beyond black and white
        if options.depth not in (None, depth_of(pages[0].color)):
            raise UserError(f"--depth {options.depth}: OME-Zarr keeps its type, {array.dtype}; leave it out")
    except UserError as error:
        raise UserError(f"{source}: {str(error).removeprefix('image: ')}") from error
    chosen = {c for c in range(len(pages)) if options.bands is None or c + 1 in options.bands}
    return ZarrOutline(image, array, pages, spans, frozenset(chosen))


def _pages(array: Any, image: ZarrImage, options: RestoreOptions) -> Iterator[ImagePage]:
    """Yield a page of two pixels for each channel: its lowest and its highest value."""
    axis = image.axes.index("c") if "c" in image.axes else None
    count = 1 if axis is None else array.shape[axis]
    dtype = array.dtype.newbyteorder("=")
    ends: list[list[Any]] = [[] for _ in range(count)]
    if options.span is not None or options.levels is not None or dtype.name not in ("uint8", "bool"):
        steps = steps_within(array.shape, unit_of(array), BLOCK_BYTES // dtype.itemsize)
        for place in blocks(array.shape, steps):
            held = read_block(array, place)
            for c in range(count) if axis is None else range(place[axis].start, place[axis].stop):
                part = held if axis is None else held.take(c - place[axis].start, axis=axis)
                hidden = hidden_in(part.reshape(1, -1, 1), None)
                values = part if hidden is None else part.reshape(1, -1, 1)[~hidden]
                if values.size:
                    ends[c] = [min([values.min(), *ends[c][:1]]), max([values.max(), *ends[c][1:]])]
    default = [0, 255] if dtype == np.uint8 else [0, 1]
    for c in range(count):
        own: PageOwn = {"band": True, "bands": (c + 1,)} if axis is not None else {}
        yield ImagePage(np.array(ends[c] or default, dtype).reshape(1, 2, 1), own=own)
