"""Numbers of 64 bits on disk, in buckets: lists of any length are sorted and compared in constant memory."""

from __future__ import annotations

import os
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from clearer.core.files import explained
from clearer.core.leftovers import held_folder

Keys = npt.NDArray[np.uint64]

BUCKETS = 256
_HELD = 1024
"""Numbers of a bucket that wait in memory: 2 MiB for all buckets."""


class KeyBuckets:
    """Rows of numbers in 256 buckets, by the highest byte of the first: bucket after bucket is in order.

    The rows are in a temporary folder, removed at the end of the ``with`` block.

    Args:
        parent: an existing folder, on a disk with room for the rows.
        columns: numbers in a row, 8 bytes each.

    Raises:
        UserError: the disk is full, also by `add`.
    """

    def __init__(self, parent: Path, columns: int = 1) -> None:
        self.columns, self.count = columns, 0
        try:
            self._folder, self._held = held_folder(parent, "keys")
        except OSError as error:
            raise explained(error, parent) from error
        self._waiting = [array("Q") for _ in range(BUCKETS)]

    def __enter__(self) -> KeyBuckets:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._held:
            os.close(self._held)

    def add(self, *row: int) -> None:
        """Add a row of numbers from 0 to 2**64 - 1."""
        bucket = row[0] >> 56
        waiting = self._waiting[bucket]
        waiting.extend(row)
        self.count += 1
        if len(waiting) >= _HELD:
            try:
                with self._file(bucket).open("ab") as file:
                    waiting.tofile(file)
            except OSError as error:
                raise explained(error, self._folder.parent) from error
            del waiting[:]

    def bucket(self, number: int) -> Keys:
        """Return the rows of a bucket, in the order in which they were added, (rows, columns)."""
        waiting = np.array(self._waiting[number], np.uint64)
        file = self._file(number)
        written = np.fromfile(file, np.uint64) if file.exists() else waiting[:0]
        return np.concatenate([written, waiting]).reshape(-1, self.columns)

    def __iter__(self) -> Iterator[Keys]:
        return map(self.bucket, range(BUCKETS))

    def _file(self, bucket: int) -> Path:
        return self._folder / f"{bucket:02x}"


def sorted_keys(file: Path) -> Keys:
    """Return the numbers of a file without reading them: they are looked up where they are."""
    return np.memmap(file, np.uint64, "r") if file.stat().st_size else np.zeros(0, np.uint64)
