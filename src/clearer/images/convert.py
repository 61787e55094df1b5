"""Convert an image to what another file format can hold, and note what is lost."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms

from clearer.core.errors import UserError, nearest
from clearer.images.around.xmp import without_announcements
from clearer.images.pixels import depth_of, from_unit, luma_of, rgb_of_cmyk, to_uint8, to_unit, upright
from clearer.images.types import CMYK, FORMATS, GRAY, RGB, AnyPixels, ImageFile, ImagePage, PageOwn

DEPTHS = ("1", "8", "16", "float")

_PROFILE_SPACES = {GRAY: b"GRAY", RGB: b"RGB ", CMYK: b"CMYK"}


def depth_for(page: ImagePage, format: str, depth: str | None = None) -> str:
    """Return the depth to write a page with: the requested one, or its own, or the nearest that the format has.

    Raises:
        UserError: the format does not have the requested depth.
    """
    possible = FORMATS[format].depths
    if format == "JPEG" and page.own.get("precision", 8) > 8:
        possible = ("8", "16")
    if depth is not None:
        if depth not in DEPTHS:
            raise UserError(f"depth: {depth!r} is not one of {', '.join(DEPTHS)}{nearest(depth, DEPTHS)}")
        if depth not in possible:
            known = ", ".join(one for one in possible if one in DEPTHS)
            raise UserError(f"{format} holds no depth of {depth} (but {known}); choose another --format")
        if depth == "1" and (page.color.shape[2] != GRAY or page.alpha is not None):
            raise UserError("depth 1 is for gray without alpha; choose 8, or convert the image first")
        return depth
    own = depth_of(page.color)
    if own in possible:
        return own
    nearest_depths = {"1": ("8", "float"), "8": ("16", "float"), "16": ("float", "8"), "float": ("16", "8")}.get(
        own, ("16", "8")
    )
    found = next((d for d in nearest_depths if d in possible), None)
    if found is None:
        raise UserError(f"{format} holds black and white only; choose another --format, or --depth 1")
    return found


def check_pages(image: ImageFile, format: str) -> None:
    """Check that the format can hold all pages. An animation can become pages of a TIFF, but not the reverse.

    Raises:
        UserError: it cannot.
    """
    several = len(image.pages) > 1
    if several and (not FORMATS[format].pages or (format != "TIFF" and "loop" not in image.own)):
        raise UserError(f"has {len(image.pages)} pages, where {format} holds one; use --format tiff")


def fitted(image: ImageFile, format: str) -> ImageFile:
    """Return the image as ``format`` can hold it. The pages must already have a depth of the format (`depth_for`).

    CMYK becomes RGB, by its color profile if it has one; alpha is dropped and the orientation applied
    where the format cannot store them. Notes say what was lost.

    Raises:
        UserError: the image has several pages and the format holds one.
    """
    check_pages(image, format)
    same = format == image.format
    notes: list[str] = []
    if not same and len(image.pages) > 1 and "hidden" in image.pages[0].own:
        notes.append(f"its hidden default image was left out, since {format} has none")
        image = replace(image, pages=image.pages[1:])
    pages = [_fitted_page(page, format, same, notes) for page in image.pages]
    if len(pages) > 1 and format != "TIFF":
        small, large = (f(p.color.shape[:2] for p in pages) for f in (min, max))
        depths = {depth_of(p.color) for p in pages}
        if small != large or len(depths) > 1 or not depths < {"8", "16"}:
            raise UserError(f"its pages differ in size or depth, which {format} cannot hold; use --format tiff")
        if len({p.color.shape[2] for p in pages}) > 1 or format != "PNG":
            pages = [replace(p, color=_three_channels(p.color)) for p in pages]
    own = image.own if same or format != "TIFF" else {}
    notes_of_all = image.notes + tuple(dict.fromkeys(notes))
    return replace(image, format=format, pages=tuple(pages), own=own, notes=notes_of_all)


def _fitted_page(page: ImagePage, format: str, same: bool, notes: list[str]) -> ImagePage:
    """Return one page as the format can hold it; ``notes`` grows by what was lost."""
    kind, channels = FORMATS[format], page.color.shape[2]
    if not same:
        own: PageOwn = {"duration": page.own["duration"]} if "duration" in page.own else {}
        if "comment" in page.own:
            own["comment"] = page.own["comment"]
        page = replace(page, own=own, xmp=without_announcements(page.xmp))
    if page.color.shape[2] not in kind.colors:
        page = _recolored(page, kind.colors)
    if page.alpha is not None and (not kind.alpha or (page.color.shape[2] == CMYK and format != "TIFF")):
        notes.append(f"{format} holds no alpha here: it was left out")
        page = replace(page, alpha=None)
    if page.alpha is not None and format in ("BMP", "HEIF"):
        page = replace(page, color=_three_channels(page.color))  # these hold alpha with RGB only
    if format == "HEIF" and not same and depth_of(page.color) == "16":
        notes.append("HEIF holds 12 of its 16 bits")
    if not kind.orientation and page.orientation != 1:
        alpha = None if page.alpha is None else upright(page.alpha, page.orientation)
        page = replace(page, color=upright(page.color, page.orientation), alpha=alpha, orientation=1)
    unchanged = same and page.color.shape[2] == channels  # a source may contradict itself
    if page.icc is not None and not unchanged and page.icc[16:20] != _PROFILE_SPACES[page.color.shape[2]]:
        notes.append("its color profile is of another color space: it was left out")
        page = replace(page, icc=None)
    return page


def _three_channels(pixels: AnyPixels) -> AnyPixels:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == GRAY else pixels


def _recolored(page: ImagePage, possible: tuple[int, ...]) -> ImagePage:
    """Return the page as RGB, or as gray if the format holds gray only."""
    color, icc = page.color, page.icc
    if color.shape[2] == CMYK:
        color, icc = _rgb_by_profile(color, icc), None
    color = _three_channels(color)
    if RGB not in possible:
        color = luma_of(color)
    return replace(page, color=color, icc=icc)


def _rgb_by_profile(cmyk: AnyPixels, icc: bytes | None) -> AnyPixels:
    """Return RGB in the same dtype: sRGB by the color profile, or without one by `rgb_of_cmyk`."""
    if icc is not None and icc[16:20] == b"CMYK":
        height, width = cmyk.shape[:2]
        levels = np.ascontiguousarray(to_uint8(cmyk))  # LittleCMS, as Pillow calls it, converts 8 bits only
        image = Image.frombytes("CMYK", (width, height), levels.tobytes())
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except ImageCms.PyCMSError:
            converted = None  # a broken profile
        if converted is not None:
            return from_unit(to_unit(np.asarray(converted)), cmyk.dtype)
    return rgb_of_cmyk(cmyk)
