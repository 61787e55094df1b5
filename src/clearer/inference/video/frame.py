"""Restore one frame of a video in its own memory, so that its timing, tags and side data stay with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from clearer.images.types import GRAY, UnitPixels
from clearer.inference.color import Run, restore_pixels
from clearer.inference.options import RestoreOptions
from clearer.inference.video.color import add_difference, layout_of, network_values
from clearer.inference.video.samples import components_of

_PLAIN = {"monob": "gray", "monow": "gray", "pal8": "rgba", "xyz12le": "gbrp12le", "xyz12be": "gbrp12le",
          "uyyvyy411": "yuv411p", "x2rgb10le": "gbrp10le", "x2bgr10le": "gbrp10le", "xv30le": "yuv444p10le",
          "v30xle": "yuv444p10le", "xv36le": "yuv444p12le", "xv48le": "yuv444p16le"}  # fmt: skip
"""The formats to which frames without arrays of samples are converted; by default RGB."""


class Tags(NamedTuple):
    """The color tags of a stream, which hold for frames that have none: see `layout_of`."""

    place: str | None = None
    color_range: int = 0
    colorspace: int = 2


def plain_format(format: Any, frame: Any = None) -> str:
    """Return the pixel format in which frames of PyAV's ``format`` are restored.

    Args:
        frame: of this format, to see whether its palette is opaque.
    """
    import av

    if frame is not None and format.has_palette and len(frame.planes) > 1:
        alpha = np.frombuffer(frame.planes[1], np.uint32) >> 24
        return "rgb24" if bool((alpha == 255).all()) else "rgba"
    probe = av.VideoFrame(16, 16, format.name)
    if components_of(probe) is not None:
        return str(format.name)
    usual = "gbrp12le" if max(part.bits for part in format.components) > 8 else "rgb24"
    return _PLAIN.get(format.name, format.name.replace("msb", "") if "msb" in format.name else usual)


def values_of(frame: Any, tags: Tags) -> UnitPixels:
    """Return what a network sees of PyAV's ``frame``: (H, W, 3) RGB or (H, W, 1) gray, in [0, 1]."""
    frame = _plain(frame)
    parts = components_of(frame)
    assert parts is not None
    layout = layout_of(frame, tags.place, tags.color_range, tags.colorspace)
    values: UnitPixels = network_values(parts, layout, luma_only=False)
    return values


def _plain(frame: Any) -> Any:
    """Return a frame in the format of `plain_format`."""
    name = plain_format(frame.format, frame)
    return frame if name == frame.format.name else frame.reformat(format=name)


def restored_frame(frame: Any, tags: Tags, run: Run, channels: int, options: RestoreOptions) -> Any:
    """Return PyAV's ``frame`` with restored samples; alpha, timing, tags and side data are those it had.

    A gray network restores Y alone, and R, G and B with ``options.color`` "channels".
    """
    frame = _plain(frame)
    frame.make_writable()
    parts = components_of(frame)
    assert parts is not None
    layout = layout_of(frame, tags.place, tags.color_range, tags.colorspace)
    x = network_values(parts, layout, channels == GRAY and options.color == "luma")
    add_difference(parts, layout, restore_pixels(x, run, channels, options) - x)
    frame.pict_type = 0  # the encoder chooses
    return frame
