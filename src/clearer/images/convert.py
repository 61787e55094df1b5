"""A picture file made to fit another kind of file, telling what is lost by it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms

from clearer.core.errors import UserError, nearest
from clearer.images.io import CMYK, FORMATS, GRAY, RGB, AnyPixels, Page, PictureFile
from clearer.images.pixels import depth_of, dtype_of, from_unit, to_unit, upright

DEPTHS = ("1", "8", "16", "float")

_PROFILE_SPACES = {GRAY: b"GRAY", RGB: b"RGB ", CMYK: b"CMYK"}


def depth_for(page: Page, format: str, depth: str | None = None) -> str:
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
        if depth == "1" and (page.colour.shape[2] != GRAY or page.alpha is not None):
            raise UserError("depth 1 is for gray without alpha; choose 8, or convert the picture first")
        return depth
    own = depth_of(page.colour)
    if own in possible:
        return own
    deeper = {"1": ("8",), "float": ("16", "8")}.get(own, ("8",))
    return next(d for d in deeper if d in possible)


def check_pages(picture: PictureFile, format: str) -> None:
    """Refuse several pages where the format has one. Frames of an animation may become pages, but not the reverse.

    Raises:
        UserError: that is so.
    """
    several = len(picture.pages) > 1
    if several and (not FORMATS[format].pages or (format != "TIFF" and "loop" not in picture.own)):
        raise UserError(f"has {len(picture.pages)} pages, where {format} holds one; use --format tiff")


def fitted(picture: PictureFile, format: str) -> PictureFile:
    """Return the picture as ``format`` can hold it; the pages have a depth of it already (`depth_for`).

    CMYK becomes RGB by its profile where it has one; alpha is left out where there is no place for it;
    where no orientation can be said, the pixels are turned. Notes say what was lost.

    Raises:
        UserError: there are several pages, and the format has one.
    """
    check_pages(picture, format)
    kind = FORMATS[format]
    same = format == picture.format
    notes: list[str] = []
    pages = []
    for page in picture.pages:
        page = page if same else replace(page, own=_carried(page))
        if page.colour.shape[2] not in kind.colours:
            page = _recoloured(page, kind.colours)
        if page.alpha is not None and (not kind.alpha or (page.colour.shape[2] == CMYK and format != "TIFF")):
            notes.append(f"{format} holds no alpha here: it was left out")
            page = replace(page, alpha=None)
        if page.alpha is not None and format in ("BMP", "HEIF"):
            page = replace(page, colour=_rgb(page.colour))  # these have alpha with colour only
        if format == "HEIF" and not same and depth_of(page.colour) == "16":
            notes.append("HEIF holds 12 of its 16 bits")
        if not kind.orientation and page.orientation != 1:
            turned = None if page.alpha is None else upright(page.alpha, page.orientation)
            page = replace(page, colour=upright(page.colour, page.orientation), alpha=turned, orientation=1)
        if page.icc is not None and page.icc[16:20] != _PROFILE_SPACES[page.colour.shape[2]]:
            notes.append("its colour profile is of another colour space: it was left out")
            page = replace(page, icc=None)
        pages.append(page)
    if len(pages) > 1 and format != "TIFF":
        small, large = (f(p.colour.shape[:2] for p in pages) for f in (min, max))
        if small != large or len({depth_of(p.colour) for p in pages} - {"8"}):
            raise UserError(f"its pages differ in size or are not of 8 bits, as {format} needs; use --format tiff")
        pages = [replace(p, colour=_rgb(p.colour)) for p in pages]
    own = picture.own if same or format != "TIFF" else {}
    return PictureFile(format, tuple(pages), own, picture.notes + tuple(dict.fromkeys(notes)))


def _carried(page: Page) -> dict[str, object]:
    return {key: page.own[key] for key in ("duration",) if key in page.own}


def _rgb(pixels: AnyPixels) -> AnyPixels:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == GRAY else pixels


def _recoloured(page: Page, possible: tuple[int, ...]) -> Page:
    """Return the page as RGB, or as gray where the format has gray only."""
    colour, icc, dtype = page.colour, page.icc, page.colour.dtype
    if colour.shape[2] == CMYK:
        colour, icc = _rgb_of_inks(colour, icc), None
    colour = _rgb(colour)
    if RGB not in possible:
        weights = np.array([0.299, 0.587, 0.114], np.float32)  # luma of BT.601
        colour = from_unit((to_unit(colour) @ weights)[:, :, None], dtype)
    return replace(page, colour=colour, icc=icc)


def _rgb_of_inks(inks: AnyPixels, icc: bytes | None) -> AnyPixels:
    dtype = inks.dtype
    if icc is not None and icc[16:20] == b"CMYK":
        height, width = inks.shape[:2]
        plain = from_unit(to_unit(inks), dtype_of("8"))  # the library knows 8 bits only
        picture = Image.frombytes("CMYK", (width, height), np.ascontiguousarray(plain).tobytes())
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            done = ImageCms.profileToProfile(picture, profile, srgb, outputMode="RGB")
        except ImageCms.PyCMSError:
            done = None  # a broken profile
        if done is not None:
            return from_unit(to_unit(np.asarray(done)), dtype)
    light = 1 - to_unit(inks)  # (H, W, 4)
    return from_unit(light[:, :, :3] * light[:, :, 3:], dtype)
