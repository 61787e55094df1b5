"""Restore TIFF files that are too large for memory by bands of rows, from file to file."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError, one_line
from clearer.core.files import is_no_file, written_whole
from clearer.images.camera_raw import refuse_raw
from clearer.images.io import errors_named
from clearer.images.pixels import depth_of
from clearer.images.tiff.compare import differences_of
from clearer.images.tiff.directory import Bytes, Tree, tree_of
from clearer.images.tiff.plan import Plan, Plane, StoredImage, plan_of
from clearer.images.tiff.read import opened_file, page_of
from clearer.images.tiff.rows import Band, TiffRows, refusal, write_by_rows
from clearer.images.tiff.samples import alpha_of, flat, pixels_of
from clearer.images.types import HEAD, WIDE, AnyPixels, ImageFile, ImagePage, format_of_bytes
from clearer.inference.color import gaps_lost, gaps_note, restore_page
from clearer.inference.large_outline import Outline, levels_of_all, outline_of
from clearer.inference.memory import pixels_that_fit
from clearer.inference.noise_level import ImageLevels, NoiseLevel
from clearer.inference.options import RestoreOptions
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Tile, as_overlap, cut, seen_by, shape_within
from clearer.inference.window import Look, WindowRestorer, level_of_parts, restore_soundly

LARGE = 32 * 10**6
"""Pixels of an image from which its file is restored by rows instead of in memory."""
SEEN_AT_ONCE = 4 * 10**6
"""Pixels that the network sees at most at once, however much memory is free."""
BAND_ROWS, FEWEST_BAND_ROWS = 512, 64
"""Rows of the result that are held at a time: at most, and however wide the image is."""
SAMPLED_BANDS, SAMPLED_ROWS = 5, 256
"""Number and rows of the bands from which the noise level is estimated."""
BAND_BYTES = 2**27
"""Bytes of the result that are held at a time, if `FEWEST_BAND_ROWS` allows."""

_WIDTH, _HEIGHT = 256, 257  # tags

Say = Callable[[str], None]


def is_large(path: str | Path, pixels: int | None = None) -> bool:
    """Return whether a file is a TIFF that `restore_large` can restore, with an image of at least ``pixels``.

    By default these are `LARGE`.
    """
    if is_no_file(Path(path)):
        return False
    try:
        with Path(path).open("rb") as file:
            head = file.read(HEAD)
            if format_of_bytes(head) != "TIFF":
                return False
            file.seek(0)
            refuse_raw(head, file)
        with opened_file(path) as (tiff, data):
            if _largest(tree_of(data)) < (LARGE if pixels is None else pixels):
                return False
            return refusal(plan_of(tiff, data), data) is None
    except Exception:  # a broken file, or one of a kind that is not supported, which its reader reports
        return False


def center_of(path: str | Path, side: int = 2048) -> ImageFile:
    """Return the center of the first image of a TIFF, at most ``side`` pixels high and wide.

    The rest is decoded only for integers of no usual range, of which all pages tell what is black and white.

    Raises:
        UserError: the file is broken, or cannot be read by rows.
    """
    with errors_named(str(path)), opened_file(path) as (tiff, data):
        plan = plan_of(tiff, data)
        plane = next(plan.planes())
        (height, width), rows = plane.image.size, TiffRows(plane.image, data, str(path))
        top, left = max(0, height - side) // 2, max(0, width - side) // 2
        stored = rows.read(top, min(top + side, height))[..., left : left + side, :]
        page = page_of(plane, stored, data)
        if depth_of(page.color) in WIDE and (levels := levels_of_all(plan, data, str(path))) is not None:
            page = replace(page, own={**page.own, "levels": levels})
        return ImageFile("TIFF", (page,))


def _largest(tree: Tree) -> int:
    """Return the pixels of the largest image, by its tags."""
    found = 0
    for directory in tree.images():
        sides = [directory.entries[code] for code in (_WIDTH, _HEIGHT) if code in directory.entries]
        values = [value for side in sides for value in tree.numbers(side)[:1]]
        found = max(found, values[0] * values[1] if len(values) == 2 else 0)
    return found


def restore_large(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    options: RestoreOptions | None = None,
    *,
    levels: ImageLevels | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Say | None = None,
    begin: Callable[..., None] | None = None,
    look: Look | None = None,
) -> Path:
    """Restore a TIFF to a TIFF by rows; return ``target``.

    The result is that of restoring it in memory, with everything around the pixels (see
    `clearer.images.tiff.rewrite`). In memory are the features of one tile, and a band of at most 512 rows (128 MiB) of
    the result with the rows around it that the network sees. Memory does not grow with the image's height.

    Args:
        restorer: the model.
        source: a TIFF, see `clearer.images.tiff.rows.refusal`.
        target: where to write it, whole or not at all.
        options: color, strength, span, depth, ensemble, tile and overlap. A tile of "auto" is at most 4 million pixels
            seen at once, and "none" means "auto".
        levels: gives the noise level, if the network takes one; by default it is estimated. One level counts for a
            whole image: the RMS of the estimates of bands spread over it (`SAMPLED_BANDS`).
        progress: called with (rows done, rows in all).
        say: takes a line on what is noticed and what is not kept.
        begin: called with the depths that are read and written.
        look: see `WindowRestorer`; of several images, called with each.

    Raises:
        UserError: the source cannot be read by rows, its channels do not fit the network, or its values are beyond
            black and white; the target cannot be written; or even small tiles need more memory than is free.
    """
    options = replace(options or RestoreOptions(), levels=restorer.card.span)
    levels, say = levels or ImageLevels(options.sigma, restorer.estimate), say or (lambda line: None)
    with contextlib.ExitStack() as stack, _named(source, target):
        with errors_named(str(source)):
            tiff, data = stack.enter_context(opened_file(source))
            plan = plan_of(tiff, data)
            why = refusal(plan, data)
            if why is not None:
                raise UserError(f"cannot be restored by rows: {why}; convert it, or cut it into smaller files")
        outline = _outline(tiff, plan, data, str(source), restorer, options)
        for note in outline.notes:
            say(note)
        depths = {*outline.depths.values(), *(depth_of(page.color) for page in outline.pages.values())}
        restorer = restorer.at_depth(*depths)
        if begin is not None:
            begin(*depths)
        found_levels = {plane: _level_of(plane, outline, restorer, options, levels) for plane in outline.pages}

        def write(restorer: Restorer) -> None:
            work = _RowRestorer(restorer, outline, options, found_levels, progress, look)
            with written_whole(target) as temporary:
                try:
                    with temporary.open("w+b") as file:
                        write_by_rows(file, data, plan, outline.written, work.bands)
                except (ValueError, OverflowError, struct.error) as error:
                    fault = f"{target}: cannot be written as TIFF ({one_line(error)}); convert {source} first"
                    raise UserError(fault) from error
                with opened_file(temporary) as written:
                    changed = differences_of((tiff, data), written, list(outline.written.values()))
                for note in (*gaps_note(work.gaps), *changed):
                    say(note)

        restore_soundly(restorer, source, write)
    return Path(target)


def _outline(tiff: Any, plan: Plan, data: Bytes, name: str, restorer: Restorer, options: RestoreOptions) -> Outline:
    try:
        return outline_of(tiff, plan, data, name, restorer.architecture.channels, options)
    except (UserError, MemoryError, ImportError, NameError):
        raise
    except Exception as error:  # tags of odd types raise many kinds
        raise UserError(f"{name}: not readable as an image ({one_line(error)}); replace or remove it") from error


@contextlib.contextmanager
def _named(source: str | Path, target: str | Path) -> Iterator[None]:
    """Name the file in errors that the user can fix."""
    try:
        yield
    except UserError as error:
        if str(error).startswith((f"{source}: ", f"{target}: ")):
            raise
        raise UserError(f"{source}: {str(error).removeprefix('image: ')}") from error


def _level_of(
    plane: Plane, outline: Outline, restorer: Restorer, options: RestoreOptions, levels: ImageLevels
) -> NoiseLevel | None:
    rows = TiffRows(plane.image, outline.data, outline.name)
    high = min(rows.height, SAMPLED_ROWS)
    tops = np.linspace(0, rows.height - high, SAMPLED_BANDS).astype(int).tolist()
    parts = (_page_of(plane, outline, rows.read(top, top + high)) for top in tops)
    return level_of_parts(restorer, levels, _shown(plane, outline), parts, replace(options, span=outline.spans[plane]))


def _shown(plane: Plane, outline: Outline) -> tuple[int, int]:
    """Return the height and width of an image as it is shown."""
    height, width = plane.image.size
    return (width, height) if outline.pages[plane].orientation >= 5 else (height, width)


def _page_of(plane: Plane, outline: Outline, stored: AnyPixels) -> ImagePage:
    """Return the page of a part, given some of its samples, (separate, 1, h, w, contiguous)."""
    page, samples = plane.image.page, flat(stored, 0)
    color, alpha = pixels_of(page, samples, plane.part), alpha_of(page, samples, plane.part)
    return replace(outline.pages[plane], color=color, alpha=alpha)


class _RowRestorer:
    """Restores the rows of images, holding the rows around one band at a time."""

    def __init__(
        self,
        restorer: Restorer,
        outline: Outline,
        options: RestoreOptions,
        levels: dict[Plane, NoiseLevel | None],
        progress: Callable[[int, int], None] | None,
        look: Look | None,
    ) -> None:
        self.restorer, self.outline, self.options, self.levels, self.look = restorer, outline, options, levels, look
        self.progress, self.done, self.gaps = progress, 0, 0
        self.total = sum(image.size[0] for image in outline.written)
        self.overlap = as_overlap(options.overlap, restorer.architecture)

    def bands(self, image: StoredImage) -> Iterator[Band]:
        """Yield the restored rows of an image band by band.

        Raises:
            Unsound: the network returns values that are not finite, or, at the end, a black image.
        """
        rows = TiffRows(image, self.outline.data, self.outline.name)
        planes = [plane for plane in self.outline.pages if plane.image is image]
        runners = {plane: self._runner(plane) for plane in planes}
        for tiles in self._tiles(image):
            top, bottom = tiles[0].top, tiles[0].bottom
            seen = [self._window(tile, plane) for tile in tiles for plane in planes]
            first, last = min(one.top for one in seen), max(one.bottom for one in seen)
            held = rows.read(first, last)
            pages = {plane.part: self._restored(plane, runners[plane], tiles, held, first) for plane in planes}
            self.done += bottom - top
            if self.progress is not None:
                self.progress(self.done, self.total)
            yield Band(held[:, :, top - first : bottom - first], pages)
        for runner in runners.values():
            runner.finish()

    def _runner(self, plane: Plane) -> WindowRestorer:
        size = _shown(plane, self.outline)
        return WindowRestorer(self.restorer, size, self.overlap, self.options.ensemble, self.levels[plane], self.look)

    def _tiles(self, image: StoredImage) -> list[list[Tile]]:
        """Return the tiles of each band: bands from top to bottom, tiles from left to right."""
        (height, width), architecture = image.size, self.restorer.architecture
        samples = int(np.prod(image.page.shaped[::4]))
        row_bytes = width * samples * max(np.dtype(image.page.dtype).itemsize, self.outline.item_size(image))
        most = min(BAND_ROWS, max(FEWEST_BAND_ROWS, BAND_BYTES // row_bytes))
        if isinstance(self.options.tile, int):
            high = wide = self.options.tile
        else:
            fit = min(SEEN_AT_ONCE, pixels_that_fit(architecture, self.restorer.device))
            high, wide = shape_within(min(height, most), width, fit, self.overlap, architecture.multiple)
        bands: dict[int, list[Tile]] = {}
        for part in cut(height, width, min(high, most), wide):
            bands.setdefault(part.top, []).append(part)
        return list(bands.values())

    def _window(self, tile: Tile, plane: Plane) -> Tile:
        """Return what is needed around a tile, both as stored."""
        page, multiple = self.outline.pages[plane], self.restorer.architecture.multiple
        reach, step = self.overlap + multiple, self.outline.step(plane, multiple)
        if page.alpha is not None:
            reach *= 2  # the image is continued beneath what is transparent
        turn = page.orientation
        backwards = turn in (3, 4, 6, 7), turn in (2, 3, 7, 8)  # steps count from the first row and column as shown
        return seen_by(tile, plane.image.size, reach, step, backwards)

    def _restored(
        self, plane: Plane, runner: WindowRestorer, tiles: list[Tile], held: AnyPixels, first: int
    ) -> ImagePage:
        """Return a part of a band, given the rows around it, which begin at row ``first``."""
        top, height = tiles[0].top, tiles[0].height
        color: AnyPixels | None = None
        alpha: AnyPixels | None = None
        for tile in tiles:
            seen = self._window(tile, plane)
            page = _page_of(
                plane, self.outline, held[:, :, seen.top - first : seen.bottom - first, seen.left : seen.right]
            )
            run = partial(
                runner.run,
                window=_as_shown(seen, plane, page.orientation),
                core=_as_shown(tile, plane, page.orientation),
            )
            channels, depth = self.restorer.architecture.channels, self.outline.depths[plane]
            done = restore_page(page, run, channels, self.options, depth, self.outline.spans[plane])
            if color is None:
                color = np.empty((height, plane.image.size[1], done.color.shape[2]), done.color.dtype)
                alpha = None if done.alpha is None else np.empty((*color.shape[:2], 1), done.alpha.dtype)
            inside = np.s_[tile.top - seen.top : tile.bottom - seen.top, tile.left - seen.left : tile.right - seen.left]
            there = np.s_[tile.top - top : tile.bottom - top, tile.left : tile.right]
            color[there] = done.color[inside]
            self.gaps += gaps_lost(replace(page, color=page.color[inside]), depth)
            if alpha is not None and done.alpha is not None:
                alpha[there] = done.alpha[inside]
        assert color is not None
        return replace(self.outline.pages[plane], color=color, alpha=alpha)


def _as_shown(tile: Tile, plane: Plane, orientation: int) -> Tile:
    """Return a part of an image as stored in the place where it is shown; see `clearer.images.pixels.upright`."""
    height, width = plane.image.size
    top, bottom, left, right = tile
    if orientation >= 5:
        (top, bottom, left, right), (height, width) = (left, right, top, bottom), (width, height)
    if orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return Tile(top, bottom, left, right)
