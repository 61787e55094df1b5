"""Items of a dataset: single images and pairs, read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np

from clearer.core.errors import UserError
from clearer.core.text import few
from clearer.images.nodata import known_in
from clearer.images.pixels import WHOLE, Span, are_levels, to_unit
from clearer.images.types import AnyPixels, HiddenPixels, Uint8Pixels
from clearer.images.view import native_channels, page_header, read_image, read_with_hidden


@dataclass(frozen=True)
class Item:
    """One image or pair, not yet read.

    Args:
        name: file name of the clean image, unique in its set.
        clean: file of the clean image, or of both halves.
        degraded: file of the degraded image of a pair; None if there is none, or if it is a half of ``clean``.
        side: the half that is clean, ``"left"`` or ``"right"``; None if the file is not side by side.
        span: the levels that are black and white in files of 16 bits and floating point.
        page: of files that are stacks, from 0; None for other files, of which the first page is read.
        scene: what the exposures of a scene share; None if there are none.
    """

    name: str
    clean: Path
    degraded: Path | None = None
    side: str | None = None
    span: Span = WHOLE
    page: int | None = None
    scene: str | None = None

    @property
    def is_pair(self) -> bool:
        """Whether there is a degraded image."""
        return self.degraded is not None or self.side is not None


def check_channels(items: Sequence[Item], channels: int, convert: bool = False) -> None:
    """Check by the headers that all files are gray or all are color, as the channels of the network need.

    Color files suit ``channels=1``, which takes their luma. With ``convert`` any mixture is accepted.

    Raises:
        UserError: gray and color files are mixed, or files are gray and 3 channels are needed.
    """
    if channels not in (1, 3):
        raise UserError(f"network.channels: {channels}; images have 1 (gray) or 3 (color)")
    if convert:
        return
    kinds: dict[int, list[Path]] = {1: [], 3: []}
    for item in items:
        for path in (item.clean, item.degraded):
            if path is not None:
                kinds[native_channels(path, item.page)].append(path)
    gray, color = kinds[1], kinds[3]
    if gray and color:
        odd, kind = (gray, "gray") if len(gray) <= len(color) else (color, "color")
        raise UserError(
            f"{odd[0]}: {kind}, in a set of {len(gray)} gray and {len(color)} color files; "
            f"convert or move the {kind} ones, or set data.convert=true"
        )
    if gray and channels == 3:
        raise UserError(
            f"{gray[0]}: gray, but 3 channels are needed, as are all {len(gray)} files of the set; "
            "set network.channels=1, or data.convert=true to repeat gray as color"
        )


def check_sizes(items: Sequence[Item], patch: int) -> None:
    """Check by the headers that no image, or half of one side by side, is smaller than ``patch`` pixels.

    Raises:
        UserError: one is; the message names the first.
    """
    for item in items:
        height, width = item_size(item)
        if min(height, width) < patch:
            what = "a half" if item.side else "the image"
            raise UserError(
                f"{item.clean}: {what} has {width}x{height} pixels, less than a patch of {patch}x{patch}; "
                "remove it or make the patch smaller (search.patch, train.patch)"
            )


def with_levels(items: Sequence[Item], levels: Span | None) -> list[Item]:
    """Return the items of a set with the levels of a model as black and white, if its first image can hold them."""
    if levels is None or not are_levels(read_image(items[0].clean, None, None, None, items[0].page), levels):
        return list(items)
    return [dataclasses.replace(item, span=levels) for item in items]


def in_folder(item: Item, place: str) -> Item:
    """Return an item with its folder in front of its name, for sets in which names repeat."""
    return dataclasses.replace(item, name=f"{Path(place).as_posix()}/{item.name}")


def item_size(item: Item) -> tuple[int, int]:
    """Return the height and width of the clean image or half, from the header."""
    header = page_header(item.clean, item.page)
    return header.height, header.width // 2 if item.side else header.width


@overload
def read_item(
    item: Item, channels: int | None = None, depth: Literal[8] = 8
) -> tuple[Uint8Pixels, Uint8Pixels | None]: ...


@overload
def read_item(
    item: Item, channels: int | None, depth: Literal[8] | None, *, gaps: bool = False
) -> tuple[AnyPixels, AnyPixels | None]: ...


def read_item(
    item: Item, channels: int | None = None, depth: Literal[8] | None = 8, *, gaps: bool = False
) -> tuple[AnyPixels, AnyPixels | None]:
    """Return the clean and the degraded image, (H, W, C); None if there is no degraded image.

    ``channels`` and ``depth`` are those of `clearer.images.view.read_image`: uint8, or the depth of the files. With
    ``gaps``, an image is float32 with NaN where a pixel has no value; otherwise it is continued there.

    Raises:
        UserError: a file cannot be read, or the two images differ in size or channels.
    """
    image = _read(item, item.clean, channels, depth, gaps)
    if item.side is not None:
        return halves(item, image)
    if item.degraded is None:
        return image, None
    degraded = _read(item, item.degraded, channels, depth, gaps)
    check_same_size(item, image.shape[:2], degraded.shape[:2])
    if degraded.shape != image.shape:
        raise UserError(f"{item.degraded}: not of the same channels as its clean {item.clean}; set data.convert=true")
    return image, degraded


def read_with_known(item: Item, channels: int | None = None) -> tuple[AnyPixels, HiddenPixels | None]:
    """Return the clean image of an item in the depth of its file, and where (H, W) it has a value; None for everywhere.

    It is continued elsewhere; see `read_item`. A degraded image in a file of its own is not decoded.

    Raises:
        UserError: the file cannot be read.
    """
    image, hidden = read_with_hidden(item.clean, channels, None, item.span, item.page)
    known = None if hidden is None else ~hidden
    if item.side is None:
        return image, known
    return halves(item, image)[0], None if known is None else halves(item, known[:, :, None])[0][:, :, 0]


def _read(item: Item, path: Path, channels: int | None, depth: Literal[8] | None, gaps: bool) -> AnyPixels:
    pixels, hidden = read_with_hidden(path, channels, depth, item.span, item.page)
    if not gaps or hidden is None:
        return pixels
    span = WHOLE if pixels.dtype == np.uint8 and depth == 8 else item.span  # 8 bits are in units of the span already
    pixels = pixels.copy() if pixels.dtype == np.float32 else to_unit(pixels, span)
    pixels[hidden] = np.nan
    return pixels


def clean_as_stored(item: Item) -> AnyPixels:
    """Return the clean image of an item with the values of its file, whatever its depth.

    A degraded image in a file of its own is not decoded.

    Raises:
        UserError: the file cannot be read.
    """
    image = read_image(item.clean, None, None, None, item.page)
    return image if item.side is None else halves(item, image)[0]


def halves(item: Item, image: AnyPixels) -> tuple[AnyPixels, AnyPixels]:
    """Return the clean and the degraded half of a file that holds both.

    Raises:
        UserError: the width is odd.
    """
    check_even(item.clean, image.shape[1])
    half = image.shape[1] // 2
    left, right = np.ascontiguousarray(image[:, :half]), np.ascontiguousarray(image[:, half:])
    return (left, right) if item.side == "left" else (right, left)


def read_images(
    items: Sequence[Item], channels: int | None = None, *, gaps: bool = False
) -> list[tuple[AnyPixels, AnyPixels | None]]:
    """Return the clean and the degraded image of each item, as `read_item` does, in the depth of the files."""
    return [read_item(item, channels, None, gaps=gaps) for item in items]


def check_values(items: Sequence[Item], images: Sequence[tuple[AnyPixels, AnyPixels | None]]) -> None:
    """Refuse images, or pairs, of which no pixel has a value that can be compared.

    Args:
        items: the images.
        images: what `read_images` returned for these with ``gaps``, or a part of each.

    Raises:
        UserError: there are such; the message names the first ones.
    """
    empty = [
        item
        for item, pair in zip(items, images, strict=True)
        if (known := known_in([image for image in pair if image is not None])) is not None and not known.any()
    ]
    if empty:
        raise without_values(empty)


def without_values(items: Sequence[Item]) -> UserError:
    """Return the error for images, or pairs, of which no pixel has a value that can be compared."""
    names = few([str(item.clean) if item.page is None else f"{item.clean}, page {item.page + 1}" for item in items])
    these = "this image" if len(items) == 1 else f"these {len(items)} images"
    return UserError(f"{names}: no pixel has a value that can be compared; leave {these} out")


def check_same_size(item: Item, clean: tuple[int, ...], degraded: tuple[int, ...]) -> None:
    """Refuse a pair whose images differ in (height, width)."""
    if clean != degraded:
        raise UserError(
            f"{item.degraded}: {degraded[1]}x{degraded[0]} pixels, but its clean {item.clean} has "
            f"{clean[1]}x{clean[0]}; a pair must have one size"
        )


def check_even(path: Path, width: int) -> None:
    """Refuse a file with both halves whose width is odd."""
    if width % 2:
        raise UserError(
            f"{path}: width {width} is odd, so it is not two halves side by side; remove it or set data.layout=clean"
        )
