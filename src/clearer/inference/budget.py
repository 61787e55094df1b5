"""Sizes of images and budgets of time, as people write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from clearer.core.errors import UserError

NAMED = {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "4k": (3840, 2160), "8k": (7680, 4320)}
"""Width and height of the sizes that have a name."""
MEGAPIXEL = 1_000_000
SIZES = "WIDTHxHEIGHT, 1080p, 4k or Nmp"
BUDGETS = "MS@SIZE such as 100ms@1mp, 40ms@1920x1080 or 1s@4k, a speed such as 5mp/s, or a count such as 60kmac"
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"


@dataclass(frozen=True)
class ImageSize:
    """The size of an image in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> ImageSize:
        """Read a size: ``1920x1080``, ``1080p``, ``4k``, or ``2mp`` for a square of two megapixels.

        Raises:
            UserError: it is none of these, or empty.

        >>> ImageSize.parse("1080p"), ImageSize.parse("1mp")
        (ImageSize(width=1920, height=1080), ImageSize(width=1000, height=1000))
        """
        word = text.strip().lower()
        sides = re.fullmatch(r"(\d+)\s*[x*\u00d7]\s*(\d+)", word)
        area = re.fullmatch(_NUMBER + r"\s*(mp|mpx|mpixel|megapixels?)", word)
        if word in NAMED:
            size = cls(*NAMED[word])
        elif sides:
            size = cls(int(sides[1]), int(sides[2]))
        elif area:
            side = round(math.sqrt(float(area[1]) * MEGAPIXEL))
            size = cls(side, side)
        else:
            raise UserError(f"size: {text!r} is not of the form {SIZES}")
        if min(size.width, size.height) < 1 or max(size.width, size.height) > 2**16:
            raise UserError(f"size: {text!r} has a side that is not in 1..65536")
        return size

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Budget:
    """What a network may cost: milliseconds for an image of a size, or multiply-adds per pixel.

    Args:
        text: as it was written.
        milliseconds: the most for an image of ``size``; None where multiply-adds are counted.
        size: of that image.
        macs_per_pixel: the most multiply-adds per pixel; None where time is measured.
    """

    text: str
    milliseconds: float | None
    size: ImageSize
    macs_per_pixel: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget: ``100ms@1mp``, ``40@1920x1080``, ``1s@4k``, ``5mp/s`` or ``60kmac``.

        Raises:
            UserError: it is none of these, or zero.

        >>> Budget.parse("5mp/s").milliseconds
        200.0
        """
        word = text.strip().lower()
        time = re.fullmatch(_NUMBER + r"\s*(ms|s)?\s*@\s*(.+)", word)
        speed = re.fullmatch(_NUMBER + r"\s*(mp|mpx|mpixel|megapixels?)/s", word)
        macs = re.fullmatch(_NUMBER + r"\s*k(mac|macs)(/px|/pixel)?", word)
        one = ImageSize(1000, 1000)
        amount = next((float(found[1]) for found in (time, speed, macs) if found), None)
        if amount is None:
            raise UserError(f"budget: {text!r} is not of the form {BUDGETS}")
        if not amount > 0:
            raise UserError(f"budget: {text!r} is not above 0")
        if time:
            return cls(text, amount * (1000 if time[2] == "s" else 1), ImageSize.parse(time[3]))
        if speed:
            return cls(text, 1000 / amount, one)
        return cls(text, None, one, 1000 * amount)

    @property
    def folder(self) -> str:
        """Its name as a folder.

        >>> Budget.parse("100ms@1mp").folder
        '100ms-1mp'
        """
        return re.sub(r"[^a-z0-9.]+", "-", self.text.strip().lower()).strip("-.")

    @property
    def unit(self) -> str:
        """The unit of costs: ``MAC/pixel``, or such as ``ms at 1000x1000``."""
        return "MAC/pixel" if self.milliseconds is None else f"ms at {self.size}"

    @property
    def amount(self) -> float:
        """The most that a network may cost, in `unit`."""
        return float(self.macs_per_pixel or 0) if self.milliseconds is None else self.milliseconds

    def __str__(self) -> str:
        if self.milliseconds is None:
            return f"{(self.macs_per_pixel or 0) / 1000:g} kMAC/pixel"
        return f"{self.milliseconds:.4g} ms at {self.size}"
