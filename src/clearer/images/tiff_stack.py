"""Stacks: TIFF files whose pages are images of one kind, as planes of depth, time or channels, read page by page."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from clearer.images.io import errors_named
from clearer.images.tiff import page_offsets, read_page
from clearer.images.types import ImagePage, check_size, format_of_bytes

_REDUCED = 1  # bits of the tag NewSubfileType: a smaller version of another page, or a mask
_MASK = 4


class Stack(NamedTuple):
    """The pages of a TIFF file of several images.

    Attributes:
        pages: number of pages, all of one size and data type.
        channels: the channel of each page, from 0, by the axes that OME-TIFF, ImageJ or tifffile state; empty if
            the file states no channels.
        names: of the channels, by OME-TIFF; empty if there are none.
    """

    pages: int
    channels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def stack_of(path: Path) -> Stack | None:
    """Return the stack that a file is; None for other formats, a single page, and pages of several kinds.

    Pages of several kinds, such as the levels of a pyramid, are not images of their own.

    Raises:
        UserError: the file is missing or a broken TIFF.
    """
    with errors_named(str(path)):
        facts = path.stat()
        return _stack_of(path, facts.st_mtime_ns, facts.st_size)


def read_stack_page(path: Path, number: int) -> ImagePage:
    """Return page ``number``, from 0, of a stack: no other page is read.

    Raises:
        UserError: there is no such page, it is too large, truncated or of a kind that is not supported.
    """
    with errors_named(str(path)):
        facts = path.stat()
        offset = _offsets_of(path, facts.st_mtime_ns, facts.st_size)[number]
        with _opened(path) as (tiff, data):
            tiff.filehandle.seek(offset)
            page = tifffile.TiffPage(tiff, number)
            check_size(page.imagewidth, page.imagelength)
            return read_page(page, data, number + 1)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a TIFF; yield tifffile's view of it and its bytes, which are not loaded."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        # OME-TIFF may spread over files; each is a set of images of its own here.
        tifffile.TiffFile(file, _multifile=False) as tiff,
    ):
        yield tiff, data


@lru_cache(maxsize=1024)
def _offsets_of(path: Path, changed: int, size: int) -> tuple[int, ...]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return tuple(page_offsets(data))


@lru_cache(maxsize=4096)
def _stack_of(path: Path, changed: int, size: int) -> Stack | None:
    with path.open("rb") as file:
        if format_of_bytes(file.read(16)) != "TIFF":
            return None
    count = len(_offsets_of(path, changed, size))
    if count < 2:
        return None
    with _opened(path) as (tiff, _):
        kinds = {_kind(page.aspage()) for page in tiff.pages}
        if len(kinds) > 1 or kinds.pop()[-1] & (_REDUCED | _MASK):
            return None
        channels = _channels(tiff, count)
        names = re.findall(r'<Channel\b[^>]*?\bName="([^"]*)"', tiff.ome_metadata or "") if channels else []
    return Stack(count, channels, tuple(names) if len(names) == len(set(channels)) else ())


def _kind(page: Any) -> tuple[Any, ...]:
    return (page.imagewidth, page.imagelength, page.samplesperpixel, str(page.dtype), int(page.subfiletype))


def _channels(tiff: Any, count: int) -> tuple[int, ...]:
    """Return the channel of each page, by the axes of the file's series; empty if they state none."""
    series = tiff.series[0]
    # tifffile counts the pages of a series from its outermost axis; the axes within a page come last.
    before = [(axis, length) for axis, length in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    lengths = [length for _, length in before]
    numbers = [None if page is None else page.index for page in series.pages]
    if [axis for axis, _ in before].count("C") != 1 or numbers != list(range(count)) or np.prod(lengths) != count:
        return ()
    axis = [axis for axis, _ in before].index("C")
    return tuple(int(channel) for channel in np.indices(lengths)[axis].ravel())
