"""Stacks: TIFF files of several images, as planes of depth, time or channels, read one by one."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import tifffile

from clearer.core.errors import UserError
from clearer.images.io import checked_path, errors_named
from clearer.images.tiff.directory import Directory
from clearer.images.tiff.plan import Plane, StoredImage, channels_of, plan_of
from clearer.images.tiff.read import decoded, header_of, opened_file, page_of
from clearer.images.tiff.samples import Part
from clearer.images.types import Header, ImagePage, check_size, format_of_bytes


class Stack(NamedTuple):
    """The images of a TIFF file that has several.

    Attributes:
        pages: number of images: of pages, layers, bands that are neither color nor alpha, and series. Smaller versions
            of an image and masks are not counted.
        channels: the channel of each image, from 0, by the axes that OME-TIFF, ImageJ or tifffile state; empty if
            the file states no channels.
        names: of the channels, by OME-TIFF; empty if there are none.
    """

    pages: int
    channels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Where an image of a stack is, and its header."""

    offset: int
    copy: int
    layer: int
    part: Part
    header: Header


class _Facts(NamedTuple):
    stack: Stack
    places: tuple[_Place, ...]


def stack_of(path: Path) -> Stack | None:
    """Return the stack that a file is; None for other formats and for a single image.

    Raises:
        UserError: the file is missing or a broken TIFF.
    """
    with errors_named(str(path)):
        facts = _known(path)
        return None if facts is None or facts.stack.pages < 2 else facts.stack


def stack_header(path: Path, number: int) -> Header:
    """Return the header of image ``number``, from 0, of a stack.

    Raises:
        UserError: the file is missing, a broken TIFF, or has no such image.
    """
    with errors_named(str(path)):
        return _place_of(path, number).header


def read_stack_page(path: Path, number: int) -> ImagePage:
    """Return image ``number``, from 0, of a stack: no other is read.

    Raises:
        UserError: there is no such image, it is too large, truncated or of a kind that is not supported.
    """
    with errors_named(str(path)):
        place = _place_of(path, number)
        with opened_file(path) as (tiff, data):
            tiff.filehandle.seek(place.offset)
            page = tifffile.TiffPage(tiff, number)
            check_size(page.imagewidth, page.imagelength)
            image = StoredImage(Directory(place.offset), page, parts=(place.part,))
            stored = decoded(image, place.copy, data, f"page {number + 1}: ")
            return page_of(Plane(image, place.copy, place.layer, place.part), stored, data)


def _known(path: Path) -> _Facts | None:
    facts = checked_path(path).stat()
    return _facts_of(path, facts.st_mtime_ns, facts.st_size)


def _place_of(path: Path, number: int) -> _Place:
    facts = _known(path)
    if facts is None or not 0 <= number < len(facts.places):
        raise UserError(f"has no page {number + 1}; rerun the command if the file has changed")
    return facts.places[number]


@lru_cache(maxsize=1024)
def _facts_of(path: Path, changed: int, size: int) -> _Facts | None:
    with path.open("rb") as file:
        if format_of_bytes(file.read(16)) != "TIFF":
            return None
    with opened_file(path) as (tiff, data):
        plan = plan_of(tiff, data)
        planes = list(plan.planes())
        places = tuple(_Place(p.image.directory.offset, p.copy, p.layer, p.part, header_of(p)) for p in planes)
        channels = channels_of(tiff, plan, planes)
        names = re.findall(r'<Channel\b[^>]*?\bName="([^"]*)"', tiff.ome_metadata or "") if channels else []
    known = tuple(names) if len(names) == len(set(channels)) else ()
    return _Facts(Stack(len(places), channels, known), places)
