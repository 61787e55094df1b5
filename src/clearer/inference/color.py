"""Run a network on the pages of an image file: gray, RGB or CMYK, of any depth.

On a color page, a gray network (one channel) restores the luma or each channel. On a gray page, a color
network (three channels) sees three equal channels. C, M and Y are restored as the light that they let through,
and K by itself. Alpha is not changed, nor are the colors under fully transparent pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.images.convert import depth_for, fitted
from clearer.images.nodata import Hidden, hidden_of, none_in, put_back, put_none, without
from clearer.images.pixels import (
    BT601,
    WHOLE,
    Span,
    depth_of,
    dtype_of,
    from_unit,
    is_exact_in_units,
    moved,
    to_unit,
    turned_back,
    upright,
)
from clearer.images.tensors import to_array, to_batch
from clearer.images.thumbnail import beside_restored
from clearer.images.transparent import continued, is_multiplied
from clearer.images.types import (
    CMYK,
    GRAY,
    WIDE,
    AnyPixels,
    ImageFile,
    ImagePage,
    UnitPixels,
    with_notes,
)
from clearer.inference.noise_level import WHITE, NoiseLevel, unit_level
from clearer.inference.options import RestoreOptions

_MARGIN = 1 / 20  # share of the span by which pixels may exceed it without a note

Run = Callable[[UnitPixels], UnitPixels]
"""A network of C channels: maps (H, W, C) in [0, 1] to the same shape; NaN, where there is no value, to any."""


def restore_file(image: ImageFile, run: Run, channels: int, options: RestoreOptions, format: str) -> ImageFile:
    """Restore an image as it is to be written: all pages, in the depth that they have in the output, and thumbnails.

    Every way that a file takes through memory ends here, so that all of them keep and note the same.

    Args:
        image: the decoded file.
        run: the network.
        channels: of the network.
        options: color, strength, span and depth.
        format: of the output, a key of `FORMATS`.

    Returns:
        The file that `write_file` takes, with notes on its values and on what its format cannot hold.

    Raises:
        UserError: see `fitted`, `depth_for` and `to_unit`; or the network cannot restore the page.
    """
    check_bands(image.pages, options)
    depths = [depth_for(page, format, options.depth) for page in image.pages]
    spans = options.spans_of(image.pages)
    pages = tuple(
        restore_page(page, run, channels, options, depth, span)
        for page, span, depth in zip(image.pages, spans, depths, strict=True)
    )
    gaps = gaps_note(sum(map(gaps_lost, image.pages, depths)))
    restored = with_notes(replace(image, pages=pages), *notes_on(image, channels, options), *gaps)
    return beside_restored(image, fitted(restored, format))


def check_bands(pages: Sequence[ImagePage], options: RestoreOptions) -> None:
    """Check that an image has the bands that are to be restored.

    Raises:
        UserError: it has not.
    """
    known = {number for page in pages for number in _bands_of(page)}
    unknown = sorted(set(options.bands or ()) - known)
    if unknown:
        numbers = ", ".join(map(str, sorted(known)))
        raise UserError(f"has no band {unknown[0]} that can be restored; choose --bands from {numbers} (alpha is none)")


def _bands_of(page: ImagePage) -> tuple[int, ...]:
    return page.own.get("bands") or tuple(range(1, page.color.shape[2] + 1))


def _stays(page: ImagePage, options: RestoreOptions) -> list[int]:
    """Return the channels that are not to be restored."""
    chosen = options.bands
    return [] if chosen is None else [k for k, number in enumerate(_bands_of(page)) if number not in chosen]


def notes_on(image: ImageFile, channels: int, options: RestoreOptions) -> list[str]:
    """Return notes on the values of an image, for a network of ``channels``."""
    notes = []
    for number, (page, span) in enumerate(zip(image.pages, options.spans_of(image.pages), strict=True), 1):
        beyond = _beyond(page, span)
        if beyond:
            notes.append(f"page {number}: {beyond}" if len(image.pages) > 1 else beyond)
    more = (_camera_levels(image, options), _own_levels(image, options), _bands(image, channels, options))
    return [*notes, *(note for note in more if note)]


def training_levels_note(image: ImageFile, options: RestoreOptions) -> str | None:
    """Return a note if the levels of the model's training images are black and white in an image."""
    levels = options.levels
    spans = zip(image.pages, options.spans_of(image.pages), strict=True)
    if levels is None or options.span is not None or not any(s == levels for p, s in spans if "levels" not in p.own):
        return None
    return f"levels {levels[0]:g} and {levels[1]:g} are black and white, as in training (--range says otherwise)"


def _own_levels(image: ImageFile, options: RestoreOptions) -> str | None:
    """Return a note on the levels that are black and white in integers of no usual range."""
    pages = [page for page in image.pages if depth_of(page.color) in WIDE]
    if not pages or options.span is not None:
        return None
    (low, high), name = options.span_of_page(pages[0]), pages[0].color.dtype.name
    return (
        f"its {name} levels {low:.10g} and {high:.10g} are taken as black and white; set others with --range LOW,HIGH"
    )


def _bands(image: ImageFile, channels: int, options: RestoreOptions) -> str | None:
    """Return a note if a color network restores bands that are no colors."""
    count = sum(bool(page.own.get("band")) and not _stays(page, options) for page in image.pages)
    if not count or channels == GRAY:
        return None
    return f"{count} bands that are no RGB are restored one by one as gray, by a color model; a gray model suits them"


def _camera_levels(image: ImageFile, options: RestoreOptions) -> str | None:
    """Return a note if a file of 16 bits seems to hold the 12 or 14 of a camera."""
    noticed = options.noticed(image.pages)
    if noticed is None:
        return None
    pages = [page.color for page in image.pages if page.color.dtype == np.uint16]
    least, most, white = min(int(p.min()) for p in pages), max(int(p.max()) for p in pages), int(noticed[1])
    own = f"; it is dim: --range {least},{most} sets its own" if most < white // 2 else ""
    return (
        f"its levels end at {most} of 65535, as of a camera of {white.bit_length()} bits: 0 is black and {white} is "
        f"white (--range 0,65535 keeps all 16 bits{own})"
    )


def _beyond(page: ImagePage, span: Span) -> str | None:
    """Return a note if pixels exceed the span by more than a twentieth of its length."""
    depth = depth_of(page.color)
    if depth == "1" or (depth != "float" and span == WHOLE):
        return None
    hidden = hidden_of(page)
    color = page.color if hidden is None else without(page.color, hidden)
    (low, high), least, most = span, float(color.min()), float(color.max())
    margin = (high - low) * _MARGIN
    if not (least < low - margin or most > high + margin):
        return None
    what = "floats" if depth == "float" else "levels"
    return (
        f"its {what} reach from {least:g} to {most:g}; those beyond {low:g} and {high:g} are clipped; "
        "set black and white with --range LOW,HIGH"
    )


def most_runs(page: ImagePage, channels: int, options: RestoreOptions) -> int:
    """Return the largest number of times that the network runs on a page. It runs once where R, G and B are equal."""
    found = int(page.color.shape[2])
    return _runs_on_colors(found, channels, options) + int(found == CMYK)  # K by itself


def most_runs_on(x: Tensor, channels: int, options: RestoreOptions) -> int:
    """Return the largest number of times that `restore_batch` runs the network on (B, C, H, W)."""
    if _is_direct(x, channels, options):
        return 1
    return len(x) * _runs_on_colors(x.shape[1], channels, options)


def _runs_on_colors(found: int, channels: int, options: RestoreOptions) -> int:
    return 3 if found != GRAY and channels == GRAY and options.color == "channels" else 1


def gaps_lost(page: ImagePage, depth: str) -> int:
    """Return the number of samples without a value that become black, since the page gets another depth."""
    stays = depth == depth_of(page.color) or none_in(dtype_of(depth), page.own.get("nodata")) is not None
    hidden = None if stays else hidden_of(page)
    return 0 if hidden is None else int(hidden.sum())


def gaps_note(count: int) -> tuple[str, ...]:
    """Return a note on samples that got a value, if there are any."""
    return (f"{count:,} samples have no value (NaN or GDAL_NODATA), and are black in the new file",) if count else ()


def restore_page(
    page: ImagePage, run: Run, channels: int, options: RestoreOptions, depth: str, span: Span | None = None
) -> ImagePage:
    """Restore one page; its color and alpha get ``depth``. See `restore_file` for the other arguments.

    ``span``: the values that are black and white; by default those of the page by itself.

    Where there is no value, there is none in the result, or black where a new depth has nothing that states this.
    """
    stays = depth == depth_of(page.color)
    dtype = page.color.dtype if stays else dtype_of(depth)
    span, hidden = options.span_of_page(page) if span is None else span, hidden_of(page)
    x = to_unit(page.color if hidden is None else without(page.color, hidden), span)
    kept = _stays(page, options)
    nothing = len(kept) == x.shape[2] or (hidden is not None and hidden.all())
    y = x if nothing else _restored_page(page, x, hidden, run, channels, options)
    if kept and not nothing:
        y = y.copy()
        y[:, :, kept] = x[:, :, kept]
    if stays and (depth == "float" or not is_exact_in_units(dtype, span)):
        color = moved(page.color, y - x, span)  # float32 holds neither float64 nor 32 bits
    elif stays:
        color = from_unit(y, dtype, span)
    else:
        color = from_unit(y * np.float32(options.white_in_new_depth(page, span)), dtype)
    if hidden is not None and not stays:
        color = put_none(color, hidden, page.own.get("nodata"))
    elif hidden is not None:
        color = put_back(color, page.color, hidden, page.own.get("nodata"))
    alpha: AnyPixels | None = page.alpha
    if alpha is not None and alpha.dtype != dtype:
        alpha = from_unit(to_unit(alpha), dtype)
    return replace(page, color=color, alpha=alpha)


def _restored_page(
    page: ImagePage, x: UnitPixels, hidden: Hidden | None, run: Run, channels: int, options: RestoreOptions
) -> UnitPixels:
    """Return the restored pixels of a page, oriented as they are stored; they stay where they are hidden."""
    restored = partial(restore_pixels, run=run, channels=channels, options=options)
    # ``run`` fills what is NaN.
    known = x if hidden is None else np.where(hidden, np.float32(np.nan), x)
    shown = np.ascontiguousarray(upright(known, page.orientation))
    if page.alpha is None:
        y = restored(shown)
    else:
        y = _beside_transparent(shown, upright(to_unit(page.alpha), page.orientation), is_multiplied(page), restored)
    y = np.ascontiguousarray(turned_back(y, page.orientation))
    return y if hidden is None else np.where(hidden, x, y)


def _beside_transparent(x: UnitPixels, alpha: UnitPixels, multiplied: bool, restored: Run) -> UnitPixels:
    """Restore the pixels that are seen, as if the image went on under the others, whose colors stay.

    Args:
        x: (H, W, C).
        alpha: (H, W, 1).
        multiplied: whether the colors are multiplied by alpha. They are restored without it.
        restored: restores (H, W, C).
    """
    seen = alpha[:, :, 0] > 0
    if not multiplied:
        return np.where(seen[:, :, None], restored(continued(x, alpha, multiplied)), x)
    straight = continued(x, alpha, multiplied)
    changed = x + alpha * (restored(straight) - straight)
    return np.asarray(np.where(seen[:, :, None], changed, x), np.float32)


def restore_pixels(x: UnitPixels, run: Run, channels: int, options: RestoreOptions) -> UnitPixels:
    """Restore (H, W, C) in [0, 1], gray, RGB or CMYK, with a network of ``channels``; blend by ``strength``.

    Raises:
        UserError: the network takes neither one channel nor those of ``x``.
    """
    if options.strength == 0:
        return x
    y = _restored(x, partial(_in_channels, run=run, channels=channels, color=options.color))
    return y if options.strength == 1 else x + np.float32(options.strength) * (y - x)


def restore_batch(
    x: Tensor,
    run: Callable[[Tensor, NoiseLevel | None], Tensor],
    channels: int,
    options: RestoreOptions,
    level: NoiseLevel | None,
) -> Tensor:
    """Restore a batch (B, C, H, W) in [0, 1] with a network of ``channels``, as `restore_pixels` does one image.

    Args:
        run: the network: a batch of its channels, and the noise level in gray levels -> the same shape.
        level: of the batch, in gray levels; None: ``run`` estimates it.
    """
    if _is_direct(x, channels, options):
        return run(x, level)
    levels = [None] * len(x) if level is None else unit_level(level, tuple(x.shape)) * WHITE

    def restored(one: Tensor, level: Tensor | None) -> Tensor:
        def on_array(part: UnitPixels) -> UnitPixels:
            return to_array(run(to_batch(part), level).clamp(0, 1))  # as where files are restored

        return torch.from_numpy(restore_pixels(to_array(one), on_array, channels, options)).permute(2, 0, 1)

    return torch.stack([restored(*pair) for pair in zip(x, levels, strict=True)]).to(x.device)


def _is_direct(x: Tensor, channels: int, options: RestoreOptions) -> bool:
    """Return whether a network of ``channels`` restores the whole of a batch (B, C, H, W) at once."""
    return x.shape[1] == channels and options.strength == 1


def _restored(x: UnitPixels, run: Run) -> UnitPixels:
    """Run a network that takes gray and RGB on (H, W, C) of gray, RGB or CMYK."""
    if x.shape[2] != CMYK:
        return run(x)
    light = 1 - x
    return 1 - np.concatenate([run(light[:, :, :3]), run(light[:, :, 3:])], 2)


def _in_channels(x: UnitPixels, run: Run, channels: int, color: str) -> UnitPixels:
    """Run a network of one or three channels on (H, W, 1 or 3)."""
    found = x.shape[2]
    if found == channels:
        return run(x)
    if found == 1:
        return np.asarray(run(np.repeat(x, channels, axis=2)).mean(2, keepdims=True), np.float32)
    if channels != 1:
        raise UserError(f"has {found} channels where the model takes {channels}; choose another model")
    if np.array_equal(x, np.broadcast_to(x[:, :, :1], x.shape), equal_nan=True):
        return np.repeat(run(np.ascontiguousarray(x[:, :, :1])), 3, axis=2)
    if color == "channels":
        return np.concatenate([run(np.ascontiguousarray(x[:, :, k : k + 1])) for k in range(3)], 2)
    luma: UnitPixels = (x @ np.array(BT601, np.float32))[:, :, None]
    change = run(luma) - luma
    change[np.isnan(luma)] = 0  # of a pixel that lacks a value in one channel, the others stay
    changed = x + change
    return np.asarray(changed.clip(0, 1), np.float32)
