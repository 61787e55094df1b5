"""What counts for the whole of a TIFF file that is restored by rows: its pages without their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearer.images.convert import depth_for, fitted
from clearer.images.nodata import REACH, hidden_in
from clearer.images.pixels import Span, depth_of, dtype_of, to_unit
from clearer.images.tiff.directory import Bytes
from clearer.images.tiff.plan import Plan, Plane, StoredImage, bands_of
from clearer.images.tiff.read import page_of, with_bands, with_common_levels
from clearer.images.tiff.rows import TiffRows
from clearer.images.tiff.samples import flat, pixels_of
from clearer.images.types import AnyPixels, ImageFile, ImagePage, PageOwn
from clearer.inference.color import check_bands, notes_on, training_levels_note
from clearer.inference.options import RestoreOptions

_BYTES_AT_ONCE = 2**25


@dataclass(frozen=True)
class Outline:
    """The pages of a file without their pixels.

    Attributes:
        data: the bytes of the file.
        name: what errors call it.
        pages: by image and part, with the pixels of the first row.
        spans: the values that are black and white in each.
        depths: that each is written with.
        written: what the first page of each image becomes, with two pixels.
        notes: on what is noticed.
    """

    data: Bytes
    name: str
    pages: dict[Plane, ImagePage]
    spans: dict[Plane, Span]
    depths: dict[Plane, str]
    written: dict[StoredImage, ImagePage]
    notes: tuple[str, ...]

    def item_size(self, image: StoredImage) -> int:
        """Return the bytes of a sample in the written file."""
        return self.written[image].color.dtype.itemsize

    def step(self, plane: Plane, multiple: int) -> int:
        """Return of what number windows begin at a multiple: of the network's, and of blocks that may be filled."""
        page = self.pages[plane]
        may_be_hidden = page.color.dtype.kind == "f" or "nodata" in page.own
        return int(np.lcm(multiple, REACH)) if may_be_hidden else multiple


def outline_of(tiff: Any, plan: Plan, data: Bytes, name: str, channels: int, options: RestoreOptions) -> Outline:
    """Read the facts of a file, and where they matter the lowest and the highest value of each page.

    Args:
        tiff: tifffile's view of it.
        plan: its images.
        data: its bytes.
        name: what errors call it.
        channels: of the network.
        options: span, levels and depth.

    Raises:
        UserError: the file is broken, it has no such band, or values lie far beyond black and white.
    """
    planes = list(plan.planes())
    pages, ends = _first_rows_and_ends(plan, data, name, options)
    ends = list(with_bands(ends, bands_of(tiff, plan, planes)))
    check_bands(ends, options)
    spans = options.spans_of(ends)
    depths = [depth_for(page, "TIFF", options.depth) for page in ends]
    for page, span in zip(ends, spans, strict=True):
        to_unit(page.color, span)  # refuses what lies far beyond black and white
    levels = training_levels_note(ImageFile("TIFF", tuple(ends)), options)
    found = fitted(ImageFile("TIFF", tuple(ends)), "TIFF")
    written: dict[StoredImage, ImagePage] = {}
    for plane, page, depth in zip(planes, found.pages, depths, strict=True):
        dtype = page.color.dtype if depth == depth_of(page.color) else dtype_of(depth)
        written.setdefault(plane.image, replace(page, color=np.zeros((1, 2, page.color.shape[2]), dtype)))
    return Outline(
        data,
        name,
        {plane: replace(pages[plane], own=_own(pages[plane], page)) for plane, page in zip(planes, ends, strict=True)},
        dict(zip(planes, spans, strict=True)),
        dict(zip(planes, depths, strict=True)),
        written,
        (*plan.notes, *notes_on(found, channels, options), *filter(None, [levels]), *found.notes),
    )


def levels_of_all(plan: Plan, data: Bytes, name: str) -> Span | None:
    """Return the levels that are black and white in integers of no usual range, on all pages; None for others."""
    _, ends = _first_rows_and_ends(plan, data, name, RestoreOptions())
    return next((page.own["levels"] for page in ends if "levels" in page.own), None)


def _first_rows_and_ends(
    plan: Plan, data: Bytes, name: str, options: RestoreOptions
) -> tuple[dict[Plane, ImagePage], list[ImagePage]]:
    """Return the pages with the pixels of the first row, and with two pixels, the lowest and the highest value."""
    pages: dict[Plane, ImagePage] = {}
    ends: list[ImagePage] = []
    for image in plan.images:
        if image.role == "image":
            rows = TiffRows(image, data, name)
            first = rows.read(0, 1)
            mine = {plane: page_of(plane, first, data) for plane in plan.planes() if plane.image is image}
            ends += _with_extremes(rows, mine, options)
            pages |= mine
    return pages, with_common_levels(ends)


def _own(page: ImagePage, ends: ImagePage) -> PageOwn:
    own: PageOwn = {**page.own, "bands": ends.own["bands"]}
    if "levels" in ends.own:
        own["levels"] = ends.own["levels"]
    return own


def _with_extremes(rows: TiffRows, pages: dict[Plane, ImagePage], options: RestoreOptions) -> Iterator[ImagePage]:
    """Yield pages of two pixels: the lowest and the highest value of each."""
    needed = options.span is not None or options.levels is not None
    needed = needed or any(page.color.dtype.name not in ("uint8", "bool") for page in pages.values())
    found = _extremes(rows, pages) if needed else {}
    for plane, page in pages.items():
        dtype, colors = page.color.dtype, page.color.shape[2]
        two = np.array(found.get(plane) or ([0, 255] if dtype == np.uint8 else [0, 0 if needed else 1]), dtype)
        own: PageOwn = {**page.own}
        own.pop("nodata", None)
        yield replace(page, color=np.repeat(two[None, :, None], colors, axis=2), own=own)


def _extremes(rows: TiffRows, pages: dict[Plane, ImagePage]) -> dict[Plane, tuple[AnyPixels, AnyPixels]]:
    """Return the lowest and the highest value of each page that has any."""
    found: dict[Plane, tuple[AnyPixels, AnyPixels]] = {}
    bytes_of_row = max(1, rows.read(0, 1).nbytes)
    high = max(1, _BYTES_AT_ONCE // bytes_of_row)
    for top in range(0, rows.height, high):
        samples = flat(rows.read(top, min(top + high, rows.height)), 0)
        for plane, page in pages.items():
            color = pixels_of(plane.image.page, samples, plane.part)
            hidden = hidden_in(color, page.own.get("nodata"))
            values = color if hidden is None else color[~hidden]
            if values.size:
                least, most = found.get(plane, (values.min(), values.max()))
                found[plane] = min(least, values.min()), max(most, values.max())
    return found
