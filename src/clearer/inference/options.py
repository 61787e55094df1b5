"""RestoreOptions: how images, files and folders are restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clearer.core.errors import UserError, nearest
from clearer.images.nodata import hidden_of, without
from clearer.images.pixels import LARGEST_UNIT, WHOLE, Span, are_levels, camera_levels, levels_hold
from clearer.images.types import AnyPixels, ImagePage, stated_white
from clearer.inference.tiling import Overlap, Tiling, as_tiling, parse_overlap

COLORS = ("luma", "channels")

_MARGIN = 1 / 20  # share of a model's levels by which noise may exceed them


@dataclass(frozen=True)
class RestoreOptions:
    """Options for restoring images, files and folders. All have a default.

    Attributes:
        color: how a gray network (one channel) treats color pages. ``"luma"`` restores the luma (BT.601) and
            changes R, G and B by the same amount, which keeps the color; ``"channels"`` restores R, G and B
            one by one.
        strength: blends input and output: 0 gives the input, 1 the network's output.
        sigma: the noise level that a network is told, if it takes one: a number of gray levels, or a map (H, W) for
            all images; see `clearer.Restorer.restore`. By default each image is measured.
        span: the values that stand for black and white in floating-point images; if not 0 and 1, also in
            images of 8 and 16 bits (0 and 4095 for 12 bits stored in 16). By default ``levels``, in 16 bits what
            seems to be a camera's (`noticed`), or 0 and 1.
        levels: those of the model's training images (see `clearer.zoo.card.ModelCard.span`), for the images that
            `clearer.images.pixels.are_levels` states, unless ``span`` says otherwise.
        bands: the bands that are restored, numbered from 1; others stay. By default all. These are the samples of a
            pixel (R, G and B are 1, 2 and 3), or the channels of a TIFF stack that states them. Alpha is none.
        ensemble: use the x8 self-ensemble, at eight times the cost.
        tile, overlap: see `clearer.Restorer.restore`.
        format: output format of files, such as ``"png"``; by default that of the output's name, or of the input.
        depth: ``"1"``, ``"8"``, ``"16"`` (bits per channel) or ``"float"``; by default that of the input.
        quality: 1 to 100, of lossy formats and videos.
        skip_existing: leave output files that exist as they are.
        recursive: include sub-folders of a folder, which are created again below the output folder.
        pattern: restore the files of a folder that match, whatever their suffix: ``*.png``, or with a slash
            ``day?/*.png``, which is matched against the path below the folder. By default, all images and no videos.
        compare: a PNG file that gets one image before and after, side by side.
        check: look whether the model fits each image, see `clearer.inference.fit_check.FitCheck`.

    Raises:
        UserError: ``color``, ``strength``, ``span``, ``tile`` or ``overlap`` is out of range.
    """

    color: str = "luma"
    strength: float = 1.0
    sigma: float | npt.NDArray[np.float32] | None = field(default=None, compare=False)
    span: Span | None = None
    levels: Span | None = None
    bands: tuple[int, ...] | None = None
    ensemble: bool = False
    tile: Tiling = "auto"
    overlap: Overlap = "auto"
    format: str | None = None
    depth: str | None = None
    quality: int | None = None
    skip_existing: bool = False
    recursive: bool = False
    pattern: str | None = None
    compare: str | Path | None = None
    check: bool = True

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise UserError(f"color: {self.color!r} is not one of {', '.join(COLORS)}{nearest(self.color, COLORS)}")
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength: {self.strength:g} is not between 0 (the input) and 1 (the network's output)")
        try:
            low, high = (float(value) for value in self.span or WHOLE)
        except (TypeError, ValueError):
            raise UserError(f"range: {self.span!r} is not two numbers with the smaller one first") from None
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise UserError(f"range: {low:g},{high:g} is not two numbers with the smaller one first")
        if self.bands is not None and (not self.bands or min(self.bands) < 1):
            raise UserError(f"bands: {', '.join(map(str, self.bands)) or 'none'}; number them from 1")
        as_tiling(self.tile)
        parse_overlap(self.overlap)

    def color_note(self, channels: int) -> str | None:
        """Return that ``color`` changes nothing for a network of this many channels, if it is stated."""
        if self.color == "luma" or channels == 1:
            return None
        return f"--color {self.color}: is for gray models, and this one takes {channels} channels; it changes nothing"

    def span_of(self, pixels: AnyPixels) -> Span:
        """Return the values that stand for black and white in an image."""
        if self.span is not None:
            return self.span
        return self.levels if self.levels is not None and are_levels(pixels, self.levels) else WHOLE

    def span_of_page(self, page: ImagePage) -> Span:
        """Return the values that stand for black and white on a page of a file, which may state them itself."""
        own, white = page.own.get("levels"), stated_white(page)
        if white is not None:
            return self._scaled(white, np.iinfo(page.color.dtype).max)
        if own is None or self.span is not None:
            return self.span_of(_shown(page))
        return self.levels if self.levels is not None and _near(own, self.levels) else own

    def noticed(self, pages: Sequence[ImagePage]) -> Span | None:
        """Return black and white of a camera of 12 or 14 bits, if that is what the pages of 16 bits seem to be by.

        A network takes such an image for nearly black, and makes errors larger than its noise. None where the levels
        are stated: by the user, by the file, or by the model whose training images had such levels.
        """
        if self.span is not None:
            return None
        plain = [_shown(page) for page in pages if _is_plain(page) and self.span_of_page(page) == WHOLE]
        if not plain:
            return None
        return camera_levels(min(int(color.min()) for color in plain), max(int(color.max()) for color in plain))

    def white_in_new_depth(self, page: ImagePage, span: Span) -> float:
        """Return what share of white the white of ``span`` is, where the page is written in another depth.

        Stated levels become black and white there. Noticed ones do not: a dim photograph stays as dim as it is.
        """
        stated = self.span is not None or not _is_plain(page) or span in (WHOLE, self.levels)
        return 1.0 if stated else span[1] / np.iinfo(page.color.dtype).max

    def _scaled(self, white: int, largest: int) -> Span:
        """Return black and white of a page whose levels up to ``white`` were scaled to ``largest`` when it was read."""
        if self.span == WHOLE:  # of floats; integers have their own
            return WHOLE
        model = self.levels if self.levels is not None and levels_hold(self.levels, white, 0, white) else None
        low, high = (level * largest / white for level in self.span or model or (0, white))
        return WHOLE if (low, high) == (0, largest) else (low, high)

    def spans_of(self, pages: Sequence[ImagePage]) -> list[Span]:
        """Return the values that stand for black and white on each page of a file.

        Levels of the model that hold for one page of floats hold for all of them: a dark page is no page of units. The
        levels of a camera of 12 or 14 bits in 16 bits are noticed, also on all pages together.
        """
        spans, levels = [self.span_of_page(page) for page in pages], self.levels
        if (noticed := self.noticed(pages)) is not None:
            spans = [noticed if _is_plain(page) else span for page, span in zip(pages, spans, strict=True)]
        floats = [page.color.dtype.kind == "f" for page in pages]
        if levels is None or not any(own and span == levels for own, span in zip(floats, spans, strict=True)):
            return spans
        return [levels if own else span for own, span in zip(floats, spans, strict=True)]


def _shown(page: ImagePage) -> AnyPixels:
    """Return the pixels of a page without those that hold no value."""
    hidden = hidden_of(page)
    return page.color if hidden is None else without(page.color, hidden)


def _is_plain(page: ImagePage) -> bool:
    """Return whether a page has 16 bits of which nothing states black and white."""
    return page.color.dtype == np.uint16 and "levels" not in page.own and stated_white(page) is None


def _near(own: Span, levels: Span) -> bool:
    """Return whether the levels of an image are levels of a camera, but for noise that exceeds them."""
    margin = _MARGIN * (levels[1] - levels[0])
    return levels[1] > LARGEST_UNIT and levels[0] - margin <= own[0] and own[1] <= levels[1] + margin
