"""The depth that pixels really use: 12 bits in files of 16, and clipped values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearer.images.types import AnyPixels


def used_bits(images: Sequence[AnyPixels]) -> int | None:
    """Return the number of bits that the values of integer images use; None of floating point.

    12 bits are found whether they are stored as 0 to 4095 or multiplied by 16. Values multiplied by another
    number, such as 257 for 8 bits in 16, are counted by their steps.

    Args:
        images: of one dtype.
    """
    if images[0].dtype.kind not in "ub":
        return None
    if images[0].dtype.kind == "b":
        return 1
    used = np.zeros(np.iinfo(images[0].dtype).max + 1, dtype=bool)
    for image in images:
        used[np.unique(image)] = True
    values = np.flatnonzero(used)
    step = int(np.gcd.reduce(values)) or 1
    return max(1, int(values[-1] // step).bit_length())


def clipped_shares(images: Sequence[AnyPixels]) -> tuple[float, float]:
    """Return the shares of values that are black, and that are white: the end of the bits used, or of [0, 1].

    A floating-point image with values beyond an end was not clipped there.

    Args:
        images: of one dtype.
    """
    count = sum(image.size for image in images)
    bits = used_bits(images)
    if bits is None:
        black = sum(np.count_nonzero(image == 0) for image in images if image.min() >= 0)
        white = sum(np.count_nonzero(image == 1) for image in images if image.max() <= 1)
    else:
        top = max(int(image.max()) for image in images)
        full = 2**bits - 1
        high = top if top % full == 0 and top > 0 else np.inf
        black = sum(np.count_nonzero(image == 0) for image in images)
        white = sum(np.count_nonzero(image >= high) for image in images)
    return black / count, white / count
