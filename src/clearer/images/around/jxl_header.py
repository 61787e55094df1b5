"""The header of a JPEG XL image (ISO/IEC 18181-1): size, depth and color coding, without decoding anything."""

from __future__ import annotations

from typing import NamedTuple

from clearer.core.errors import UserError
from clearer.images.around.boxes import boxes_of

SIGNATURES = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_GRAY = 1  # color space
_SRGB = (1, 1, 13)  # white point, primaries, transfer


class JxlHeader(NamedTuple):
    """The header. ``coding`` is white point, primaries and transfer as numbers of the standard; None with a profile."""

    width: int
    height: int
    orientation: int
    gray: bool
    animated: bool
    profile: bool
    coding: tuple[int, int, int] | None

    @property
    def is_srgb(self) -> bool:
        return self.coding == _SRGB


class _Bits:
    """Reads numbers of the standard: bits from the lowest up."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self.left:
            raise UserError("not readable as an image (the JPEG XL is cut short); replace or remove it")
        found = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return found

    def u32(self, *choices: tuple[int, int]) -> int:
        """Choose one of four: a number, and the count of bits of what is added."""
        base, count = choices[self.take(2)]
        return base + self.take(count)

    def enum(self) -> int:
        return self.u32((0, 0), (1, 0), (2, 4), (18, 6))


def header_of(data: bytes) -> JxlHeader:
    """Read the header of a file, or of its beginning.

    Raises:
        UserError: it is cut short.
    """
    bits = _Bits(_codestream(data)[2:1026])
    width, height = _size(bits)
    orientation, animated = 1, False
    if bits.take(1):  # all as usual: 8 bits, sRGB
        return JxlHeader(width, height, 1, False, False, False, _SRGB)
    if bits.take(1):
        orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)
        if bits.take(1):
            _preview(bits)
        if bits.take(1):
            animated = True
            bits.u32((100, 0), (1000, 0), (1, 10), (1, 30))
            bits.u32((1, 0), (1001, 0), (1, 8), (1, 10))
            bits.u32((0, 0), (0, 3), (0, 16), (0, 32))
            bits.take(1)
    _depth(bits)
    bits.take(1)
    for _ in range(bits.u32((0, 0), (1, 0), (2, 4), (1, 12))):
        _extra_channel(bits)
    bits.take(1)
    gray, profile, coding = _color(bits)
    return JxlHeader(width, height, orientation, gray, animated, profile, coding)


def _codestream(data: bytes) -> bytes:
    if data.startswith(SIGNATURES[0]):
        return data
    for box in boxes_of(data):
        if box.kind == b"jxlc":
            return data[box.start : box.start + 2048]
        if box.kind == b"jxlp":
            return data[box.start + 4 : box.start + 2048]
    raise UserError("not readable as an image (the JPEG XL has no pixels); replace or remove it")


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.u32((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _preview(bits: _Bits) -> None:
    choices = ((16, 0), (32, 0), (1, 5), (33, 9)) if bits.take(1) else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.u32(*choices)
    if not bits.take(3):
        bits.u32(*choices)


def _depth(bits: _Bits) -> None:
    if bits.take(1):
        bits.u32((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    else:
        bits.u32((8, 0), (10, 0), (12, 0), (1, 6))


def _extra_channel(bits: _Bits) -> None:
    if bits.take(1):  # alpha of 8 bits
        return
    kind = bits.enum()
    _depth(bits)
    bits.u32((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.u32((0, 0), (0, 4), (16, 5), (48, 10)))  # its name
    if kind == 0:
        bits.take(1)
    elif kind == 2:
        bits.take(64)
    elif kind == 5:
        bits.u32((1, 0), (0, 2), (3, 4), (19, 8))


def _color(bits: _Bits) -> tuple[bool, bool, tuple[int, int, int] | None]:
    """Return whether the image is gray, whether it has a color profile, and its coding."""
    if bits.take(1):
        return False, False, _SRGB
    profile = bool(bits.take(1))
    gray = bits.enum() == _GRAY
    if profile:
        return gray, True, None
    white = bits.enum()
    if white == 2:
        _points(bits, 1)
    primaries = 1
    if not gray:
        primaries = bits.enum()
        if primaries == 2:
            _points(bits, 3)
    transfer = 1000 + bits.take(24) if bits.take(1) else bits.enum()
    return gray, False, (white, primaries, transfer)


def _points(bits: _Bits, count: int) -> None:
    for _ in range(2 * count):
        bits.u32((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
