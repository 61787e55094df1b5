"""Write a TIFF file with other pixels and everything else of its source: every tag, SubIFD, series and order of data.

Where all pixels keep their place and size, the source is copied and its pixels are overwritten. Otherwise directories
are laid out anew: the first one, then the pixels of all, one behind the other as ImageJ needs them, then the others.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, BinaryIO

import numpy as np

from clearer.images.tiff.directory import (
    BIG,
    CLASSIC,
    Bytes,
    Directory,
    Entry,
    Tree,
    Widths,
    block,
    block_size,
    integers,
)
from clearer.images.tiff.plan import Plan, StoredImage
from clearer.images.tiff.samples import is_indexed, photometric_of, samples_of
from clearer.images.tiff.segments import DEFLATE, LOSSLESS, NONE, Geometry, Piece, geometry_of, row_bytes, usual_rows
from clearer.images.tiff.unclaimed import tail

STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS = 273, 279, 324, 325
LAYOUT = (258, 259, 262, 266, 273, 277, 278, 279, 284, 288, 289, 317, 324, 325, 338, 339)
"""Tags that describe how pixels are stored, which may change with their compression or depth."""
_OF_JPEG = (347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532)
_OF_FAX = (292, 293, 326, 327, 328)
_COLORMAP, _ICC, _PREDICTOR, _FILL_ORDER = 320, 34675, 317, 266
_THUMBNAIL, _THUMBNAIL_BYTES = 513, 514
_PHOTOMETRIC = {"MINISBLACK": 1, "RGB": 2}
_LARGEST_CLASSIC = 4 * 10**9


@dataclass(eq=False)
class Target:
    """An image as it will be written.

    Attributes:
        image: of the source.
        geometry: how it will be stored.
        recolored: whether it becomes RGB, of a palette or of YCbCr.
        without_icc: whether its color profile is left out.
    """

    image: StoredImage
    geometry: Geometry
    recolored: bool = False
    without_icc: bool = False
    offsets: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    @property
    def photometric(self) -> str:
        """The color space of the written samples."""
        found = photometric_of(self.image.page)
        if self.recolored:
            return "RGB"
        return "MINISBLACK" if found == "MINISWHITE" and self.geometry.dtype.kind == "f" else found


Segments = Callable[[Target], Iterator[Piece]]
"""Yields the encoded segments of an image, in any order; those of its further copies are numbered on."""


def target_of(image: StoredImage, dtype: Any = None, *, without_icc: bool = False) -> Target:
    """Return how an image will be written.

    Args:
        image: of the source.
        dtype: of its pixels; by default as stored.
        without_icc: leave the color profile out.
    """
    page, old = image.page, geometry_of(image.page)
    recolored = is_indexed(page) or (photometric_of(page) == "YCBCR")
    dtype = np.dtype(old.dtype if dtype is None else dtype)
    same = dtype == old.dtype and not recolored
    bits = old.bits if same else (1 if dtype.kind == "b" else dtype.itemsize * 8)
    kept = old.compression in LOSSLESS
    predictor = old.predictor if kept else 2
    if bits != dtype.itemsize * 8 or (old.compression == NONE and not same):
        predictor = 1
    elif predictor != 1 and (dtype.kind == "f") != (predictor not in (2, 34892, 34893)):
        predictor = 3 if dtype.kind == "f" else 2
    shape = old.shape
    if recolored and samples_of(page) != 3:
        count = samples_of(page) + (2 if is_indexed(page) else 0)
        shape = (1, *old.shape[1:4], count)
    compression = old.compression if kept else DEFLATE
    rows = old.rows
    if compression != NONE and old.tile is None and not same:
        rows = min(rows, usual_rows(shape, dtype))
    new = old._replace(shape=shape, rows=rows, dtype=dtype, bits=bits, compression=compression, predictor=predictor)
    return Target(image, new, recolored, without_icc)


def write_like(file: BinaryIO, source: Bytes, plan: Plan, targets: list[Target], segments: Segments) -> None:
    """Write a file like its source.

    Args:
        file: to be written, seekable, at its beginning.
        source: the bytes of the source.
        plan: its images.
        targets: those that get new pixels; others are copied.
        segments: gives the new pixels.
    """
    if all(_keeps_its_place(target, len(source)) for target in targets) and _apart(targets):
        _overwrite(file, source, targets, segments)
    else:
        _Layout(file, source, plan, targets).write(segments)


def _keeps_its_place(target: Target, size: int) -> bool:
    """Return whether the new pixels of an image can overwrite the old ones."""
    page, geometry = target.image.page, target.geometry
    if target.without_icc or target.recolored or geometry != geometry_of(page):
        return False
    if geometry.compression != NONE or geometry.predictor != 1 or int(page.fillorder) != 1:
        return False
    wanted = list(_plain_sizes(geometry))
    inside = all(o and o + n <= size for o, n in zip(page.dataoffsets, wanted, strict=False))
    return inside and list(page.databytecounts) == wanted and len(page.dataoffsets) == len(wanted)


def _plain_sizes(geometry: Geometry) -> Iterator[int]:
    """Yield the bytes of each segment, uncompressed."""
    count, layers, height, _, samples = geometry.shape
    if geometry.tile is not None:
        deep, high, wide = geometry.tile
        yield from [deep * high * -(-wide * samples * geometry.bits // 8)] * geometry.segments
        return
    row = row_bytes(geometry)
    for _ in range(count * layers):
        for top in range(0, height, geometry.rows):
            yield row * min(geometry.rows, height - top)


def _apart(targets: list[Target]) -> bool:
    """Return whether no two segments overlap."""
    places = sorted(
        (int(start), int(start) + int(count) * target.image.copies)
        for target in targets
        for start, count in zip(target.image.page.dataoffsets, target.image.page.databytecounts, strict=True)
    )
    return all(end <= start for (_, end), (start, _) in pairwise(places))


def _overwrite(file: BinaryIO, source: Bytes, targets: list[Target], segments: Segments) -> None:
    for start in range(0, len(source), 2**24):
        file.write(source[start : start + 2**24])
    for target in targets:
        page = target.image.page
        offsets = [int(place) for place in page.dataoffsets]
        for piece in segments(target):
            copy, segment = divmod(piece.number, len(offsets))
            file.seek(offsets[segment] + copy * int(page.nbytes) + piece.skip)
            file.write(piece.data)
    file.seek(len(source))


class _Layout:
    """A file laid out anew."""

    def __init__(self, file: BinaryIO, source: Bytes, plan: Plan, targets: list[Target]) -> None:
        self.file, self.source, self.plan, self.targets = file, source, plan, targets
        size = sum(int(np.prod(t.geometry.shape)) * t.geometry.dtype.itemsize * t.image.copies for t in targets)
        tree = plan.tree
        self.order, self.big = tree.order, tree.big or size + len(source) // 8 > _LARGEST_CLASSIC
        self.widths: Widths = BIG if self.big else CLASSIC
        self.number = 16 if self.big else 4  # code of the data type of offsets
        self.places: dict[int, int] = {}

    def write(self, segments: Segments) -> None:
        """Write everything."""
        tree, file = self.plan.tree, self.file
        kept = [image for image in self.plan.images if image.role == "kept"]
        new: dict[int, Directory] = {}
        for target in self.targets:
            new[target.image.directory.offset] = self._with_new_tags(target)
        for image in kept:
            new[image.directory.offset] = self._with_places(image.directory)
        chain = [_replaced(directory, new) for directory in tree.chain]
        first = self.widths.first + self.widths.size
        file.seek(first)
        file.write(bytes(block_size(chain[0], self.widths)))
        for target in self.targets:
            self._write_segments(target, new[target.image.directory.offset], segments)
        for image in kept:
            self._copy_segments(image.directory, new[image.directory.offset])
        self._write_directories(chain, first)
        start, end = tail(self.source, self.plan)
        file.seek(0, io.SEEK_END)
        file.write(self.source[start:end])

    def _with_new_tags(self, target: Target) -> Directory:
        """Return the tags of an image as they will be written; places are zero."""
        old, page, geometry = target.image.directory, target.image.page, target.geometry
        entries = dict(old.entries)
        same_kind = geometry.dtype == geometry_of(page).dtype and not target.recolored
        self._drop(entries, (STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS, 288, 289, _FILL_ORDER))
        if geometry.compression != int(page.compression):
            self._drop(entries, _OF_JPEG + _OF_FAX)
            self._put(entries, 259, [geometry.compression])
        if geometry.predictor != 1 or _PREDICTOR in entries:
            self._put(entries, _PREDICTOR, [geometry.predictor])
        if not same_kind:
            samples = geometry.shape[0] * geometry.shape[4]
            self._put(entries, 258, [geometry.bits] * samples)
            self._put(entries, 277, [samples])
            code = {"f": 3, "i": 2}.get(geometry.dtype.kind, 1)
            self._drop(entries, (339,))
            if code != 1:
                self._put(entries, 339, [code] * samples)
        if geometry.shape[0] == 1 and page.shaped[0] > 1:
            self._put(entries, 284, [1])
        if target.photometric != photometric_of(page):
            self._put(entries, 262, [_PHOTOMETRIC[target.photometric]])
            self._drop(entries, (_COLORMAP, 530, 531, 532))
        if geometry.tile is None and geometry.rows != geometry_of(page).rows:
            entries[278] = integers(self.order, 278, [geometry.rows], 4)
        if target.without_icc:
            self._drop(entries, (_ICC,))
        self._put_places(entries, geometry.tile is not None, [0] * geometry.segments, [0] * geometry.segments)
        again = [entry for entry in old.again if entry.code in entries and entry.code not in LAYOUT]
        return Directory(old.offset, entries, old.below, again=again)

    def _with_places(self, old: Directory) -> Directory:
        """Return the tags of an image that is copied; places are zero."""
        entries = dict(old.entries)
        tiled = TILE_OFFSETS in entries
        codes = (TILE_OFFSETS, TILE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        if all(code in entries for code in codes):
            count = entries[codes[0]].count
            self._put_places(entries, tiled, [0] * count, [0] * count)
        if _THUMBNAIL in entries:
            entries[_THUMBNAIL] = integers(self.order, _THUMBNAIL, [0], self.number)
        return Directory(old.offset, entries, old.below, again=old.again)

    def _put(self, entries: dict[int, Entry], code: int, values: list[int]) -> None:
        entries[code] = integers(self.order, code, values, 3)

    def _drop(self, entries: dict[int, Entry], codes: tuple[int, ...]) -> None:
        for code in codes:
            entries.pop(code, None)

    def _put_places(self, entries: dict[int, Entry], tiled: bool, offsets: list[int], counts: list[int]) -> None:
        places, sizes = (TILE_OFFSETS, TILE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_COUNTS)
        entries[places] = integers(self.order, places, offsets, self.number)
        entries[sizes] = integers(self.order, sizes, counts, self.number)

    def _write_segments(self, target: Target, directory: Directory, segments: Segments) -> None:
        geometry, start = target.geometry, self.file.tell()
        number = geometry.segments  # those of further copies follow without a place of their own
        offsets, counts = [0] * number, [0] * number
        if geometry.compression == NONE:
            # One behind the other in the order of the file, in whatever order they come.
            counts = list(_plain_sizes(geometry))
            offsets = [start, *(start + end for end in accumulate(counts[:-1]))]
            size = sum(counts)
            for piece in segments(target):
                copy, segment = divmod(piece.number, number)
                self.file.seek(offsets[segment] + copy * size + piece.skip)
                self.file.write(piece.data)
            self.file.seek(start + size * target.image.copies)
        else:
            for piece in segments(target):
                if piece.number < number:
                    offsets[piece.number], counts[piece.number] = self.file.tell(), len(piece.data)
                self.file.write(piece.data)
        self._put_places(directory.entries, geometry.tile is not None, offsets, counts)

    def _copy_segments(self, old: Directory, new: Directory) -> None:
        tree: Tree = self.plan.tree
        for tiled, codes in ((False, (STRIP_OFFSETS, STRIP_COUNTS)), (True, (TILE_OFFSETS, TILE_COUNTS))):
            if all(code in old.entries for code in codes):
                starts, counts = (list(tree.numbers(old.entries[code])) for code in codes)
                places = [self._copied(start, count) for start, count in zip(starts, counts, strict=True)]
                self._put_places(new.entries, tiled, places, counts)
        if _THUMBNAIL in old.entries and _THUMBNAIL_BYTES in old.entries:
            (start, *_), (count, *_) = (tree.numbers(old.entries[c]) for c in (_THUMBNAIL, _THUMBNAIL_BYTES))
            new.entries[_THUMBNAIL] = integers(self.order, _THUMBNAIL, [self._copied(start, count)], self.number)

    def _copied(self, start: int, count: int) -> int:
        place = self.file.tell()
        self.file.write(self.source[start : start + count])
        return place if count else 0

    def _write_directories(self, chain: list[Directory], first: int) -> None:
        end = self.file.tell()
        place = end + end % 2
        order: list[Directory] = []
        for directory in chain:
            for one in _with_all_below(directory):
                order.append(one)
                if one is chain[0]:
                    self.places[id(one)] = first
                else:
                    self.places[id(one)] = place
                    place += block_size(one, self.widths)
        following = {id(one): self.places[id(other)] for one, other in pairwise(chain)}
        for directory in order:
            below = {code: [self.places[id(one)] for one in inner] for code, inner in directory.below.items()}
            start = self.places[id(directory)]
            self.file.seek(start)
            self.file.write(block(directory, self.order, self.widths, start, below, following.get(id(directory), 0)))
        self.file.seek(0)
        mark = b"II" if self.order == "<" else b"MM"
        self.file.write(mark + struct.pack(self.order + "H", 43 if self.big else 42))
        if self.big:
            self.file.write(struct.pack(self.order + "HH", 8, 0))
        self.file.write(struct.pack(self.order + self.widths.offset, first))


def _replaced(directory: Directory, new: dict[int, Directory]) -> Directory:
    """Return a directory, and those below it, with the new tags of those that have some."""
    found = new.get(directory.offset)
    if found is None:
        found = Directory(directory.offset, dict(directory.entries), directory.below, again=directory.again)
    found.below = {code: [_replaced(one, new) for one in inner] for code, inner in directory.below.items()}
    return found


def _with_all_below(directory: Directory) -> Iterator[Directory]:
    yield directory
    for inner in directory.below.values():
        for one in inner:
            yield from _with_all_below(one)
