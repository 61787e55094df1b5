"""Open the arrays of an OME-Zarr folder, copy all but their chunks, and cut them into blocks of whole chunks."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.addresses import StorageFault
from clearer.core.errors import UserError, one_line
from clearer.core.leftovers import is_temporary
from clearer.images.ome_zarr.place import Place, lasts, place_of, unwritable
from clearer.images.ome_zarr.tree import METADATA
from clearer.images.types import AnyPixels

Block = tuple[slice, ...]
"""A part of an array, a slice for each axis."""

BLOCK_BYTES = 2**26
"""Bytes of an array that are held at a time, if one chunk has no more."""
_KINDS = "buif"


def open_array(place: Path | Place, *, write: bool = False) -> Any:
    """Return the ``zarr.Array`` of a folder, to be read or, of the chunks that it has, written.

    Raises:
        UserError: zarr is not installed, or the array is damaged or of a type that is no image.
    """
    place = place_of(place)
    try:
        import zarr
    except ImportError:
        raise UserError(f"{place}: OME-Zarr needs zarr; run pip install 'clearer[zarr]'") from None
    try:
        found = zarr.open_array(place.store(write=write), mode="r+" if write else "r")
    except Exception as error:  # codecs that are missing and metadata that are broken raise many kinds
        raise UserError(
            f"{place}: not readable as a Zarr array ({one_line(error, place.address)}); copy it again"
        ) from error
    if found.dtype.kind not in _KINDS:
        raise UserError(f"{place}: {found.dtype} values are no pixels that can be restored; convert the image")
    return found


def unit_of(array: Any) -> tuple[int, ...]:
    """Return the shape of what is written at once: a shard, or a chunk."""
    return tuple(array.shards or array.chunks)


def read_block(array: Any, place: Block) -> AnyPixels:
    """Return a part of an array in the byte order of this machine.

    Raises:
        UserError: a chunk is damaged, or cannot be read.
    """
    try:
        found = np.asarray(array[place])
    except MemoryError:
        raise
    except Exception as error:  # each codec has errors of its own
        fault = f"{_path_of(array)}: a chunk cannot be read ({one_line(error)})"
        if _is_here(array):
            raise UserError(f"{fault}; copy the folder again") from error
        if lasts(_path_of(array), error):
            raise UserError(f"{fault}; check the address and its permissions") from error
        raise StorageFault(f"{fault}; rerun the command to resume, or copy the folder again") from error
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def write_block(array: Any, place: Block, pixels: AnyPixels) -> None:
    """Write a part of an array.

    Raises:
        UserError: it is elsewhere and cannot be written.
        OSError: it is here and cannot be written.
    """
    try:
        array[place] = pixels
    except Exception as error:
        if _is_here(array) or isinstance(error, MemoryError):
            raise
        raise unwritable(_path_of(array), error) from error


def _is_here(array: Any) -> bool:
    return not hasattr(array.store_path.store, "fs")


def _path_of(array: Any) -> str:
    where = array.store_path
    if _is_here(array):
        return str(where).removeprefix("file://")
    return f"{where.store.fs.unstrip_protocol(where.store.path)}/{where.path}".rstrip("/")


def copy_without_chunks(source: Place, target: Place, arrays: Sequence[str]) -> None:
    """Copy all files of a folder but the metadata of groups, and of ``arrays``, folders below it, the metadata alone.

    Raises:
        UserError: a file elsewhere cannot be read or written.
        OSError: a file here cannot be read or written.
    """
    for below, name in _files(source, "", frozenset(arrays)):
        if name not in METADATA or below in arrays:
            _copy(source / below / name, target / below / name)


def copy_metadata(source: Place, target: Place, arrays: Sequence[str]) -> None:
    """Copy what `copy_without_chunks` left out, the root's last: until then, the target is no OME-Zarr.

    Raises:
        UserError, OSError: as there.
    """
    for below, name in _files(source, "", frozenset(arrays)):
        if name in METADATA and below not in arrays:
            _copy(source / below / name, target / below / name)


def digest_of_files(source: Place, arrays: Sequence[str]) -> str:
    """Return a digest of what `copy_without_chunks` and `copy_metadata` copy: names, and the content of metadata.

    Raises:
        UserError, OSError: as there.
    """
    found = hashlib.sha256()
    for below, name in _files(source, "", frozenset(arrays)):
        content = (source / below / name).read() if name in METADATA else None
        found.update(repr((below, name, content)).encode(errors="surrogateescape"))
    return found.hexdigest()


def _files(source: Place, below: str, arrays: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the folder and the name of each file, those of folders inside first; of ``arrays`` no chunks."""
    if below in arrays:  # it may have millions of chunks: they are not listed
        yield from ((below, name) for name in METADATA if (source / below / name).exists())
        return
    entries = [entry for entry in (source / below).entries() if not is_temporary(entry[0])]
    for name, is_folder in entries:
        if is_folder:
            yield from _files(source, f"{below}/{name}".lstrip("/"), arrays)
    yield from ((below, name) for name, is_folder in entries if not is_folder)


def _copy(source: Place, target: Place) -> None:
    if source.path is not None and target.path is not None:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source.path, target.path)
    else:
        target.write(source.read() or b"")


def blocks(shape: Sequence[int], steps: Sequence[int]) -> Iterator[Block]:
    """Yield the blocks of ``steps`` that an array is cut into, the last axis first; the last ones may be smaller."""
    ranges = [range(0, length, step) for length, step in zip(shape, steps, strict=True)]
    for starts in product(*ranges):
        yield tuple(
            slice(start, min(start + step, length)) for start, step, length in zip(starts, steps, shape, strict=True)
        )


def steps_within(shape: Sequence[int], unit: Sequence[int], most: int) -> tuple[int, ...]:
    """Return the shape of blocks of whole units with at most ``most`` values, if one unit has no more.

    The last two axes grow first, evenly; the others keep that of a unit.
    """
    steps = [min(one, length) for one, length in zip(unit, shape, strict=True)]
    growing = True
    while growing:
        growing = False
        for axis in sorted((-2, -1), key=lambda axis: steps[axis]):
            grown = [*steps]
            grown[axis] = min(steps[axis] + unit[axis], shape[axis])
            if grown != steps and math.prod(grown) <= most:
                steps, growing = grown, True
                break
    return tuple(steps)
