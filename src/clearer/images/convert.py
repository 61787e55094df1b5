"""An image file made to fit another kind of file, telling what is lost by it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms

from clearer.core.errors import UserError, nearest
from clearer.images.pixels import depth_of, dtype_of, from_unit, to_unit, upright
from clearer.images.types import CMYK, FORMATS, GRAY, RGB, AnyPixels, ImageFile, ImagePage

DEPTHS = ("1", "8", "16", "float")

_PROFILE_SPACES = {GRAY: b"GRAY", RGB: b"RGB ", CMYK: b"CMYK"}


def depth_for(page: ImagePage, format: str, depth: str | None = None) -> str:
    """Return the depth that a page is written with: the asked one, else its own or the nearest there is.

    Raises:
        UserError: the format has not the depth that was asked for.
    """
    possible = FORMATS[format].depths
    if depth is not None:
        if depth not in DEPTHS:
            raise UserError(f"depth: {depth!r} is not one of {', '.join(DEPTHS)}{nearest(depth, DEPTHS)}")
        if depth not in possible:
            raise UserError(f"{format} holds no depth of {depth} (but {', '.join(possible)}); choose another --format")
        if depth == "1" and (page.color.shape[2] != GRAY or page.alpha is not None):
            raise UserError("depth 1 is for gray without alpha; choose 8, or convert the image first")
        return depth
    own = depth_of(page.color)
    if own in possible:
        return own
    deeper = {"1": ("8",), "float": ("16", "8")}.get(own, ("8",))
    return next(d for d in deeper if d in possible)


def check_pages(image: ImageFile, format: str) -> None:
    """Refuse several pages where the format has one. Frames of an animation may become pages, but not the reverse.

    Raises:
        UserError: that is so.
    """
    several = len(image.pages) > 1
    if several and (not FORMATS[format].pages or (format != "TIFF" and "loop" not in image.own)):
        raise UserError(f"has {len(image.pages)} pages, where {format} holds one; use --format tiff")


def fitted(image: ImageFile, format: str) -> ImageFile:
    """Return the image as ``format`` can hold it; the pages have a depth of it already (`depth_for`).

    CMYK becomes RGB by its profile where it has one; alpha is left out where there is no place for it;
    where no orientation can be said, the pixels are turned. Notes say what was lost.

    Raises:
        UserError: there are several pages, and the format has one.
    """
    check_pages(image, format)
    kind = FORMATS[format]
    same = format == image.format
    notes: list[str] = []
    pages = []
    for page in image.pages:
        page = page if same else replace(page, own=_carried(page))
        if page.color.shape[2] not in kind.colors:
            page = _recolored(page, kind.colors)
        if page.alpha is not None and (not kind.alpha or (page.color.shape[2] == CMYK and format != "TIFF")):
            notes.append(f"{format} holds no alpha here: it was left out")
            page = replace(page, alpha=None)
        if page.alpha is not None and format in ("BMP", "HEIF"):
            page = replace(page, color=_rgb(page.color))  # these have alpha with color only
        if format == "HEIF" and not same and depth_of(page.color) == "16":
            notes.append("HEIF holds 12 of its 16 bits")
        if not kind.orientation and page.orientation != 1:
            turned = None if page.alpha is None else upright(page.alpha, page.orientation)
            page = replace(page, color=upright(page.color, page.orientation), alpha=turned, orientation=1)
        if page.icc is not None and page.icc[16:20] != _PROFILE_SPACES[page.color.shape[2]]:
            notes.append("its color profile is of another color space: it was left out")
            page = replace(page, icc=None)
        pages.append(page)
    if len(pages) > 1 and format != "TIFF":
        small, large = (f(p.color.shape[:2] for p in pages) for f in (min, max))
        if small != large or len({depth_of(p.color) for p in pages} - {"8"}):
            raise UserError(f"its pages differ in size or are not of 8 bits, as {format} needs; use --format tiff")
        pages = [replace(p, color=_rgb(p.color)) for p in pages]
    own = image.own if same or format != "TIFF" else {}
    return ImageFile(format, tuple(pages), own, image.notes + tuple(dict.fromkeys(notes)))


def _carried(page: ImagePage) -> dict[str, object]:
    return {key: page.own[key] for key in ("duration",) if key in page.own}


def _rgb(pixels: AnyPixels) -> AnyPixels:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == GRAY else pixels


def _recolored(page: ImagePage, possible: tuple[int, ...]) -> ImagePage:
    """Return the page as RGB, or as gray where the format has gray only."""
    color, icc, dtype = page.color, page.icc, page.color.dtype
    if color.shape[2] == CMYK:
        color, icc = _rgb_of_inks(color, icc), None
    color = _rgb(color)
    if RGB not in possible:
        weights = np.array([0.299, 0.587, 0.114], np.float32)  # luma of BT.601
        color = from_unit((to_unit(color) @ weights)[:, :, None], dtype)
    return replace(page, color=color, icc=icc)


def _rgb_of_inks(inks: AnyPixels, icc: bytes | None) -> AnyPixels:
    dtype = inks.dtype
    if icc is not None and icc[16:20] == b"CMYK":
        height, width = inks.shape[:2]
        plain = from_unit(to_unit(inks), dtype_of("8"))  # the library knows 8 bits only
        image = Image.frombytes("CMYK", (width, height), np.ascontiguousarray(plain).tobytes())
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            done = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except ImageCms.PyCMSError:
            done = None  # a broken profile
        if done is not None:
            return from_unit(to_unit(np.asarray(done)), dtype)
    light = 1 - to_unit(inks)  # (H, W, 4)
    return from_unit(light[:, :, :3] * light[:, :, 3:], dtype)
