"""Open the arrays of an OME-Zarr folder, copy all but their chunks, and cut them into blocks of whole chunks."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError, one_line
from clearer.core.leftovers import is_temporary
from clearer.images.ome_zarr.tree import METADATA
from clearer.images.types import AnyPixels

Block = tuple[slice, ...]
"""A part of an array, a slice for each axis."""

BLOCK_BYTES = 2**26
"""Bytes of an array that are held at a time, if one chunk has no more."""
_KINDS = "buif"


def open_array(path: Path, *, write: bool = False) -> Any:
    """Return the ``zarr.Array`` of a folder, to be read or, of the chunks that it has, written.

    Raises:
        UserError: zarr is not installed, or the array is damaged or of a type that is no image.
    """
    try:
        import zarr
    except ImportError:
        raise UserError(f"{path}: OME-Zarr needs zarr; run pip install 'clearer[zarr]'") from None
    try:
        found = zarr.open_array(str(path), mode="r+" if write else "r")
    except Exception as error:  # codecs that are missing and metadata that are broken raise many kinds
        raise UserError(f"{path}: not readable as a Zarr array ({one_line(error)}); copy it again") from error
    if found.dtype.kind not in _KINDS:
        raise UserError(f"{path}: {found.dtype} values are no pixels that can be restored; convert the image")
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
        raise UserError(
            f"{_path_of(array)}: a chunk cannot be read ({one_line(error)}); copy the folder again"
        ) from error
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _path_of(array: Any) -> str:
    return str(array.store_path).removeprefix("file://")


def copy_without_chunks(source: Path, target: Path, arrays: Sequence[str]) -> None:
    """Copy a folder into one that exists; of ``arrays``, folders below it, the metadata alone.

    Raises:
        OSError: a file cannot be read or written.
    """
    empty = {Path(array) for array in arrays}

    def copy(below: Path) -> None:
        for entry in os.scandir(source / below):
            place = target / below / entry.name
            if is_temporary(entry.name):
                continue
            if entry.is_dir():
                if below not in empty:
                    place.mkdir()
                    copy(below / entry.name)
            elif below not in empty or entry.name in METADATA:
                shutil.copyfile(entry.path, place)

    copy(Path())


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
