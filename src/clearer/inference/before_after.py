"""An image before and after its restoration, side by side in one PNG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clearer.core.addresses import are_same, is_remote
from clearer.core.errors import UserError
from clearer.images.convert import fitted
from clearer.images.io import write_file
from clearer.images.nodata import hidden_of, without
from clearer.images.pixels import WHOLE, Span, depth_of, to_uint8, to_unit, upright
from clearer.images.types import GRAY, ImageFile, ImagePage, UnitPixels
from clearer.inference.jobs import Plan

_DIVIDER = 1 / 100
"""Width of the white stripe between both images, of the width of one; at least 4 pixels."""


def check_one_image(path: str | Path, plan: Plan) -> None:
    """Check that a comparison of the files of a plan can be written to ``path``.

    Raises:
        UserError: it is an address, its name does not end in .png, there is more than one image, or it is the source
            or the output.
    """
    if is_remote(str(path)):
        raise UserError(f"--compare {path}: an address; give a path on this machine")
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"--compare {path}: the name must end in .png")
    if plan.is_folder or any(job.is_video or job.is_zarr for job in plan.jobs):
        raise UserError(
            f"--compare {path}: shows one image, not a folder or a video, nor OME-Zarr; leave it out or name an image"
        )
    refuse_taken(path, *(place for job in plan.jobs for place in (job.source, job.target) if place is not None))


def refuse_taken(path: str | Path, *taken: str | Path) -> None:
    """Refuse to write a comparison over the source or the output, be they named by paths or addresses.

    Raises:
        UserError: ``path`` is one of the places that are ``taken``.
    """
    if any(are_same(path, place) for place in taken):
        raise UserError(f"--compare {path}: is the source or the output itself; choose another name")


def write_before_after(path: str | Path, before: ImagePage, after: ImagePage, span: Span) -> None:
    """Write both images upright in 8 bits, transparent pixels as white, with a white stripe between them.

    Args:
        path: the PNG file.
        before, after: the page as read and as it is written.
        span: what is black and white before, and after too if the depth is the same.

    Raises:
        UserError: the file cannot be written.
    """
    same = depth_of(before.color) == depth_of(after.color)
    shown = [_shown(before, span), _shown(after, span if same else WHOLE)]
    if len({page.color.shape[2] for page in shown}) > 1:
        shown = [replace(page, color=np.repeat(page.color, 3, 2)[:, :, :3]) for page in shown]
    first, second = (page.color for page in shown)
    stripe = np.full((first.shape[0], max(4, round(first.shape[1] * _DIVIDER)), first.shape[2]), 255, np.uint8)
    both = np.concatenate([first, stripe, second], 1)
    write_file(path, fitted(ImageFile("PNG", (ImagePage(both, icc=shown[0].icc),)), "PNG"))


def _shown(page: ImagePage, span: Span) -> ImagePage:
    """Return a page as a screen shows it: gray or RGB of 8 bits, black where there is no value, with its profile."""
    hidden = hidden_of(page)
    color: UnitPixels = to_unit(page.color if hidden is None else without(page.color, hidden), span).clip(0, 1)
    if hidden is not None:
        color = np.where(hidden, np.float32(0), color)
    if page.alpha is not None:
        white = 0 if color.shape[2] > 3 else 1  # of CMYK, no ink
        color = white + (color - white) * to_unit(page.alpha)
    plain = ImagePage(to_uint8(upright(color.astype(np.float32), page.orientation)), icc=page.icc)
    (found,) = fitted(ImageFile("", (plain,)), "PNG").pages
    return replace(found, icc=None) if found.color.shape[2] == GRAY else found
