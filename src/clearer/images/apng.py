"""Frames of an APNG, of 8 and 16 bits: composed into whole images, and written as what changes from frame to frame.

Pillow keeps 8 bits of a frame, merges frames that are equal, and takes a hidden default image for a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from clearer.core.errors import UserError
from clearer.images.around.png_chunks import SIGNATURE, Chunk, bytes_of, chunks_of
from clearer.images.pixels import from_unit, to_unit
from clearer.images.types import AnyPixels, FileOwn, ImageFile, ImagePage, check_size

_CLEAR, _BACK = 1, 2  # what becomes of a frame before the next one is drawn
_OVER = 1  # a frame is blended with what is below
_LAYOUT = (b"IHDR", b"PLTE", b"tRNS")
_DELAY = (1, 10)  # in seconds, of frames that come from elsewhere without a duration


class _Frame(NamedTuple):
    """A stored frame: its place, how it is shown, and its compressed pixels."""

    width: int
    height: int
    left: int
    top: int
    delay: tuple[int, int]
    dispose: int
    blend: int
    data: list[bytes]


def read_frames(
    chunks: list[Chunk], decode: Callable[[bytes], ImagePage], first_page: bool = False
) -> tuple[list[ImagePage], FileOwn]:
    """Return the frames as whole images, each with its duration; a hidden default image comes first.

    Args:
        chunks: of the file.
        decode: returns the image of a PNG file of one image.
        first_page: decode only the first image of the file.

    Raises:
        UserError: a frame is broken or lies outside the image. ``decode`` raises other exceptions too.
    """
    width, height = struct.unpack_from(">II", chunks[0][1])
    hidden, frames = _stored(chunks)
    count, plays = struct.unpack_from(">II", next(body for kind, body in chunks if kind == b"acTL"))
    if not frames or (count != len(frames) and not first_page):
        raise UserError(f"not readable as an image ({len(frames)} frames where {count} are announced); replace it")
    check_size(width, height, pages=len(frames) + bool(hidden))
    pages = []
    if hidden:
        page = decode(_as_file(chunks, width, height, hidden))
        pages.append(replace(page, color=_of_8_bits(page.color), own={"hidden": True}))
    composed = _composed(width, height, frames, lambda f: decode(_as_file(chunks, f.width, f.height, f.data)))
    for frame, page in zip(frames, composed, strict=False):
        if first_page and pages:
            break
        numerator, denominator = frame.delay
        own = {"delay": frame.delay, "duration": 1000 * numerator / (denominator or 100)}
        pages.append(replace(page, own=own))  # type: ignore[arg-type]
    if first_page:
        return pages[:1], {}
    shown = [page for page in pages if page.alpha is not None]
    if all(bool((page.alpha == np.iinfo(page.alpha.dtype).max).all()) for page in shown if page.alpha is not None):
        pages = [replace(page, alpha=None) for page in pages]
    else:
        pages = [page if page.alpha is not None else replace(page, alpha=_opaque(page.color)) for page in pages]
    return pages, {"loop": plays}


def _stored(chunks: list[Chunk]) -> tuple[list[bytes], list[_Frame]]:
    """Return the pixels of a hidden default image, if there is one, and the frames."""
    hidden: list[bytes] = []
    frames: list[_Frame] = []
    for kind, body in chunks:
        if kind == b"fcTL" and len(body) == 26:
            _, width, height, left, top, numerator, denominator, dispose, blend = struct.unpack(">IIIIIHHBB", body)
            frames.append(_Frame(width, height, left, top, (numerator, denominator), dispose, blend, []))
        elif kind == b"IDAT":
            (frames[-1].data if frames else hidden).append(body)
        elif kind == b"fdAT" and frames:
            frames[-1].data.append(body[4:])
    return hidden, frames


def _as_file(chunks: list[Chunk], width: int, height: int, data: list[bytes]) -> bytes:
    """Return a PNG file of one image."""
    kept = [(kind, body) for kind, body in chunks if kind in _LAYOUT]
    kept[0] = (b"IHDR", struct.pack(">II", width, height) + kept[0][1][8:])
    return SIGNATURE + b"".join(map(bytes_of, [*kept, (b"IDAT", b"".join(data)), (b"IEND", b"")]))


def _composed(
    width: int, height: int, frames: Iterable[_Frame], decoded: Callable[[_Frame], ImagePage]
) -> Iterator[ImagePage]:
    """Yield each frame as a whole image with alpha."""
    canvas: AnyPixels | None = None
    for frame in frames:
        if frame.left + frame.width > width or frame.top + frame.height > height:
            raise UserError("not readable as an image (a frame lies outside the image); replace or remove it")
        check_size(frame.width, frame.height)
        page = decoded(frame)
        color = _of_8_bits(page.color)
        drawn = np.concatenate([color, _opaque(color) if page.alpha is None else page.alpha], 2)
        if canvas is None:
            canvas = np.zeros((height, width, drawn.shape[2]), drawn.dtype)
        place = np.s_[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
        before = canvas.copy()
        canvas[place] = _over(drawn, canvas[place]) if frame.blend == _OVER else drawn
        yield ImagePage(canvas[:, :, :-1].copy(), canvas[:, :, -1:].copy())
        if frame.dispose == _CLEAR:
            canvas[place] = 0
        elif frame.dispose == _BACK:
            canvas = before


def _of_8_bits(color: AnyPixels) -> AnyPixels:
    """Return bilevel pixels with 8 bits, as alpha needs them; others stay."""
    return color.astype(np.uint8) * np.uint8(255) if color.dtype == bool else color


def _opaque(color: AnyPixels) -> AnyPixels:
    return np.full((*color.shape[:2], 1), np.iinfo(color.dtype).max if color.dtype != bool else 1, color.dtype)


def _over(above: AnyPixels, below: AnyPixels) -> AnyPixels:
    """Blend pixels whose last channel is alpha; where one of both is opaque or clear, the values are exact."""
    top, bottom = to_unit(above), to_unit(below)
    share = bottom[:, :, -1:] * (1 - top[:, :, -1:])
    alpha = top[:, :, -1:] + share
    color = (top[:, :, :-1] * top[:, :, -1:] + bottom[:, :, :-1] * share) / np.maximum(alpha, np.float32(1e-6))
    mixed = from_unit(np.concatenate([color, alpha], 2), above.dtype)
    opaque, clear = top[:, :, -1:] == 1, top[:, :, -1:] == 0
    return np.where(opaque | (bottom[:, :, -1:] == 0), above, np.where(clear, below, mixed))


def differences(image: ImageFile) -> Iterator[ImagePage]:
    """Yield a hidden image, the first frame, and of each later frame the rectangle that differs from the one before.

    The place of the rectangle is in its ``own``.
    """
    before: ImagePage | None = None
    for page in image.pages:
        if before is None or "hidden" in before.own:
            yield page
        else:
            changed = (page.color != before.color).any(2)
            if page.alpha is not None and before.alpha is not None:
                changed |= (page.alpha != before.alpha)[:, :, 0]
            rows, columns = (np.flatnonzero(changed.any(axis)) for axis in (1, 0))
            top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
            left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
            part = np.s_[top:bottom, left:right]
            alpha = None if page.alpha is None else page.alpha[part]
            yield replace(page, color=page.color[part], alpha=alpha, own={**page.own, "place": (left, top)})
        before = page


def framed(image: ImageFile, encoded: list[bytes]) -> list[Chunk]:
    """Return the chunks of an APNG.

    Args:
        image: the pages, with durations and the number of plays.
        encoded: PNG files of what `differences` yields.
    """
    hidden = "hidden" in image.pages[0].own
    parts = [chunks_of(data) for data in encoded]
    frames = list(differences(image))
    plays = image.own.get("loop", 0)
    chunks = [parts[0][0], (b"acTL", struct.pack(">II", len(frames) - hidden, plays))]
    sequence = 0
    for number, (page, part) in enumerate(zip(frames, parts, strict=True)):
        pixels = b"".join(body for kind, body in part if kind == b"IDAT")
        if number or not hidden:
            height, width = page.color.shape[:2]
            place = page.own.get("place", (0, 0))
            control = struct.pack(">IIIIIHHBB", sequence, width, height, *place, *_delay(page), 0, 0)
            chunks.append((b"fcTL", control))
            sequence += 1
        if number == 0:
            chunks.append((b"IDAT", pixels))
        else:
            chunks.append((b"fdAT", struct.pack(">I", sequence) + pixels))
            sequence += 1
    return [*chunks, parts[0][-1]]


def _delay(page: ImagePage) -> tuple[int, int]:
    if "delay" in page.own:
        return page.own["delay"]
    if "duration" in page.own:
        exact = Fraction(page.own["duration"] / 1000).limit_denominator(65535)  # 1/24 of a second is no whole number
        if page.own["duration"] % 1 and exact.numerator <= 65535:
            return exact.numerator, exact.denominator
        return min(round(page.own["duration"]), 65535), 1000
    return _DELAY
