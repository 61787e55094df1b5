"""Restored pages as the samples of a TIFF file, for a file that is written like its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np

from clearer.images.pixels import from_unit, to_unit
from clearer.images.tiff.directory import Bytes
from clearer.images.tiff.plan import Plane, StoredImage, plan_of
from clearer.images.tiff.read import ICC, decoded, opened
from clearer.images.tiff.rewrite import Target, target_of, write_like
from clearer.images.tiff.samples import (
    Part,
    alpha_of,
    flat,
    is_indexed,
    photometric_of,
    pixels_of,
    samples_from,
    samples_of,
    unscaled,
)
from clearer.images.tiff.segments import Piece, pieces
from clearer.images.tiff.smaller import smaller_of
from clearer.images.types import AnyPixels, ImagePage


def write_restored(file: BinaryIO, source: bytes, pages: Sequence[ImagePage]) -> bool:
    """Write the pages that were read from ``source``, with other pixels, and everything else as it is there.

    Returns:
        Whether the pages are those of the source. If not, nothing is written.
    """
    with opened(source) as tiff:
        plan = plan_of(tiff, source)
        planes = list(plan.planes())
        if len(planes) != len(pages) or not all(map(_fits, planes, pages)):
            return False
        work = _Assembly(source, dict(zip(planes, pages, strict=True)))
        targets = [work.target(image) for image in plan.images if image.role != "kept"]
        write_like(file, source, plan, targets, work.segments)
        return True


def _fits(plane: Plane, page: ImagePage) -> bool:
    stored = plane.image.page
    channels = len(_written_part(plane.image, plane.part).color)
    same_alpha = (page.alpha is None) == (plane.part.alpha is None)
    return same_alpha and page.color.shape == (stored.imagelength, stored.imagewidth, channels)


def _written_part(image: StoredImage, part: Part) -> Part:
    """Return the numbers of the samples of a part in the written file, where a palette is three of RGB."""
    if not is_indexed(image.page):
        return part
    color = (0, 1, 2) if part.color[0] == 0 else tuple(k + 2 for k in part.color)
    return Part(color, None if part.alpha is None else part.alpha + 2)


def target_like(image: StoredImage, page: ImagePage) -> Target:
    """Return how an image is written whose first page has become ``page``."""
    lost_icc = page.icc is None and ICC in image.directory.entries
    return target_of(image, page.color.dtype, without_icc=lost_icc)


class Restored(NamedTuple):
    """What a part of a layer becomes."""

    layer: int
    part: Part
    color: AnyPixels
    alpha: AnyPixels | None


class _Assembly:
    """The samples of the images of a file, from restored pages."""

    def __init__(self, source: Bytes, pages: dict[Plane, ImagePage]) -> None:
        self.source, self.pages = source, pages

    def target(self, image: StoredImage) -> Target:
        """Return how an image is written."""
        base = image.base or image
        return target_like(image, self.pages[Plane(base, 0, 0, base.parts[0])])

    def segments(self, target: Target) -> Iterator[Piece]:
        """Yield the encoded segments of an image."""
        image = target.image
        for copy in range(image.copies):
            found = self._smaller(image) if image.base else self._restored(image, copy)
            samples = stored_samples(target, target.geometry.shape, found, partial(decoded, image, copy, self.source))
            for piece in pieces(target.geometry, samples):
                yield piece._replace(number=piece.number + copy * target.geometry.segments)

    def _restored(self, image: StoredImage, copy: int) -> Iterator[Restored]:
        for layer in range(image.layers):
            for part in image.parts:
                page = self.pages[Plane(image, copy, layer, part)]
                yield Restored(layer, part, page.color, page.alpha)

    def _smaller(self, image: StoredImage) -> Iterator[Restored]:
        """Yield a smaller version of an image, made of the restored one."""
        base = image.base
        assert base is not None
        stored, whole = decoded(image, 0, self.source), decoded(base, 0, self.source)
        for layer in range(image.layers):
            samples, around = flat(stored, layer), flat(whole, layer)
            for part, base_part in zip(image.parts, base.parts, strict=True):
                new = self.pages[Plane(base, 0, layer, base_part)].color
                small, old = pixels_of(image.page, samples, part), pixels_of(base.page, around, base_part)
                alpha = alpha_of(image.page, samples, part)
                yield Restored(
                    layer, part, smaller_of(small, old, new), None if alpha is None else _in_dtype(alpha, new.dtype)
                )


def stored_samples(
    target: Target,
    shape: tuple[int, int, int, int, int],
    parts: Iterable[Restored],
    old: Callable[[], AnyPixels],
) -> AnyPixels:
    """Return the samples of an image, or of some of its rows, as they are stored.

    Args:
        target: how the image is written.
        shape: of the samples, (separate, layers, rows, W, contiguous).
        parts: the restored pixels.
        old: returns the samples of the source, for those that no part has: a second alpha is nothing to be restored.
    """
    image = target.image
    stored = np.empty(shape, target.geometry.dtype)
    covered = sum(len(part.color) + (part.alpha is not None) for part in image.parts)
    if covered < samples_of(image.page):
        stored[...] = _in_dtype(old(), stored.dtype)
    for found in parts:
        part = _written_part(image, found.part)
        for channel, number in enumerate(part.color):
            _put(stored, found.layer, number, _as_stored(target, found.color[:, :, channel]))
        if part.alpha is not None and found.alpha is not None:
            _put(stored, found.layer, part.alpha, unscaled(image.page, found.alpha[:, :, 0]))
    return stored


def _as_stored(target: Target, color: AnyPixels) -> AnyPixels:
    page = target.image.page
    if target.recolored:
        return color
    if target.geometry.dtype == np.dtype(page.dtype).newbyteorder("="):
        return samples_from(page, color)
    return np.invert(color) if target.photometric == photometric_of(page) == "MINISWHITE" else color


def _in_dtype(pixels: AnyPixels, dtype: np.dtype) -> AnyPixels:
    return pixels if pixels.dtype == dtype else from_unit(to_unit(pixels), dtype)


def _put(stored: AnyPixels, layer: int, number: int, plane: AnyPixels) -> None:
    if stored.shape[0] > 1:
        stored[number, layer, :, :, 0] = plane
    else:
        stored[0, layer, :, :, number] = plane
