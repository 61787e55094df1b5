"""Restore the largest level of each image of an OME-Zarr folder, block by block; blocks that are there already stay."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from clearer.core.errors import UserError
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.ome_zarr.journal import Journal, Marks, digest
from clearer.images.ome_zarr.store import BLOCK_BYTES, Block, blocks, read_block, steps_within, write_block
from clearer.images.pixels import depth_of
from clearer.images.types import AnyPixels, ImagePage
from clearer.inference.color import restore_page
from clearer.inference.large_tiff import SEEN_AT_ONCE
from clearer.inference.noise_level import ImageLevels, NoiseLevel
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Tile, as_overlap, cut, seen_by, shape_within
from clearer.inference.window import Look, WindowRestorer, level_of_parts
from clearer.inference.zarr_outline import ZarrOutline

SAMPLED_SIDE = 1024
"""Side in pixels of the five parts of a larger plane from which the noise level is estimated."""
Index = tuple[int, ...]
"""The place of a plane on the axes before y and x."""


class _Held(NamedTuple):
    """A block: its place, what is held around it, and the pixels of that."""

    place: Block
    seen: Tile
    pixels: AnyPixels

    @property
    def core(self) -> Tile:
        """The place of the block on y and x."""
        rows, columns = self.place[-2:]
        return Tile(rows.start, rows.stop, columns.start, columns.stop)


class _Made(NamedTuple):
    """A block that is to be written, and what the journal notes of it."""

    name: str
    source: str
    place: Block
    pixels: AnyPixels
    marks: Marks


def steps_of(facts: ZarrOutline) -> tuple[int, ...]:
    """Return the shape of the blocks of an image: whole units of what is read and written at once."""
    return steps_within(facts.array.shape, facts.unit, BLOCK_BYTES // facts.array.dtype.itemsize)


class ZarrWork:
    """Restores the largest levels of the images of one folder.

    Args:
        restorer: the model.
        options: how the images are restored.
        levels: gives the noise level.
        journal: of the blocks that are written.
        progress: called with (blocks done, blocks in all).
        images: of the folder.
        look: see `WindowRestorer`.
    """

    def __init__(
        self,
        restorer: Restorer,
        options: RestoreOptions,
        levels: ImageLevels,
        journal: Journal,
        progress: Callable[[int, int], None] | None,
        images: list[ZarrOutline],
        look: Look | None = None,
    ) -> None:
        self.restorer, self.options, self.levels, self.progress = restorer, options, levels, progress
        self.look = look
        self.journal = journal
        self.overlap = as_overlap(options.overlap, restorer.architecture)
        self.done, self.total = 0, blocks_of(images)

    def restore(self, facts: ZarrOutline, out: Any) -> None:
        """Restore one image into an array that is open for writing; what the journal holds is not restored again.

        Raises:
            Unsound: the network returns values that are not finite, or a plane becomes black.
            UserError: a chunk cannot be read, or the array is elsewhere and cannot be written.
        """

        def write(made: _Made) -> None:
            write_block(out, made.place, made.pixels)
            self.journal.add(made.name, made.source, made.pixels, made.marks)

        runners: dict[Index, WindowRestorer] = {}
        with one_behind(write) as put:
            for block in one_ahead(self._read_each(facts)):
                planes = list(product(*facts.lead(block.place)))
                if runners and next(iter(runners)) not in set(planes):
                    _finish(runners)
                chosen = [index for index in planes if facts.page(index) in facts.chosen]
                for index in chosen:
                    if index not in runners:
                        runners[index] = self._runner(facts, index)
                name = f"{facts.image.path(0)}:{','.join(str(part.start) for part in block.place)}"
                told = [None if isinstance(runners[k].level, Tensor) else str(runners[k].level) for k in chosen]
                source = digest(block.pixels, f"{block.seen} {told}")
                watches = [runners[index].watch for index in chosen]
                marks = self._marks(name, source, out, block.place)
                if marks is None:
                    pixels = self._made(facts, block, {index: runners[index] for index in chosen})
                    put(_Made(name, source, block.place, pixels, [watch.marks() for watch in watches]))
                else:
                    for watch, seen in zip(watches, marks, strict=True):
                        watch.resume(seen)
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done, self.total)
        _finish(runners)

    def _marks(self, name: str, source: str, out: Any, place: Block) -> Marks | None:
        """Return what was noted with a block that is written; None if it is not."""
        marks = self.journal.marks(name, source)
        if marks is None:
            return None
        try:
            return marks if self.journal.holds(name, read_block(out, place)) else None
        except UserError:  # a chunk that was cut off
            return None

    def _made(self, facts: ZarrOutline, block: _Held, runners: dict[Index, WindowRestorer]) -> AnyPixels:
        """Return a block with its planes restored, those of ``runners``."""
        core, seen, held = block.core, block.seen, block.pixels
        result = held[..., core.top - seen.top : core.bottom - seen.top, core.left - seen.left :]
        result = result[..., : core.width].copy()
        before, after = facts.planes(held), facts.planes(result)
        lead = facts.lead(block.place)
        for index, runner in runners.items():
            at = tuple(k - part.start for k, part in zip(index, lead, strict=True))
            after[at] = self._restored(facts, index, runner, core, seen, before[at])
        return result

    def _read_each(self, facts: ZarrOutline) -> Iterator[_Held]:
        """Yield each block."""
        for place in blocks(facts.array.shape, steps_of(facts)):
            core = Tile(place[-2].start, place[-2].stop, place[-1].start, place[-1].stop)
            seen = self._window(facts, core)
            around = (*place[:-2], slice(seen.top, seen.bottom), slice(seen.left, seen.right))
            yield _Held(place, seen, read_block(facts.array, around))

    def _window(self, facts: ZarrOutline, tile: Tile) -> Tile:
        """Return what is needed around a tile."""
        multiple = self.restorer.architecture.multiple
        return seen_by(tile, facts.size, self.overlap + multiple, math.lcm(multiple, facts.step))

    def _restored(
        self,
        facts: ZarrOutline,
        index: Index,
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
            rows, columns = shape_within(core.height, core.width, self.journal.fit, self.overlap, multiple)
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

    def _runner(self, facts: ZarrOutline, index: Index) -> WindowRestorer:
        level, look = self._level(facts, index), self.look if index == facts.middle else None  # ends may be empty
        return WindowRestorer(self.restorer, facts.size, self.overlap, self.options.ensemble, level, look)

    def _level(self, facts: ZarrOutline, index: Index) -> NoiseLevel | None:
        held = (read_block(facts.array, facts.block(index, part)) for part in _sampled(facts.size))
        parts = (ImagePage(facts.planes(one)[(0,) * len(index)]) for one in held)
        options = replace(self.options, span=facts.spans[facts.page(index)], bands=None)
        return level_of_parts(self.restorer, self.levels, facts.size, parts, options)


def _finish(runners: dict[Index, WindowRestorer]) -> None:
    """Check the planes that are done, and forget them."""
    for runner in runners.values():
        runner.finish()
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


def blocks_of(images: list[ZarrOutline]) -> int:
    """Return the number of blocks of all images."""
    return sum(
        math.prod(-(-side // step) for side, step in zip(facts.array.shape, steps_of(facts), strict=True))
        for facts in images
    )
