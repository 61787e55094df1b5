"""Close-ups of a result: a region before and after restoring, enlarged pixel by pixel."""

from __future__ import annotations

import contextlib
import math
import secrets
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from clearer.core.errors import UserError
from clearer.web.uploads import remove

CLOSE_UP = (768, 512)  # width and height on the page, in pixels
MAP_SIDE = 480  # pixels
CLOSE_UPS_KEPT = 4


@dataclass(frozen=True)
class CloseUp:
    """Files of a region before and after, enlarged, and of the whole image with the region marked."""

    before: Path
    restored: Path
    map: Path
    map_size: tuple[int, int]  # width, height


def close_up(folder: Path, center: tuple[float, float], zoom: int) -> CloseUp:
    """Write a close-up of a result into the folder of the result.

    Args:
        folder: of the result. The files of the last few close-ups stay: a browser may still load them.
        center: x and y of the region's center, as shares of width and height in [0, 1]; the region is moved inside.
        zoom: screen pixels per image pixel.

    Raises:
        UserError: the result was removed.
    """
    try:
        images = [Image.open(folder / f"{name}.png") for name in ("before", "after")]
    except OSError:
        raise UserError("The result is no longer here: press Restore again.") from None
    with contextlib.ExitStack() as stack:
        before, after = (stack.enter_context(image) for image in images)
        box = region(before.size, center, zoom)
        enlarged = [_enlarged(image.crop(box), zoom) for image in (before, after)]
        marked = _marked(before, box)
    mark = secrets.token_hex(8)
    files = {name: folder / f"{mark}-{name}-close.png" for name in ("before", "restored", "map")}
    for file, image in zip(files.values(), (*enlarged, marked), strict=True):
        image.save(file, compress_level=1)
    for old in sorted(folder.glob("*-close.png"), key=lambda file: file.stat().st_mtime)[: -3 * CLOSE_UPS_KEPT]:
        remove(old)
    return CloseUp(**files, map_size=marked.size)


def region(size: tuple[int, int], center: tuple[float, float], zoom: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the region that a close-up shows of an image of ``size`` (width, height).

    >>> region((1000, 800), (0.0, 0.5), 8)
    (0, 368, 96, 432)
    """
    edges = []
    for side, at, shown in zip(size, center, CLOSE_UP, strict=True):
        length = max(1, min(side, round(shown / zoom)))
        at = min(max(at, 0.0), 1.0) if math.isfinite(at) else 0.5
        edges.append((min(max(round(at * side - length / 2), 0), side - length), length))
    (left, width), (top, height) = edges
    return left, top, left + width, top + height


def _marked(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return a small copy of the whole image with the region outlined."""
    marked = image.convert("RGB")
    marked.thumbnail((MAP_SIDE, MAP_SIDE))
    shares = [edge / side for edge, side in zip(box, image.size * 2, strict=True)]
    corners = [share * side for share, side in zip(shares, marked.size * 2, strict=True)]
    draw = ImageDraw.Draw(marked)
    right, bottom = max(corners[0] + 4, corners[2] - 1), max(corners[1] + 4, corners[3] - 1)
    draw.rectangle((corners[0], corners[1], right, bottom), outline=(0, 0, 0), width=4)
    draw.rectangle((corners[0] + 1, corners[1] + 1, right - 1, bottom - 1), outline=(255, 255, 255), width=2)
    return marked


def _enlarged(image: Image.Image, zoom: int) -> Image.Image:
    # Nearest: a close-up shows pixels, not an interpolation of them.
    return image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
