"""The pixels of an image file, as training, evaluation and the doctor use them.

The decoding is that of `clearer.images.io.read_file`, so every file that can be restored can be learned
from. The view drops what is around the pixels: alpha, later pages, metadata.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, overload

import numpy as np

from clearer.core.errors import UserError
from clearer.images.io import errors_named, read_file, read_header, write_file
from clearer.images.nodata import hidden_of
from clearer.images.pixels import (
    WHOLE,
    Span,
    depth_of,
    dtype_of,
    from_unit,
    gray_of,
    rgb_of_cmyk,
    to_uint8,
    to_unit,
    unmultiplied,
    upright,
)
from clearer.images.tiff.stack import read_stack_page, stack_header
from clearer.images.transparent import extended, is_multiplied
from clearer.images.types import (
    CMYK,
    GRAY,
    RGB,
    SUFFIXES,
    WIDE,
    AnyPixels,
    Header,
    HiddenPixels,
    ImageFile,
    ImagePage,
    Uint8Pixels,
    format_of_suffix,
    stated_white,
)


def native_channels(path: str | Path, page: int | None = None) -> int:
    """Return 1 for a gray file and 3 for a color file; only the header is read.

    CMYK and palettes count as color; alpha is not counted.

    Args:
        path: the file.
        page: of a stack, from 0.

    Raises:
        UserError: as for `clearer.images.io.read_header`.
    """
    return page_header(path, page).channels


def page_header(path: str | Path, page: int | None = None) -> Header:
    """Return the size, as displayed, and the channels of a page of a stack, or of the first page of any file.

    Raises:
        UserError: as for `clearer.images.io.read_header`.
    """
    return read_header(path) if page is None else stack_header(Path(path), page)


@overload
def read_image(
    path: str | Path,
    channels: int | None = None,
    depth: Literal[8] = 8,
    span: Span | None = WHOLE,
    page: int | None = None,
) -> Uint8Pixels: ...


@overload
def read_image(
    path: str | Path,
    channels: int | None,
    depth: Literal[8] | None,
    span: Span | None = WHOLE,
    page: int | None = None,
) -> AnyPixels: ...


def read_image(
    path: str | Path,
    channels: int | None = None,
    depth: Literal[8] | None = 8,
    span: Span | None = WHOLE,
    page: int | None = None,
) -> AnyPixels:
    """Return the pixels of a file (H, W, C), rotated as its EXIF orientation says.

    Alpha is dropped. CMYK becomes RGB without its color profile. Where there is no value (NaN, GDAL_NODATA, fully
    transparent pixels), the image is continued as in a mirror; see `read_with_hidden`.

    Args:
        path: a file of any format that `clearer.images.io.read_file` reads.
        channels: 1 converts color to its ITU-R BT.601 luma (for 8 bits, Pillow's mode "L"); 3 repeats gray
            three times; None keeps gray as C = 1 and color as C = 3.
        depth: 8 returns uint8: 16 bits are rounded as ``round(value / 257)``, floating point is clipped to
            [0, 1] and rounded. None returns the depth of the file: uint8, uint16, or float32 with 0 black and
            1 white, not clipped.
        span: the levels that are black and white. With ``depth`` None, integers stay as they are. None checks
            nothing, and returns floating point as stored. Integers of other depths count as floating point (see
            `clearer.images.types.WIDE`).
        page: of a stack (see `clearer.images.tiff.stack`), from 0; by default the first page or frame of any file.

    Raises:
        UserError: the file cannot be read, its floating-point values are infinite, or values lie outside the span
            by more than its length.
    """
    return read_with_hidden(path, channels, depth, span, page)[0]


def read_with_hidden(
    path: str | Path,
    channels: int | None = None,
    depth: Literal[8] | None = 8,
    span: Span | None = WHOLE,
    page: int | None = None,
) -> tuple[AnyPixels, HiddenPixels | None]:
    """Return the pixels of a file as `read_image` does, and where (H, W) they have no value; None for nowhere."""
    if channels not in (None, GRAY, RGB):
        raise UserError(f"{path}: cannot be read as {channels} channels; use 1 (gray) or 3 (color)")
    found = read_file(path, first_page=True).pages[0] if page is None else read_stack_page(Path(path), page)
    found, hidden = _continued(found)
    with errors_named(str(path) if page is None else f"{path}, page {page + 1}"):
        pixels = _in_channels(_at_own_depth(found, span), channels)
        if span is not None and span != WHOLE and pixels.dtype.kind != "f":
            scaled = to_unit(pixels, span)  # refuses levels far outside the span
            pixels = pixels if depth is None else scaled
        if depth == 8:
            pixels = to_uint8(pixels)
        shown = np.require(upright(pixels, found.orientation), requirements=["C", "W"])
    return shown, None if hidden is None else np.ascontiguousarray(upright(hidden, found.orientation))


def _continued(page: ImagePage) -> tuple[ImagePage, HiddenPixels | None]:
    """Return a page with the image continued where there is no value, and where (H, W) that is; color without alpha.

    Fully transparent pixels have none: what editors leave beneath them is no image. Alpha that is 0 everywhere says
    nothing, as in files that only reserve a channel for it.
    """
    found = hidden_of(page)
    hidden = None if found is None else np.asarray(found.any(2))
    alpha = page.alpha
    if alpha is not None:
        if is_multiplied(page):
            page = replace(page, color=unmultiplied(page.color, alpha))
        clear = alpha[:, :, 0] == 0
        if clear.any() and not clear.all():
            hidden = clear if hidden is None else hidden | clear
    if hidden is None:
        return page, None
    color = np.zeros_like(page.color) if hidden.all() else extended(page.color, ~hidden)
    return replace(page, color=color), hidden


def _at_own_depth(page: ImagePage, span: Span | None) -> AnyPixels:
    """Return gray or color as stored in the file; bilevel becomes 8 bits, floating point float32 by the span."""
    pixels = page.color
    if pixels.dtype.kind == "b":
        return to_uint8(pixels)
    if depth_of(pixels) in WIDE:
        pixels = pixels.astype(np.float64)
    if pixels.dtype.kind != "f":
        levels, white = page.own.get("levels"), stated_white(page)
        if white is not None and span is not None and span != WHOLE:  # whose levels are those of the file
            return np.rint(pixels * (white / np.iinfo(pixels.dtype).max)).astype(pixels.dtype)
        # Of 10 or 12 bits, 16 are made, so that white is white whatever the other files of the set have.
        return pixels if levels is None else from_unit(to_unit(pixels, levels), dtype_of(depth_of(pixels)))
    return pixels.astype(np.float32) if span is None else to_unit(pixels, span)


def _in_channels(pixels: AnyPixels, channels: int | None) -> AnyPixels:
    if pixels.shape[2] == CMYK:
        pixels = rgb_of_cmyk(pixels)
    if channels == GRAY and pixels.shape[2] == RGB:
        return gray_of(pixels)
    return np.repeat(pixels, 3, axis=2) if channels == RGB and pixels.shape[2] == GRAY else pixels


def write_image(path: str | Path, array: Uint8Pixels) -> None:
    """Write uint8 (H, W), (H, W, 1) or (H, W, 3) atomically, in the format of the suffix.

    JPEG has quality 95 without chroma subsampling; WebP is lossless.

    Raises:
        UserError: no format has this suffix, the image is too large for the format, or the file cannot
            be written.
        ValueError: the array has another type or shape.
    """
    path = Path(path)
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (GRAY, RGB) or not array.size:
        raise ValueError(f"an image is uint8 (H, W), (H, W, 1) or (H, W, 3), not {array.dtype} {array.shape}")
    format = format_of_suffix(path)
    if format is None:
        raise UserError(f"{path}: cannot be written as {path.suffix!r}; end the name in {', '.join(SUFFIXES)}")
    write_file(path, ImageFile(format, (ImagePage(array),)))
