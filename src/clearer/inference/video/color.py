"""The colors of a video frame: from its components to the network's values in [0, 1], and differences back.

Only the difference that the network makes is converted back and added to the stored samples, because a conversion to
RGB and back loses: a difference of zero leaves every sample as it is. The matrices are those of ITU-T H.273.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from clearer.inference.video.chroma import Axis, enlarge, reduce
from clearer.inference.video.samples import Component

LIMITED, FULL = 1, 2
"""Values of PyAV's ``color_range``; 0 is unspecified."""
_RGB, _UNSPECIFIED, _YCGCO = 0, 2, 8
_LUMA = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG, as BT.601
    6: (0.299, 0.114),  # SMPTE 170M, as BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non-constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance, whose differences are nearly those of 9
}
"""The shares of R and B in luma, by ``colorspace``."""
_FIRST = {"left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0), "top": (0.5, 0.0), "bottomleft": (0.0, 1.0),
          "bottom": (0.5, 1.0)}  # fmt: skip
"""The place of the first chroma sample in luma columns and rows, where there are half as many of it."""


class Layout(NamedTuple):
    """What the components of a frame mean.

    Attributes:
        kind: "gray", "rgb", "yuv", or "gbr": G, B and R where Y, U and V are otherwise.
        full: the range: whether all integers are levels, or those from 16 to 235 (of 8 bits).
        matrix: (3, 3), from R, G, B to Y, U, V; None unless ``kind`` is "yuv".
        across, down: the sampling of chroma, see `enlarge`.
    """

    kind: str
    full: bool
    matrix: Any
    across: Axis
    down: tuple[Axis, ...]


def layout_of(frame: Any, place: str | None, color_range: int, colorspace: int) -> Layout:
    """Return the layout of PyAV's ``frame``; the tags of its stream hold where the frame has none.

    Args:
        place: the chroma sample location, such as "left"; None is unspecified.
        color_range, colorspace: of the stream.
    """
    format = frame.format
    colors = sum(not part.is_alpha for part in format.components)
    spread = frame.color_range or color_range
    unsaid_is_full = format.is_rgb or colors == 1 or format.name.startswith("yuvj")
    full = spread == FULL or (spread != LIMITED and unsaid_is_full) or format.name.startswith("yuvj")
    space = frame.colorspace if frame.colorspace != _UNSPECIFIED else colorspace
    if colors == 1 or format.is_rgb:
        return Layout("gray" if colors == 1 else "rgb", full, None, Axis(1, 0), (Axis(1, 0),))
    if space == _RGB:
        return Layout("gbr", full, None, Axis(1, 0), (Axis(1, 0),))
    wide, high = (_factor(getattr(format, f"chroma_{side}")(4096)) for side in ("width", "height"))
    across, below = _FIRST.get(place or ("center" if format.name.startswith("yuvj") else "left"), (0.0, 0.5))
    down: tuple[Axis, ...] = (Axis(high, below * (high - 1)),)
    if frame.interlaced_frame and high > 1:
        down = (Axis(high, 0.25 * high / 2), Axis(high, 0.75 * high / 2))
    return Layout("yuv", full, matrix_of(space, frame.width, frame.height), Axis(wide, across * (wide - 1)), down)


def _factor(reduced_from_4096: int) -> int:
    return 4096 // reduced_from_4096


def matrix_of(colorspace: int, width: int = 0, height: int = 0) -> Any:
    """Return the matrix (3, 3) from R, G, B in [0, 1] to Y in [0, 1] and U, V in [-0.5, 0.5].

    An unspecified ``colorspace`` is BT.709 from 1280 columns or 720 rows up and BT.601 below, as players take it.
    """
    if colorspace == _YCGCO:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]], np.float32)
    guess = 1 if width >= 1280 or height >= 720 else 6
    red, blue = _LUMA.get(colorspace if colorspace != _UNSPECIFIED else guess, _LUMA[9])
    luma = np.array([red, 1 - red - blue, blue])
    u = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    v = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([luma, u, v]).astype(np.float32)


def network_values(parts: list[Component], layout: Layout, luma_only: bool) -> Any:
    """Return what the network sees, (H, W, 1 or 3), float32, clipped to [0, 1].

    Args:
        luma_only: take Y alone of Y, U and V; no matter for other kinds.
    """
    luma_only = luma_only and layout.kind == "yuv"
    if layout.kind == "yuv" and not luma_only:
        shape = parts[0].samples.shape
        planes = [_to_unit(parts[0], layout.full)]
        planes += [enlarge(_to_unit(part, layout.full, True), layout.across, layout.down, shape) for part in parts[1:3]]
        values = np.stack(planes, 2) @ np.linalg.inv(layout.matrix.astype(np.float64)).astype(np.float32).T
    else:
        values = np.stack([_to_unit(part, layout.full) for part in _colors(parts, layout, luma_only)], 2)
    return np.ascontiguousarray(values.clip(0, 1))


def add_difference(parts: list[Component], layout: Layout, difference: Any) -> None:
    """Add a difference of `network_values`, (H, W, 1 or 3), to the samples.

    Samples are rounded to the nearest, and not moved out of the legal range; those already beyond it may stay there.
    """
    luma_only = layout.kind == "yuv" and difference.shape[2] == 1
    if layout.kind == "yuv" and not luma_only:
        changes = difference @ layout.matrix.T
        _add(parts[0], changes[:, :, 0], layout.full)
        for k in (1, 2):
            change = reduce(changes[:, :, k], layout.across, layout.down, parts[k].samples.shape)
            _add(parts[k], change, layout.full, True)
    else:
        for k, part in enumerate(_colors(parts, layout, luma_only)):
            _add(part, difference[:, :, k], layout.full)


def _colors(parts: list[Component], layout: Layout, luma_only: bool) -> list[Component]:
    if layout.kind == "gray" or luma_only:
        return parts[:1]
    return [parts[2], parts[0], parts[1]] if layout.kind == "gbr" else parts[:3]


def _scale(part: Component, full: bool, chroma: bool) -> tuple[float, float, float, float]:
    """Return the samples of zero and of one, and the smallest and largest legal sample."""
    if part.bits == 0:
        return 0.0, 1.0, -np.inf, np.inf
    step, most = 2.0 ** (part.bits - 8), 2.0**part.bits - 1
    if full:
        zero = 2.0 ** (part.bits - 1) if chroma else 0.0
        return zero, zero + most, 0.0, most
    if chroma:
        return 128 * step, 352 * step, 16 * step, 240 * step
    return 16 * step, 235 * step, 16 * step, 235 * step


def _to_unit(part: Component, full: bool, chroma: bool = False) -> Any:
    zero, one, _, _ = _scale(part, full, chroma)
    return (part.read() - np.float32(zero)) / np.float32(one - zero)


def _add(part: Component, change: Any, full: bool, chroma: bool = False) -> None:
    zero, one, least, most = _scale(part, full, chroma)
    before = part.read()
    after = before + change * np.float32(one - zero)
    if part.bits:
        after = np.rint(after).clip(np.minimum(before, least), np.maximum(before, most))
    part.write(after)
