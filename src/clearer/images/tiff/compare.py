"""Compare a written TIFF file with its source by reading both: what is not as it was, in phrases."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import tifffile

from clearer.images.tiff.directory import POINTERS, Bytes, Directory, Entry, tree_of
from clearer.images.tiff.maker_note import MAKER_NOTE, moved_note
from clearer.images.tiff.plan import plan_of
from clearer.images.tiff.read import opened, read_tiff
from clearer.images.tiff.rewrite import LAYOUT
from clearer.images.tiff.unclaimed import unclaimed
from clearer.images.types import ImagePage

_EXPECTED = {*LAYOUT, *POINTERS}
_COMPRESSION, _PHOTOMETRIC, _COLORMAP = 259, 262, 320
_OF_JPEG = {347, *range(512, 522), 529, 530, 531, 532}
_OF_YCBCR = {530, 531, 532}
_OF_FAX = {292, 293, 326, 327, 328}
_SHOWN = 6


_READ_BACK = 2**24
"""Samples of all pages up to which they are decoded again: strange entries do not depend on the size."""


def check_readable(written: bytes, pages: Sequence[ImagePage]) -> None:
    """Read a written file again; a strange entry that was copied raises what the reader raises."""
    if sum(page.color.size for page in pages) <= _READ_BACK:
        read_tiff(written)


def differences(source: bytes, written: bytes, pages: Sequence[ImagePage]) -> tuple[str, ...]:
    """Return what a file that was written like another one does not have as the other has it; see `differences_of`."""
    with opened(source) as old, opened(written) as new:
        return differences_of((old, source), (new, written), pages)


def differences_of(
    source: tuple[Any, Bytes], written: tuple[Any, Bytes], pages: Sequence[ImagePage]
) -> tuple[str, ...]:
    """Return what a file that was written like another one does not have as the other has it.

    Series, shapes, axes and data types are those that tifffile finds; tags are compared as bytes.

    Args:
        source: the file that was read: tifffile's view of it, and its bytes.
        written: the file that was written, likewise.
        pages: what was to be written.
    """
    found: list[str] = []
    (old, before), (new, after) = ((tiff, tree_of(data)) for tiff, data in (source, written))
    if any(
        _has_palette(one) and not _has_palette(other) for one, other in zip(before.chain, after.chain, strict=False)
    ):
        return ("its palette is written as RGB",)
    with _quiet():
        found += _of_series(old, new, {page.color.dtype for page in pages})
    if len(before.chain) != len(after.chain):
        return (*found, f"has {len(after.chain)} pages, where the source has {len(before.chain)}")
    lost: dict[int, None] = {}
    codecs: dict[tuple[int, int], None] = {}
    for one, other in zip(before.chain, after.chain, strict=True):
        _compare(one, other, lost, codecs, before.order)
    found += [f"its compression ({_codec(a)}) is written as {_codec(b)}" for a, b in codecs]
    if any(_is_ycbcr(one) and not _is_ycbcr(other) for one, other in zip(before.chain, after.chain, strict=True)):
        found.append("its YCbCr colors are written as RGB")
    jpeg = any(a != b for a, b in codecs)
    names = [_name(code) for code in lost if not (jpeg and code in _OF_JPEG | _OF_FAX) and code not in _OF_YCBCR]
    missing = _unclaimed(*source) - _unclaimed(*written)
    if missing > 0:
        found.append(f"{missing} bytes that no tag refers to are not kept")
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        found.append(f"tags not kept: {', '.join(names[:_SHOWN])}{more}")
    return tuple(found)


def _unclaimed(tiff: Any, data: Bytes) -> int:
    with _quiet():
        return sum(end - start for start, end in unclaimed(data, plan_of(tiff, data, strict=False)))


def _has_palette(directory: Directory) -> bool:
    return _COLORMAP in directory.entries


def _is_ycbcr(directory: Directory) -> bool:
    entry = directory.entries.get(_PHOTOMETRIC)
    return entry is not None and entry.data in (b"\6\0", b"\0\6")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence tifffile, which logs what is odd in a file."""
    log = logging.getLogger("tifffile")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def _of_series(old: Any, new: Any, wanted: set[Any]) -> Iterator[str]:
    try:
        before = list(old.series)
    except Exception:  # broken descriptions: the tags are compared all the same
        return
    after = list(new.series)
    if len(before) != len(after):
        yield f"tifffile reads {len(after)} series of it, where the source has {len(before)}"
        return
    for number, (one, other) in enumerate(zip(before, after, strict=True), 1):
        where = f"series {number}: " if len(before) > 1 else ""
        if (one.kind, one.axes, one.shape) != (other.kind, other.axes, other.shape):
            yield (
                f"{where}tifffile reads it as {other.kind} {other.axes} {other.shape}, and the source as "
                f"{one.kind} {one.axes} {one.shape}"
            )
        elif len(one.levels) != len(other.levels):
            yield f"{where}has {len(other.levels)} levels, where the source has {len(one.levels)}"
        elif one.dtype != other.dtype and other.dtype not in wanted:
            yield f"{where}is {other.dtype}, where the source is {one.dtype}"


def _compare(
    old: Directory, new: Directory, lost: dict[int, None], codecs: dict[tuple[int, int], None], order: str
) -> None:
    was, is_ = old.entries.get(_COMPRESSION), new.entries.get(_COMPRESSION)
    if was is not None and is_ is not None and was.data != is_.data:
        little = "little" if order == "<" else "big"
        codecs[int.from_bytes(was.data, little), int.from_bytes(is_.data, little)] = None  # type: ignore[arg-type]
    for code, entry in old.entries.items():
        if code not in _EXPECTED and code != _COMPRESSION and not _same(entry, new.entries.get(code)):
            lost[code] = None
    lost.update(dict.fromkeys(code for code in old.broken if code not in new.broken))
    lost.update(dict.fromkeys(entry.code for entry in old.again if entry not in new.again))
    for code, inner in old.below.items():
        after = new.below.get(code, [])
        if len(after) != len(inner):
            lost[code] = None
        for one, other in zip(inner, after, strict=False):
            _compare(one, other, lost, codecs, order)


def _same(old: Entry, new: Entry | None) -> bool:
    if new is not None and old.code == MAKER_NOTE:
        return moved_note(old.data, old.place, new.place) == new.data
    return old == new


def _name(code: int) -> str:
    found = tifffile.TIFF.TAGS.get(code, "")
    return f"{found} ({code})" if found else str(code)


def _codec(code: int) -> str:
    try:
        return tifffile.COMPRESSION(code).name
    except ValueError:
        return str(code)
