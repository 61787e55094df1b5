"""The depth of an image file, from its header."""

from __future__ import annotations

from pathlib import Path

from clearer.images.around.jpeg_segments import frame_of
from clearer.images.io import checked_path, errors_named
from clearer.images.pixels import depth_of
from clearer.images.types import HEAD, WIDE, format_of_bytes
from clearer.images.view import read_image

_PNG_BITS = 24  # offset of the bits per channel in a PNG


def depth_of_file(path: str | Path) -> str:
    """Return "8", "16" or "float": the depth in which `clearer.images.view.read_image` returns the file's pixels.

    No pixel of the usual formats is decoded. Fewer than 8 bits count as 8, and integers of `clearer.images.types.WIDE`
    as floating point.

    Raises:
        UserError: the file is missing, or not an image of a known kind.
    """
    with errors_named(str(path)), checked_path(path).open("rb") as file:
        head = file.read(HEAD)
        kind = format_of_bytes(head)
        if kind == "PNG":
            return "16" if head[_PNG_BITS : _PNG_BITS + 1] == b"\x10" else "8"
        file.seek(0)
        if kind == "TIFF":
            import numpy as np
            import tifffile

            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages[0].aspage()
                # The colors of a palette have 8 bits, whatever the numbers that stand for them.
                found = "8" if page.photometric == 3 or page.dtype is None else depth_of(np.empty(0, page.dtype))
                return {"1": "8"}.get(found, "float" if found in WIDE else found)
        if kind == "JPEG":
            frame = frame_of(file)
            return "16" if frame is not None and frame[1][:1] > b"\x08" else "8"
    if kind in ("WEBP", "BMP", "AVIF"):
        return "8"
    return depth_of(read_image(path, None, None, None))  # rare formats are decoded
