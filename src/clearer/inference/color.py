"""The network on the pages of an image file: gray, color or inks, of any depth.

A network of one channel on a color page works on luma or on each channel; one of three channels on a
gray page sees it thrice. Inks are restored as the light that they let through, black for itself. Alpha
stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from clearer.core.errors import UserError, nearest
from clearer.images.convert import depth_for
from clearer.images.pixels import WHOLE, Span, depth_of, dtype_of, from_unit, to_unit, turned_back, upright
from clearer.images.types import CMYK, GRAY, AnyPixels, ImageFile, ImagePage, UnitPixels, with_notes

COLORS = ("luma", "channels")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601, full range

Run = Callable[[UnitPixels], UnitPixels]
"""A network of C channels: (H, W, C) in [0, 1] -> the same."""


@dataclass(frozen=True)
class How:
    """How images are restored.

    Attributes:
        color: what a network of one channel works on in color pages. "luma": the color is kept, luma
            (BT.601) changes, by the same amount in R, G and B; "channels": each of R, G, B for itself.
        strength: 0 gives the input, 1 what the network made, between them a blend.
        span: which floats are black and white in floating-point images; if not 0 and 1, also which levels of
            8 and 16 bits (a camera's 12 bits in a file of 16 are 0 and 4095).
    """

    color: str = "luma"
    strength: float = 1.0
    span: Span = WHOLE

    def __post_init__(self) -> None:
        if self.color not in COLORS:
            raise UserError(f"color: {self.color!r} is not one of {', '.join(COLORS)}{nearest(self.color, COLORS)}")
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength: {self.strength:g} is not from 0 (the input) to 1 (what the network made)")
        low, high = self.span
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise UserError(f"range: {low:g},{high:g} is not two numbers of which the first is the smaller")


def restore_file(
    image: ImageFile, run: Run, channels: int, how: How, format: str, depth: str | None = None
) -> ImageFile:
    """Return the image with all its pages restored, in the depth that they will have in ``format``.

    Raises:
        UserError: as `depth_for`, `to_unit` and the network do.
    """
    pages, notes = [], []
    for number, page in enumerate(image.pages, 1):
        beyond = _beyond(page, how.span)
        if beyond:
            notes.append(f"page {number}: {beyond}" if len(image.pages) > 1 else beyond)
        pages.append(restore_page(page, run, channels, how, depth_for(page, format, depth)))
    return with_notes(replace(image, pages=tuple(pages)), *notes)


def _beyond(page: ImagePage, span: Span) -> str | None:
    """Return what to say of pixels that reach beyond black and white by more than a twentieth, if they do."""
    depth = depth_of(page.color)
    if depth == "1" or (depth != "float" and span == WHOLE):
        return None
    (low, high), least, most = span, float(page.color.min()), float(page.color.max())
    margin = (high - low) / 20
    if not (least < low - margin or most > high + margin):
        return None
    what = "floats" if depth == "float" else "levels"
    return (
        f"its {what} reach from {least:g} to {most:g}; what is beyond {low:g} and {high:g} comes back as these: "
        "--range LOW,HIGH says what is black and white"
    )


def most_runs(page: ImagePage, channels: int, how: How) -> int:
    """Return how often a network of so many channels runs on a page, at most: where R, G and B are equal, once."""
    found = int(page.color.shape[2])
    if not how.strength:
        return 0
    of_colors = 3 if found != GRAY and channels == GRAY and how.color == "channels" else 1
    return of_colors + int(found == CMYK)  # black for itself


def restore_page(page: ImagePage, run: Run, channels: int, how: How, depth: str) -> ImagePage:
    """Return the page restored, its color and alpha of the depth asked for. ``channels``: of the network."""
    stays = depth == depth_of(page.color)
    dtype = page.color.dtype if stays and depth == "float" else dtype_of(depth)
    x = to_unit(page.color, how.span)
    x = np.ascontiguousarray(upright(x, page.orientation))
    y = seen_as(x, run, channels, how)
    y = np.ascontiguousarray(turned_back(y, page.orientation))
    color = from_unit(y, dtype, how.span if stays else WHOLE)
    alpha: AnyPixels | None = page.alpha
    if alpha is not None and alpha.dtype != dtype:
        alpha = from_unit(to_unit(alpha), dtype)
    return replace(page, color=color, alpha=alpha)


def seen_as(x: UnitPixels, run: Run, channels: int, how: How) -> UnitPixels:
    """Run a network of so many channels on (H, W, C) in [0, 1], gray, RGB or inks; blend as ``how`` says."""
    if not how.strength:
        return x
    y = _restored(x, partial(_seen, run=run, channels=channels, color=how.color))
    return y if how.strength == 1 else x + np.float32(how.strength) * (y - x)


def _restored(x: UnitPixels, seen: Run) -> UnitPixels:
    """Restore (H, W, C) of gray, RGB or inks."""
    if x.shape[2] != CMYK:
        return seen(x)
    light = 1 - x
    return 1 - np.concatenate([seen(light[:, :, :3]), seen(light[:, :, 3:])], 2)


def _seen(x: UnitPixels, run: Run, channels: int, color: str) -> UnitPixels:
    """Run a network of 1 or 3 channels on (H, W, 1 or 3)."""
    found = x.shape[2]
    if found == channels:
        return run(x)
    if found == 1:
        return np.asarray(run(np.repeat(x, channels, axis=2)).mean(2, keepdims=True), np.float32)
    if channels != 1:
        raise UserError(f"has {found} channels where the model takes {channels}; choose another model")
    if bool((x == x[:, :, :1]).all()):
        return np.repeat(run(np.ascontiguousarray(x[:, :, :1])), 3, axis=2)
    if color == "channels":
        return np.concatenate([run(np.ascontiguousarray(x[:, :, k : k + 1])) for k in range(3)], 2)
    luma: UnitPixels = (x @ _LUMA)[:, :, None]
    changed = x + (run(luma) - luma)
    return np.asarray(changed.clip(0, 1), np.float32)
