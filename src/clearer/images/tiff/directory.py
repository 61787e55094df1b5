"""The directories of a TIFF file and their tags as raw bytes, read and written without interpreting them.

A tag that is copied as bytes is kept whatever it means. Only tags that point to other directories are followed.
Specification: TIFF 6.0, section 2, and its supplements on SubIFDs and BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import Literal

from clearer.core.errors import UserError
from clearer.images.tiff.maker_note import MAKER_NOTE, moved_note

SUBIFDS, EXIF, GPS, INTEROPERABILITY = 330, 34665, 34853, 40965
POINTERS = (SUBIFDS, EXIF, GPS, INTEROPERABILITY)
"""Tags that point to directories."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value, by the code of its data type."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_DIRECTORIES = 2**20

Bytes = bytes | mmap
Order = Literal["<", ">"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag.

    Attributes:
        code: what it means.
        type: the code of its data type.
        count: the number of values.
        data: these as bytes in the file's order.
        place: where they were read in the file, if not in the directory itself.
    """

    code: int
    type: int
    count: int
    data: bytes
    place: int = field(default=0, compare=False)


@dataclass
class Directory:
    """A directory.

    Attributes:
        offset: its place in the file it was read from.
        entries: its tags by code, without those of `POINTERS` that could be followed.
        again: further tags with the code of an earlier one, such as the second description that tifffile writes.
        below: by the code of a pointer, the directories it points to.
        lists: by the code of a pointer, where its offsets were read in the file, and their bytes.
        broken: codes of tags whose values lie outside the file, or that lead to more than is followed.
    """

    offset: int
    entries: dict[int, Entry] = field(default_factory=dict)
    below: dict[int, list[Directory]] = field(default_factory=dict)
    broken: list[int] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)
    lists: dict[int, tuple[int, int]] = field(default_factory=dict)

    def walk(self) -> Iterator[Directory]:
        """Yield the directory and those of its SubIFDs, at any depth."""
        yield self
        for inner in self.below.get(SUBIFDS, []):
            yield from inner.walk()


@dataclass
class Tree:
    """All directories of a file.

    Attributes:
        order: byte order.
        big: whether it is a BigTIFF.
        chain: the main directories.
    """

    order: Order
    big: bool
    chain: list[Directory]

    def images(self) -> list[Directory]:
        """Return the directories of images: the main ones, each followed by its SubIFDs."""
        return [found for directory in self.chain for found in directory.walk()]

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """Return the values of a tag of unsigned integers; none for other types."""
        code = _INTEGERS.get(entry.type)
        return () if code is None else struct.unpack(f"{self.order}{entry.count}{code}", entry.data)


@dataclass(frozen=True, slots=True)
class Widths:
    """How the kind of TIFF stores numbers: codes of `struct`, and sizes in bytes."""

    count: str
    count_size: int
    entry: int
    offset: str
    size: int
    first: int


CLASSIC, BIG = Widths("H", 2, 12, "I", 4, 4), Widths("Q", 8, 20, "Q", 8, 8)


def page_offsets(data: Bytes) -> list[int]:
    """Return where the main directories begin in a file; none of their tags is read.

    Raises:
        UserError: the chain is broken or a circle, in which tifffile would run forever.
    """
    order, widths = _kind_of(data)
    found: dict[int, None] = {}
    place = widths.first
    while True:
        (start,) = struct.unpack_from(order + widths.offset, data, place)
        if start == 0:
            return list(found)
        if start in found or start + widths.count_size > len(data):
            raise UserError("not readable as an image (its pages lead nowhere or in a circle); replace or remove it")
        found[start] = None
        (count,) = struct.unpack_from(order + widths.count, data, start)
        place = start + widths.count_size + count * widths.entry
        if place + widths.size > len(data):
            raise UserError("not readable as an image (the file is cut short); replace or remove it")


def tree_of(data: Bytes) -> Tree:
    """Return all directories of a file.

    Raises:
        UserError: the chain of directories is broken. A broken tag is left out.
    """
    order, widths = _kind_of(data)
    seen: set[int] = set()
    chain = [_directory(data, offset, order, widths, seen) for offset in page_offsets(data)]
    return Tree(order, widths is BIG, [found for found in chain if found is not None])


def _kind_of(data: Bytes) -> tuple[Order, Widths]:
    return "<" if data[:2] == b"II" else ">", BIG if data[2:4] in (b"+\0", b"\0+") else CLASSIC


def _directory(data: Bytes, offset: int, order: Order, widths: Widths, seen: set[int]) -> Directory | None:
    """Return the directory at an offset; None if it is broken or was seen before."""
    if offset in seen or offset + widths.count_size > len(data) or len(seen) > _MOST_DIRECTORIES:
        return None
    seen.add(offset)
    (count,) = struct.unpack_from(order + widths.count, data, offset)
    start = offset + widths.count_size
    if start + count * widths.entry > len(data):
        return None
    found = Directory(offset)
    for place in range(start, start + count * widths.entry, widths.entry):
        entry = _entry(data, place, order, widths)
        if entry is None:
            found.broken += [struct.unpack_from(order + "H", data, place)[0]]
        elif entry.code in POINTERS and entry.type in _INTEGERS:
            offsets = struct.unpack(f"{order}{entry.count}{_INTEGERS[entry.type]}", entry.data)
            inner = [_directory(data, one, order, widths, seen) for one in offsets]
            below = [one for one in inner if one is not None]
            if below:
                found.below[entry.code] = below
                found.lists[entry.code] = (entry.place, len(entry.data))
            goes_on = entry.code == SUBIFDS and any(_goes_on(data, one, order, widths) for one in offsets)
            if goes_on or len(below) < len(inner):
                found.broken.append(entry.code)
        elif entry.code in found.entries:
            found.again.append(entry)
        else:
            found.entries[entry.code] = entry
    return found


def _goes_on(data: Bytes, offset: int, order: Order, widths: Widths) -> bool:
    """Return whether a directory below another one leads to a next one, which no program is known to write."""
    if offset + widths.count_size > len(data):
        return False
    (count,) = struct.unpack_from(order + widths.count, data, offset)
    place = offset + widths.count_size + count * widths.entry
    if place + widths.size > len(data):
        return False
    (following,) = struct.unpack_from(order + widths.offset, data, place)
    return bool(0 < following < len(data))


def _entry(data: Bytes, place: int, order: Order, widths: Widths) -> Entry | None:
    code, type_, count = struct.unpack_from(f"{order}HH{widths.offset}", data, place)
    inside = place + 4 + widths.size
    size = SIZES.get(type_, 0) * count
    if type_ not in SIZES:  # of an unknown type: the field itself is all that can be known of it
        return Entry(code, type_, count, bytes(data[inside : inside + widths.size]))
    if size > widths.size:
        (inside,) = struct.unpack_from(order + widths.offset, data, inside)
    if inside + size > len(data):
        return None
    return Entry(code, type_, count, bytes(data[inside : inside + size]), inside if size > widths.size else 0)


def integers(order: Order, code: int, values: list[int], type_: int) -> Entry:
    """Return a tag of unsigned integers of a type: 1, 3, 4, 13, 16 or 18."""
    data = struct.pack(f"{order}{len(values)}{_INTEGERS[type_]}", *values)
    return Entry(code, type_, len(values), data)


def block_size(directory: Directory, widths: Widths) -> int:
    """Return the bytes that a directory takes in a file, with the values of its tags and without those below."""
    sizes = [len(entry.data) for entry in (*directory.entries.values(), *directory.again)]
    sizes += [len(inner) * widths.size for inner in directory.below.values()]
    fixed = widths.count_size + len(sizes) * widths.entry + widths.size
    return fixed + sum(size + size % 2 for size in sizes if size > widths.size) + fixed % 2


def block(
    directory: Directory, order: Order, widths: Widths, place: int, below: dict[int, list[int]], next_: int
) -> bytes:
    """Return the bytes of a directory with the values of its tags, as they stand at ``place`` of a file.

    Args:
        directory: the directory.
        order, widths: of the file.
        place: where the block will stand.
        below: the offsets of the directories below, by the code of the pointer.
        next_: the offset of the next main directory, or 0.
    """
    kind = 18 if widths is BIG else 13
    entries = dict(directory.entries)
    for code, offsets in below.items():
        # LONG rather than IFD for a single group: older readers know EXIF and GPS so.
        type_ = kind if code == SUBIFDS else (16 if widths is BIG else 4)
        entries[code] = integers(order, code, offsets, type_)
    tags = sorted([*entries.values(), *directory.again], key=lambda entry: entry.code)
    head = [struct.pack(order + widths.count, len(tags))]
    fixed = widths.count_size + len(tags) * widths.entry + widths.size
    fixed += fixed % 2
    values: list[bytes] = []
    end = place + fixed
    for entry in tags:
        field_ = entry.data.ljust(widths.size, b"\0")
        if len(entry.data) > widths.size:
            field_ = struct.pack(order + widths.offset, end)
            body = moved_note(entry.data, entry.place, end) if entry.code == MAKER_NOTE else entry.data
            values.append(body + bytes(len(body) % 2))
            end += len(values[-1])
        head.append(struct.pack(f"{order}HH{widths.offset}", entry.code, entry.type, entry.count) + field_)
    head.append(struct.pack(order + widths.offset, next_))
    return b"".join(head).ljust(fixed, b"\0") + b"".join(values)
