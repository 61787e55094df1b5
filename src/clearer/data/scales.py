"""Whether both images of a pair have one scale: 12 bits in a file of 16 are nearly black beside 8 bits in one of 8."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from clearer.core.spread import evenly
from clearer.data.items import Item
from clearer.images.depth import depth_of_file
from clearer.images.pixels import LARGEST_UNIT, WHOLE, Span, depth_of, white_above
from clearer.images.types import AnyPixels
from clearer.images.view import read_image

SAMPLE = 8
"""Number of pairs that are compared."""
_FAR = 3.0  # times brighter or darker, in files of different depth
_NEAR = 0.15  # how exactly brightness and white must agree in their ratio, in files of one depth
_ALIKE = 1.5  # how far the pairs of a set may differ in it
_NOISE = 1.1  # how far noise may exceed white
_BLOCK = 8
_WHITE = {"8": 255.0, "16": 65535.0}


def scale_note(items: Sequence[Item]) -> str | None:
    """Return a line if the degraded images of pairs in two files have another scale than the clean ones.

    Files of different depth have if one side is 3 times brighter. In files of one depth, which may be dark indeed, the
    levels have to end at the white of another camera, and brightness to differ as these whites do. Pairs of 8 bits,
    and pairs side by side, have one scale.

    Raises:
        UserError: a file cannot be read.
    """
    pairs = evenly([item for item in items if item.degraded is not None], SAMPLE)
    found = [_ratio(item) for item in pairs]
    ratios = [ratio for ratio in found if ratio is not None]
    if not ratios or len(ratios) < len(pairs):
        return None
    ratio = statistics.median_low(ratios)
    if max(ratios) > _ALIKE * ratio or min(ratios) * _ALIKE < ratio:
        return None
    times = f"{ratio:.3g} times" if ratio > 1 else f"1/{1 / ratio:.3g} of"
    return (
        f"{pairs[0].degraded}: its brightness is about {times} that of its clean {pairs[0].clean}, and so in other "
        "pairs, as where files have different scales; rescale one side to the black and white of the other"
    )


def _ratio(item: Item) -> float | None:
    """Return how much brighter the degraded image of a pair is; None if both have one scale, as far as can be seen."""
    assert item.degraded is not None
    if depth_of_file(item.clean) == depth_of_file(item.degraded) == "8":
        return None
    clean, degraded = (read_image(path, None, None, None, item.page) for path in (item.clean, item.degraded))
    first, second = (_blocks(_scaled(image, item.span)) for image in (clean, degraded))
    power = float(first @ first)
    ratio = float(first @ second) / power if power else 0.0
    if not (ratio > 0 and math.isfinite(ratio)):
        return None
    if depth_of(clean) != depth_of(degraded):
        return ratio if not 1 / _FAR < ratio < _FAR else None
    expected = _white(degraded) / _white(clean)
    exact = abs(ratio / expected - 1) <= _NEAR
    return ratio if exact and not 1 / _FAR < expected < _FAR else None


def _scaled(image: AnyPixels, span: Span) -> AnyPixels:
    low, high = (0.0, _WHITE.get(depth_of(image), 1.0)) if span == WHOLE or depth_of(image) == "8" else span
    return (image.astype(np.float64) - low) / (high - low)


def _blocks(image: AnyPixels) -> AnyPixels:
    """Return the means of blocks of an image, in which noise is small."""
    height, width = (max(side // _BLOCK, 1) for side in image.shape[:2])
    rows, columns = (np.arange(count) * _BLOCK for count in (height, width))
    cut = image[: height * _BLOCK, : width * _BLOCK].mean(2)
    sums = np.add.reduceat(np.add.reduceat(cut, rows, 0), columns, 1)
    return sums.ravel()


def _white(image: AnyPixels) -> float:
    """Return the white that the levels of an image suggest."""
    most = float(image.max())
    if image.dtype.kind == "f" and most <= LARGEST_UNIT:
        return 1.0
    return white_above(most / _NOISE)
