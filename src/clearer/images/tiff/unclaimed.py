"""Bytes of a TIFF file that no tag refers to: what follows the last image, and blocks known to one program only."""

from __future__ import annotations

from collections.abc import Iterator

from clearer.images.tiff.directory import BIG, CLASSIC, Bytes, Directory, Tree, Widths
from clearer.images.tiff.plan import Plan

Span = tuple[int, int]

_PLACES = ((273, 279), (324, 325), (513, 514))  # offsets and byte counts of strips, tiles and a JPEG
_SLACK = 64  # bytes between blocks: alignment, repeated sizes, and values that writers have replaced
_GHOST = b"GDAL_STRUCTURAL_METADATA"  # describes the layout of the file, which changes
_OLD_JPEG = (519, 520, 521)  # tags that point to tables of unstated size


def unclaimed(data: Bytes, plan: Plan) -> list[Span]:
    """Return the parts of a file, (start, end), that nothing refers to, where that can be known."""
    tree = plan.tree
    widths = BIG if tree.big else CLASSIC
    if any(code in directory.entries for directory in tree.images() for code in _OLD_JPEG):
        return []
    found: list[Span] = []
    end = widths.first + widths.size
    try:
        claims = sorted(_claims(data, plan, tree, widths))
    except Exception:  # tifffile raises many kinds on broken tags, of which nothing can be said
        return []
    for start, stop in claims:
        if start > end + _SLACK and _means_something(data, end, start):
            found.append((end, start))
        end = max(end, stop)
    return [*found, (end, len(data))] if len(data) > end + 1 else found


def _means_something(data: Bytes, start: int, end: int) -> bool:
    if bytes(data[start : start + len(_GHOST)]) == _GHOST:
        return False
    return any(any(data[place : min(place + 2**16, end)]) for place in range(start, end, 2**16))  # not only zeros


def tail(data: Bytes, plan: Plan) -> Span:
    """Return what follows everything else in a file, (start, end); it may be empty."""
    parts = unclaimed(data, plan)
    return parts[-1] if parts and parts[-1][1] == len(data) else (len(data), len(data))


def _claims(data: Bytes, plan: Plan, tree: Tree, widths: Widths) -> Iterator[Span]:
    for directory in tree.chain:
        yield from _of_directory(directory, tree, widths)
    for image in plan.images:
        page = image.page
        counts = page.databytecounts or [page.nbytes]
        for start, count in zip(page.dataoffsets, counts, strict=False):
            yield int(start), int(start) + int(count) * image.copies
        if page.is_contiguous and len(page.dataoffsets):
            yield int(page.dataoffsets[0]), int(page.dataoffsets[0]) + int(page.nbytes) * image.copies


def _of_directory(directory: Directory, tree: Tree, widths: Widths) -> Iterator[Span]:
    tags = len(directory.entries) + len(directory.again) + len(directory.below) + len(directory.broken)
    yield directory.offset, directory.offset + widths.count_size + tags * widths.entry + widths.size
    for entry in (*directory.entries.values(), *directory.again):
        if entry.place:
            yield entry.place, entry.place + len(entry.data) + len(entry.data) % 2
    for places, counts in _PLACES:
        if places in directory.entries and counts in directory.entries:
            numbers = (tree.numbers(directory.entries[code]) for code in (places, counts))
            yield from ((start, start + count) for start, count in zip(*numbers, strict=False))
    for code, inner in directory.below.items():
        if len(inner) > 1:
            yield from _of_list(directory, code, widths)
        for one in inner:
            yield from _of_directory(one, tree, widths)


def _of_list(directory: Directory, code: int, widths: Widths) -> Iterator[Span]:
    place, size = directory.lists.get(code, (0, 0))
    if size > widths.size:
        yield place, place + size
