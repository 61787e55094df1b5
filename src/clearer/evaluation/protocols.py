"""Named ways to evaluate, exact enough that two people's numbers can be compared.

In all of them: PSNR and SSIM in [0, 1] after clamping (the input is clamped too for its own), a mean
over images; noise as `clearer.degradations.gaussian.protocol_noise` draws it, after any crop.

- ``gray-awgn-S``, ``color-awgn-S``: white Gaussian noise of S levels, not clipped, whole images.
- ``clearer-gray-S``: the CLEARER paper's: gray, center crop to multiples of 64, noise clipped to
  [0, 255] and floored to 8 bits.
- ``rain-rgb``, ``rain-y``: pairs on disk, measured on RGB or on Y of BT.601 (16-235).
- ``pairs-gray``, ``pairs-color``: pairs on disk, whatever has degraded them, whole images, measured on all
  channels.
- ``rain-synthetic``: clean color images in the rain of `clearer.degradations.rain`, whole images, RGB: for
  those who have no pairs. Not to be compared with the two above.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from clearer.core.errors import UserError, nearest

PROTOCOL_FORMS = ("gray-awgn-S", "color-awgn-S", "clearer-gray-S", "rain-rgb", "rain-y", "rain-synthetic",
                  "pairs-gray", "pairs-color")  # fmt: skip
"""The known names; S stands for a noise level in 8-bit units, any positive number."""


@dataclass(frozen=True)
class Protocol:
    """One way to evaluate; `parse_protocol` makes it from its name.

    Args:
        name: as given to `parse_protocol`.
        channels: of the images that the network sees, 1 or 3.
        sigma: level of the noise in 8-bit units, or None where the degraded images are on disk.
        clip8: clip the noisy image to [0, 255] and floor it to 8 bits.
        crop: center crop to a multiple of this many pixels; 1 keeps whole images.
        luma: measure on Y of BT.601 instead of on all channels.
        rain: the degraded images are the clean ones in synthetic rain.
    """

    name: str
    channels: int
    sigma: float | None
    clip8: bool
    crop: int
    luma: bool
    rain: bool = field(default=False, repr=False)

    @property
    def needs_pairs(self) -> bool:
        """Whether the degraded images have to be there."""
        return self.sigma is None and not self.rain


def parse_protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        UserError: no protocol has this name; the nearest known form is said.

    >>> parse_protocol("clearer-gray-30")
    Protocol(name='clearer-gray-30', channels=1, sigma=30.0, clip8=True, crop=64, luma=False)
    >>> parse_protocol("rain-y").luma
    True
    """
    if name in ("rain-rgb", "rain-y"):
        return Protocol(name, channels=3, sigma=None, clip8=False, crop=1, luma=name == "rain-y")
    if name in ("pairs-gray", "pairs-color"):
        return Protocol(name, channels=1 if name == "pairs-gray" else 3, sigma=None, clip8=False, crop=1, luma=False)
    if name == "rain-synthetic":
        return Protocol(name, channels=3, sigma=None, clip8=False, crop=1, luma=False, rain=True)
    match = re.fullmatch(r"(gray-awgn|color-awgn|clearer-gray)-([0-9]+(?:\.[0-9]+)?)", name)
    sigma = float(match[2]) if match else math.nan
    if match and 0 < sigma < math.inf:
        paper = match[1] == "clearer-gray"
        channels = 3 if match[1] == "color-awgn" else 1
        return Protocol(name, channels, sigma, clip8=paper, crop=64 if paper else 1, luma=False)
    # The level the user wrote goes into the suggestion, so that it can be pasted back.
    number = re.search(r"[0-9]+(\.[0-9]+)?$", name)
    level = number[0] if number and 0 < float(number[0]) < math.inf else "50"
    near = nearest(name, [f"{form[:-1]}{level}" if form.endswith("-S") else form for form in PROTOCOL_FORMS])
    raise UserError(f"protocol: {name!r} is not known{near}; known are {', '.join(PROTOCOL_FORMS)} (S a level above 0)")


def center_crop(array: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    """Return the center of (H, W, ...) whose sides are the largest multiples of ``multiple``.

    An odd pixel to remove goes from the bottom or right. A side under ``multiple`` becomes 0: callers
    refuse such images. The result is a view.

    >>> import numpy as np
    >>> center_crop(np.zeros((481, 321, 1)), 64).shape
    (448, 320, 1)
    """
    height, width = array.shape[0] % multiple, array.shape[1] % multiple  # to be removed
    top, left = height // 2, width // 2
    return array[top : array.shape[0] - (height - top), left : array.shape[1] - (width - left)]
