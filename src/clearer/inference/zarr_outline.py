"""What counts for the whole of an OME-Zarr image that is restored by blocks: its channels without their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearer.core.addresses import StorageFault
from clearer.core.errors import UserError
from clearer.images.nodata import REACH, hidden_in
from clearer.images.ome_zarr.place import Place
from clearer.images.ome_zarr.store import BLOCK_BYTES, Block, blocks, open_array, read_block, steps_within, unit_of
from clearer.images.ome_zarr.tree import ZarrImage, ZarrTree
from clearer.images.pixels import Span, depth_of, to_unit
from clearer.images.tiff.read import with_common_levels
from clearer.images.types import RGB, AnyPixels, ImageFile, ImagePage, PageOwn
from clearer.inference.color import check_bands, notes_on, training_levels_note
from clearer.inference.options import RestoreOptions
from clearer.inference.tiling import Tile

_RGB = ("FF0000", "00FF00", "0000FF")


@dataclass(frozen=True)
class ZarrOutline:
    """What counts for the whole of one image.

    Attributes:
        image: its metadata.
        array: its largest level, in the source.
        pages: of each channel one, with its lowest and its highest value as two pixels; of RGB, one.
        spans: the values that are black and white in each page.
        chosen: the pages that are restored, from 0.
        is_rgb: the channels are red, green and blue, and are restored together.
    """

    image: ZarrImage
    array: Any
    pages: tuple[ImagePage, ...]
    spans: tuple[Span, ...]
    chosen: frozenset[int]
    is_rgb: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.array.shape[-2], self.array.shape[-1]

    @property
    def unit(self) -> tuple[int, ...]:
        """The shape of what is read and written at once: a chunk or a shard, of RGB with all colors."""
        return tuple(
            3 if self.is_rgb and axis == "c" else step
            for axis, step in zip(self.image.axes, unit_of(self.array), strict=True)
        )

    def lead(self, place: Block) -> list[range]:
        """Return the places of a block's planes on the axes before y and x; the colors of RGB have none."""
        axes = zip(self.image.axes[:-2], place[:-2], strict=True)
        return [range(part.start, part.stop) for axis, part in axes if not (self.is_rgb and axis == "c")]

    @property
    def middle(self) -> tuple[int, ...]:
        """The place of the middle one of the planes that are restored, on the axes of `lead`."""
        ordered = sorted(self.chosen)
        sides = zip(self.image.axes[:-2], self.array.shape[:-2], strict=True)
        axes = [(axis, side) for axis, side in sides if not (self.is_rgb and axis == "c")]
        return tuple(ordered[len(ordered) // 2] if axis == "c" else side // 2 for axis, side in axes)

    def page(self, index: tuple[int, ...]) -> int:
        """Return the page of a plane, given its place on the axes of `lead`."""
        return index[self.image.axes.index("c")] if "c" in self.image.axes and not self.is_rgb else 0

    def block(self, index: tuple[int, ...], tile: Tile) -> Block:
        """Return the place of a part of a plane in the array."""
        lead = [slice(k, k + 1) for k in index]
        if self.is_rgb:
            lead.insert(self.image.axes.index("c"), slice(0, 3))
        return (*lead, slice(tile.top, tile.bottom), slice(tile.left, tile.right))

    def planes(self, held: AnyPixels) -> AnyPixels:
        """Return a view of a block, (..., H, W, C): its planes with one channel each, or with the colors of RGB."""
        return np.moveaxis(held, self.image.axes.index("c"), -1) if self.is_rgb else held[..., None]

    @property
    def step(self) -> int:
        """Windows begin at multiples of it, for floats may be filled by blocks."""
        return REACH if self.array.dtype.kind == "f" else 1


def outline_notes(tree: ZarrTree, images: list[ZarrOutline], channels: int, options: RestoreOptions) -> Iterator[str]:
    """Yield notes on the values of the images, for a network of ``channels``, and on what is copied as it is."""
    for facts in images:
        where = f"{facts.image.group}: " if len(images) > 1 else ""
        image = ImageFile("TIFF", facts.pages)
        for note in (*notes_on(image, channels, options), training_levels_note(image, options)):
            if note is not None:
                yield f"{where}{note}"
        if facts.is_rgb:
            yield (
                f"{where}its channels are shown in red, green and blue, and are restored together as RGB; "
                "a gray model, or --bands 1,2,3, restores each by itself"
            )
    for what, names in (("labels", tree.labels), ("arrays that belong to no image", tree.others)):
        if names:
            yield f"{what} are copied as they are: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


def outline_of(source: Place, image: ZarrImage, channels: int, options: RestoreOptions) -> ZarrOutline:
    """Read the facts of an image for a network of ``channels``, and where they matter the extremes of each channel.

    Raises:
        UserError: the image is damaged, it has no such channel, or values lie far beyond black and white.
    """
    array = open_array(source / image.path(0))
    if array.ndim != len(image.axes):
        raise UserError(f"{source / image.path(0)}: {array.ndim} axes where {', '.join(image.axes)} are stated")
    if 0 in array.shape:
        raise UserError(f"{source / image.path(0)}: it has no pixels; remove it")
    is_rgb = channels == RGB and options.bands is None and _is_rgb(array, image)
    try:
        pages = tuple(with_common_levels(list(_pages(array, image, options))))
        if is_rgb:
            pages = (ImagePage(np.concatenate([page.color for page in pages], axis=2)),)
        check_bands(pages, options)
        spans = tuple(options.spans_of(pages))
        for page, span in zip(pages, spans, strict=True):
            to_unit(page.color, span)  # refuses what lies far beyond black and white
        if options.depth not in (None, depth_of(pages[0].color)):
            raise UserError(f"--depth {options.depth}: OME-Zarr keeps its type, {array.dtype}; leave it out")
    except StorageFault:
        raise
    except UserError as error:
        raise UserError(f"{source}: {str(error).removeprefix('image: ')}") from error
    chosen = {c for c in range(len(pages)) if options.bands is None or c + 1 in options.bands}
    return ZarrOutline(image, array, pages, spans, frozenset(chosen), is_rgb)


def _is_rgb(array: Any, image: ZarrImage) -> bool:
    """Return whether an image is RGB, as far as metadata tell: 8 bits, shown in these colors.

    Nothing states it outright. Channels of a fluorescence microscope must not be mixed: most have more than 8 bits.
    """
    has_three = "c" in image.axes and array.shape[image.axes.index("c")] == len(_RGB)
    return has_three and image.colors == _RGB and array.dtype == np.uint8


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
