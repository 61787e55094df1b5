"""Restore OME-Zarr images plane by plane in blocks of chunks, from folder to folder, never holding a whole plane."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.core.files import folder_written_whole
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.ome_zarr.pyramid import Smaller, make_smaller, way_of
from clearer.images.ome_zarr.store import (
    BLOCK_BYTES,
    Block,
    blocks,
    copy_without_chunks,
    open_array,
    read_block,
    steps_within,
)
from clearer.images.ome_zarr.tree import ZarrImage, is_zarr, tree_of
from clearer.images.pixels import depth_of
from clearer.images.types import AnyPixels, ImagePage
from clearer.inference.color import restore_page
from clearer.inference.large_tiff import SEEN_AT_ONCE
from clearer.inference.memory import pixels_that_fit
from clearer.inference.noise_level import ImageLevels, NoiseLevel
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Tile, as_overlap, cut, shape_within, window
from clearer.inference.window import WindowRestorer, level_of_parts, restore_soundly
from clearer.inference.zarr_outline import ZarrOutline, outline_notes, outline_of
from clearer.noise.level import estimate_level

SAMPLED_SIDE = 1024
"""Side in pixels of the five parts of a larger plane from which the noise level is estimated."""

Say = Callable[[str], None]


def restore_zarr(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    options: RestoreOptions | None = None,
    *,
    levels: ImageLevels | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Say | None = None,
    begin: Callable[..., None] | None = None,
) -> Path:
    """Restore an OME-Zarr folder to an OME-Zarr folder, plane by plane; return ``target``.

    Each plane (y, x) of every image is restored as a gray image, with the result of restoring it in memory; a color
    network restores three channels of 8 bits that are shown in red, green and blue as one RGB image. Chunks, codecs,
    type, metadata and everything beside the images stay as they are. Smaller levels are made anew. In memory are
    blocks of whole chunks and what the network sees around one tile; memory does not grow with the image.

    Args:
        restorer: the model.
        source: an OME-Zarr folder of version 0.1 to 0.5, in Zarr 2 or 3.
        target: where to write it, whole or not at all; a former OME-Zarr folder is replaced.
        options: strength, span, bands (the channels), ensemble, tile and overlap. A tile of "none" means "auto".
        levels: gives the noise level, if the network takes one; by default it is estimated for each plane, of a plane
            of more than 4 million pixels from five parts.
        progress: called with (blocks of planes done, blocks in all).
        say: takes a line on what is noticed.
        begin: called with the depths that are read and written.

    Raises:
        UserError: zarr is not installed, the source is no OME-Zarr image or is damaged, its values are beyond black
            and white, the target cannot be written, or even small tiles need more memory than is free.
    """
    source, target = Path(source), Path(target)
    _check_place(source, target)
    options = replace(options or RestoreOptions(), levels=restorer.card.span)
    levels, say = levels or ImageLevels(options.sigma, estimate_level), say or (lambda line: None)
    tree = tree_of(source)
    channels = restorer.architecture.channels
    images = [outline_of(source, image, channels, options) for image in tree.images]
    for note in outline_notes(tree, images, channels, options):
        say(note)
    depths = {depth_of(facts.pages[0].color) for facts in images}
    restorer = restorer.at_depth(*depths)
    if begin is not None:
        begin(*depths)
    ways = {facts.image: [_way(source, facts.image, level, say) for level in _smaller(facts.image)] for facts in images}
    arrays = [image.path(level) for image in tree.images for level in range(len(image.levels))]
    with folder_written_whole(target) as temporary:
        copy_without_chunks(source, temporary, arrays)

        def write(restorer: Restorer) -> None:
            work = _Work(restorer, options, levels, progress, images)
            for facts in images:
                work.restore(facts, open_array(temporary / facts.image.path(0), write=True))

        restore_soundly(restorer, source, write)
        for facts in images:
            for level, how in zip(_smaller(facts.image), ways[facts.image], strict=True):
                larger = open_array(temporary / facts.image.path(level - 1))
                smaller = open_array(temporary / facts.image.path(level), write=True)
                make_smaller(larger, smaller, how, _kept(source, facts, level))
    return target


def _check_place(source: Path, target: Path) -> None:
    """Refuse a target that would be lost, or that lies in the source, or the reverse."""
    if target.exists() and not is_zarr(target):
        raise UserError(f"{target}: exists and is no Zarr folder, so it is not replaced; choose another output")
    here, there = source.resolve(), target.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise UserError(f"{target}: is the source, lies in it or holds it; choose another output")


def _smaller(image: ZarrImage) -> range:
    return range(1, len(image.levels))


def _way(source: Path, image: ZarrImage, level: int, say: Say) -> Smaller:
    larger, smaller = (open_array(source / image.path(k)) for k in (level - 1, level))
    how = way_of(larger, smaller) if larger.ndim == smaller.ndim else None
    if how is None:
        sides = " and ".join("x".join(map(str, one.shape)) for one in (larger, smaller))
        raise UserError(f"{source / image.path(level)}: levels of {sides} differ by no whole factor; make them again")
    if not how.is_exact:
        say(f"{image.path(level)} is made anew by {how.way}; in the source it was made in another way")
    return how


def _kept(source: Path, facts: ZarrOutline, level: int) -> Callable[[Block], Any] | None:
    """Return what stays in a smaller level: the channels that are not restored."""
    if "c" not in facts.image.axes or len(facts.chosen) == len(facts.pages):
        return None
    old, axis = open_array(source / facts.image.path(level)), facts.image.axes.index("c")

    def keep(place: Block) -> tuple[Any, AnyPixels]:
        channels = range(place[axis].start, place[axis].stop)
        shape = [-1 if k == axis else 1 for k in range(old.ndim)]
        return np.array([c not in facts.chosen for c in channels]).reshape(shape), np.asarray(old[place])

    return keep


class _Work:
    """Restores the largest levels of the images of one folder."""

    def __init__(
        self,
        restorer: Restorer,
        options: RestoreOptions,
        levels: ImageLevels,
        progress: Callable[[int, int], None] | None,
        images: list[ZarrOutline],
    ) -> None:
        self.restorer, self.options, self.levels, self.progress = restorer, options, levels, progress
        self.overlap = as_overlap(options.overlap, restorer.architecture)
        self.fit = min(SEEN_AT_ONCE, pixels_that_fit(restorer.architecture, restorer.device))
        self.done = 0
        self.total = sum(
            math.prod(-(-side // step) for side, step in zip(facts.array.shape, self._steps(facts), strict=True))
            for facts in images
        )

    def _steps(self, facts: ZarrOutline) -> tuple[int, ...]:
        most = BLOCK_BYTES // facts.array.dtype.itemsize
        return steps_within(facts.array.shape, facts.unit, most)

    def restore(self, facts: ZarrOutline, out: Any) -> None:
        """Restore one image into an array that is open for writing.

        Raises:
            Unsound: the network returns values that are not finite, or a plane becomes black.
        """

        def write(item: tuple[Block, AnyPixels]) -> None:
            out[item[0]] = item[1]

        runners: dict[tuple[int, ...], WindowRestorer] = {}
        with one_behind(write) as put:
            for place, seen, held in one_ahead(self._read_each(facts)):
                lead = facts.lead(place)
                if runners and next(iter(runners)) not in set(product(*lead)):
                    _finish(runners)
                core = Tile(place[-2].start, place[-2].stop, place[-1].start, place[-1].stop)
                result = held[..., core.top - seen.top : core.bottom - seen.top, core.left - seen.left :]
                result = result[..., : core.width].copy()
                before, after = facts.planes(held), facts.planes(result)
                for index in product(*lead):
                    if facts.page(index) in facts.chosen:
                        at = tuple(k - part.start for k, part in zip(index, lead, strict=True))
                        if index not in runners:
                            runners[index] = self._runner(facts, index)
                        after[at] = self._restored(facts, index, runners[index], core, seen, before[at])
                put((place, result))
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done, self.total)
        _finish(runners)

    def _read_each(self, facts: ZarrOutline) -> Iterator[tuple[Block, Tile, AnyPixels]]:
        """Yield the place of each block, what is held around it, and its pixels."""
        for place in blocks(facts.array.shape, self._steps(facts)):
            core = Tile(place[-2].start, place[-2].stop, place[-1].start, place[-1].stop)
            seen = self._window(facts, core)
            around = (*place[:-2], slice(seen.top, seen.bottom), slice(seen.left, seen.right))
            yield place, seen, read_block(facts.array, around)

    def _window(self, facts: ZarrOutline, tile: Tile) -> Tile:
        """Return what is needed around a tile."""
        (height, width), multiple = facts.size, self.restorer.architecture.multiple
        reach, step = self.overlap + multiple, math.lcm(multiple, facts.step)
        return Tile(
            *window(tile.top, tile.bottom, height, reach, step), *window(tile.left, tile.right, width, reach, step)
        )

    def _restored(
        self,
        facts: ZarrOutline,
        index: tuple[int, ...],
        runner: WindowRestorer,
        core: Tile,
        seen: Tile,
        held: AnyPixels,
    ) -> AnyPixels:
        """Return a part of a plane, (H, W, C), given the pixels around it."""
        if isinstance(self.options.tile, int):
            rows = columns = self.options.tile
        else:
            multiple = self.restorer.architecture.multiple
            rows, columns = shape_within(core.height, core.width, self.fit, self.overlap, multiple)
        options = replace(self.options, span=facts.spans[facts.page(index)], bands=None)
        result = np.empty((core.height, core.width, held.shape[2]), held.dtype)
        for part in cut(core.height, core.width, rows, columns):
            tile = Tile(part.top + core.top, part.bottom + core.top, part.left + core.left, part.right + core.left)
            need = self._window(facts, tile)
            color = held[need.top - seen.top : need.bottom - seen.top, need.left - seen.left : need.right - seen.left]
            run = partial(runner.run, window=need, core=tile)
            page = ImagePage(color)
            done = restore_page(page, run, self.restorer.architecture.channels, options, depth_of(color)).color
            top, left = tile.top - need.top, tile.left - need.left
            inside = done[top : top + part.height, left : left + part.width]
            result[part.top : part.bottom, part.left : part.right] = inside
        return result

    def _runner(self, facts: ZarrOutline, index: tuple[int, ...]) -> WindowRestorer:
        level = self._level(facts, index)
        return WindowRestorer(self.restorer, facts.size, self.overlap, self.options.ensemble, level)

    def _level(self, facts: ZarrOutline, index: tuple[int, ...]) -> NoiseLevel | None:
        held = (read_block(facts.array, facts.block(index, part)) for part in _sampled(facts.size))
        parts = (ImagePage(facts.planes(one)[(0,) * len(index)]) for one in held)
        options = replace(self.options, span=facts.spans[facts.page(index)], bands=None)
        return level_of_parts(self.restorer, self.levels, facts.size, parts, options)


def _finish(runners: dict[tuple[int, ...], WindowRestorer]) -> None:
    """Check the planes that are done, and forget them."""
    for runner in runners.values():
        runner.watch.finish()
    runners.clear()


def _sampled(size: tuple[int, int]) -> list[Tile]:
    """Return the parts of a plane from which its noise level is estimated: the whole, or five squares."""
    height, width = size
    if height * width <= SEEN_AT_ONCE:
        return [Tile(0, height, 0, width)]
    high, wide = min(height, SAMPLED_SIDE), min(width, SAMPLED_SIDE)
    places = [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]
    found = [((height - high) * down // 4, (width - wide) * across // 4) for down, across in places]
    return [Tile(top, top + high, left, left + wide) for top, left in found]
