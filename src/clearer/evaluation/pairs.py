"""The images that a protocol compares: the clean and the degraded one of each item, read, cropped and degraded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clearer.data.items import Item, read_item, without_values
from clearer.evaluation.protocols import Protocol
from clearer.images.nodata import known_in, without_gaps
from clearer.images.pixels import WHOLE, Span, crop_to_multiple, to_uint8, to_unit
from clearer.images.tensors import to_batch
from clearer.images.types import FORMATS, AnyPixels, HiddenPixels, UnitPixels, format_of_suffix


class MeasuredPair(NamedTuple):
    """A clean image and its degraded form, each (1, C, H, W) float32 in units of [0, 1].

    ``where``: (H, W), True for the pixels that have a value in the files and so count; None for all. Both images are
    continued elsewhere.
    """

    clean: Tensor
    degraded: Tensor
    where: Tensor | None


def pair_of(item: Item, protocol: Protocol, seed: int, k: int) -> MeasuredPair:
    """Return the clean and the degraded form of image ``k`` of a set.

    Raises:
        UserError: a file cannot be read, or no pixel that would count has a value.
    """
    clean, degraded, known = read_with_gaps(item, protocol)
    clean = crop_to_multiple(clean, protocol.crop)
    degraded = None if degraded is None else crop_to_multiple(degraded, protocol.crop)
    where = _counted(item, protocol, known)
    source = to_batch(degraded_by(protocol, clean, degraded, seed, k))
    return MeasuredPair(to_batch(unit_image(clean)).clamp(0, 1), source, where)


def check_measured(items: Sequence[Item], protocol: Protocol) -> None:
    """Refuse images of which no pixel that a protocol compares has a value, before any work is done.

    Only files of a format that can have such images are decoded: those that hold NaN, or state a value for none.

    Raises:
        UserError: see `pair_of`.
    """
    for item in items:
        if any(_may_be_empty(path) for path in (item.clean, item.degraded) if path is not None):
            _counted(item, protocol, known_in([image for image in _read(item, protocol) if image is not None]))


def _may_be_empty(path: Path) -> bool:
    kind = format_of_suffix(path)
    return kind is None or "float" in FORMATS[kind].depths


def _counted(item: Item, protocol: Protocol, known: HiddenPixels | None) -> Tensor | None:
    """Return where (H, W) the pixels count that a protocol takes of an image, given where this has values."""
    where = None if known is None else torch.from_numpy(crop_to_multiple(known, protocol.crop).copy())
    if where is not None and not bool(where.any()):
        raise without_values([item])
    return where


def read_for(item: Item, protocol: Protocol) -> tuple[AnyPixels, AnyPixels | None]:
    """Return the clean and the degraded image as a protocol takes them, uint8 or float32 in units of [0, 1].

    Pairs are measured in the depth of their files. A protocol that degrades clean images takes them as 8 bits, as
    published. Images are continued where they have no value.
    """
    clean, degraded, _ = read_with_gaps(item, protocol)
    return clean, degraded


def read_with_gaps(item: Item, protocol: Protocol) -> tuple[AnyPixels, AnyPixels | None, HiddenPixels | None]:
    """Return what `read_for` does, and where (H, W) all images have a value; None for everywhere."""
    images, known = without_gaps([image for image in _read(item, protocol) if image is not None])
    if protocol.needs_pairs:
        images = [_scaled(image, item.span) for image in images]
    else:
        images = [to_uint8(image) if image.dtype.kind == "f" else image for image in images]
    return images[0], images[1] if len(images) > 1 else None, known


def _read(item: Item, protocol: Protocol) -> tuple[AnyPixels, AnyPixels | None]:
    return read_item(item, protocol.channels, None if protocol.needs_pairs else 8, gaps=True)


def _scaled(image: AnyPixels, span: Span) -> AnyPixels:
    as_stored = image.dtype.kind == "f" or (image.dtype == np.uint8 and span == WHOLE)
    return image if as_stored else to_unit(image, span)


def degraded_by(protocol: Protocol, clean: AnyPixels, degraded: AnyPixels | None, seed: int, k: int) -> UnitPixels:
    """Return the degraded form of image ``k``, (H, W, C) float32 in units of [0, 1]: the pair's, or a computed one.

    ``clean`` and ``degraded`` are those of `read_for`, (H, W, C), after any crop.
    """
    if not protocol.needs_pairs:
        return protocol.degradation.degrade_image(clean, seed, k)
    assert degraded is not None  # check_fit
    return unit_image(degraded)


def unit_image(image: AnyPixels) -> UnitPixels:
    """Return an image of `read_for` as float32, 0 black and 1 white."""
    return image if image.dtype == np.float32 else (image / 255).astype(np.float32)
