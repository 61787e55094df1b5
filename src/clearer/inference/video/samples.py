"""The samples of a video frame, component by component, as arrays that share its memory."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

_ORDERS = {
    "rgb24": "rgb", "bgr24": "bgr", "rgb48": "rgb", "bgr48": "bgr",
    "rgba": "rgba", "bgra": "bgra", "argb": "argb", "abgr": "abgr", "rgba64": "rgba", "bgra64": "bgra",
    "rgb0": "rgb_", "bgr0": "bgr_", "0rgb": "_rgb", "0bgr": "_bgr",
    "rgbf32": "rgb", "rgbaf32": "rgba", "rgbf16": "rgb", "rgbaf16": "rgba",
    "ya8": "ya", "ya16": "ya", "yaf32": "ya", "yaf16": "ya",
    "yuyv422": "yuyv", "uyvy422": "uyvy", "yvyu422": "yvyu", "y210": "yuyv", "y212": "yuyv", "y216": "yuyv",
    "ayuv": "ayuv", "vuya": "vuya", "vuyx": "vuy_", "uyva": "uyva", "ayuv64": "ayuv", "vyu444": "vyu",
}  # fmt: skip
"""The order of the components of packed formats, without byte order."""
_HIGH_BITS = ("y210", "y212", "y216", "p010", "p012", "p016", "p210", "p212", "p216", "p410", "p412", "p416")
"""Formats whose samples are stored in the upper bits of 16."""


class Component(NamedTuple):
    """One component of a frame.

    Attributes:
        samples: (H, W) of this component, a view of the frame's memory.
        bits: that hold the value; 0 is floating point.
        shift: unused bits below them.
    """

    samples: Any
    bits: int
    shift: int

    def read(self) -> Any:
        """Return the values as float32: integers from 0, or floats."""
        values = self.samples >> self.shift if self.shift else self.samples
        return values.astype(np.float32)

    def write(self, values: Any) -> None:
        """Store values as `read` returns them; integers must be whole and in range."""
        if self.bits == 0:
            self.samples[...] = values
        elif self.shift:
            self.samples[...] = values.astype(self.samples.dtype) << self.shift
        else:
            self.samples[...] = values


def components_of(frame: Any) -> list[Component] | None:
    """Return the components of PyAV's ``frame`` in its format's order: Y, U, V or R, G, B or gray, then alpha.

    None stands for a format without an array of samples: palettes, packed bits, Bayer, hardware. The arrays are valid
    as long as the frame is, and writable after ``frame.make_writable()``.
    """
    format = frame.format
    if format.has_palette or format.is_bit_stream or format.is_bayer or "msb" in format.name:
        return None
    places = _places(format)
    if places is None:
        return None
    bits = [part.bits for part in format.components]
    if max(bits) > 16 and "f32" not in format.name:
        return None
    is_float = any(f"f{width}" in format.name for width in (16, 32))
    dtype = np.dtype(f"f{bits[0] // 8}" if is_float else "u1" if max(bits) <= 8 else "u2")
    dtype = dtype.newbyteorder(">" if format.is_big_endian else "<" if sys.byteorder == "big" else "=")
    rows = [_rows(plane, dtype) for plane in frame.planes]
    shifted = format.name.startswith(_HIGH_BITS)
    found = []
    for part, (plane, start, step) in zip(format.components, places, strict=True):
        samples = rows[plane][: part.height, start : start + step * part.width : step]
        if samples.shape != (part.height, part.width):
            return None
        found.append(Component(samples, 0 if is_float else part.bits, 16 - part.bits if shifted else 0))
    return found


def _rows(plane: Any, dtype: np.dtype[Any]) -> Any:
    values = np.frombuffer(plane, dtype).reshape(plane.height, abs(plane.line_size) // dtype.itemsize)
    return values[::-1] if plane.line_size < 0 else values


def _places(format: Any) -> list[tuple[int, int, int]] | None:
    """Return the plane, the first sample and the distance of samples of each component; None if unknown."""
    planes = [part.plane for part in format.components]
    if len(set(planes)) == len(planes):
        return [(plane, 0, 1) for plane in planes]
    if planes == [0, 1, 1]:  # NV12 and its kin
        first = 1 if format.name.startswith(("nv21", "nv42")) else 0
        return [(0, 0, 1), (1, first, 2), (1, 1 - first, 2)]
    order = _ORDERS.get(format.name.removesuffix("le").removesuffix("be"))
    if order is None or len(set(planes)) != 1:
        return None
    names = ("rgb" if format.is_rgb else "y" if len(planes) == 2 else "yuv") + ("a" if len(planes) in (2, 4) else "")
    return [(0, order.index(name), len(order) // order.count(name)) for name in names]
