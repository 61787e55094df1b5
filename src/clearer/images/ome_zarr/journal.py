"""Journal: which blocks of an unfinished OME-Zarr output are written, so that the next process goes on there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.core.parse import parse_json
from clearer.images.ome_zarr.place import Place
from clearer.images.types import AnyPixels

PAUSE = 10.0
"""Times as long as it took to write the journal, until it is written again."""
Marks = list[list[float | None]]
"""What the check of the network's output has seen of each plane, after a block."""


def digest(pixels: AnyPixels, more: str = "") -> str:
    """Return a digest of pixels and of what else their restoration depends on."""
    found = hashlib.blake2b(more.encode(), digest_size=12)
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


class Journal:
    """The blocks that are written, each with digests of what it was made of and of what was written.

    A block counts as done only while both are as they were: a chunk that was cut off is made again, and so is what
    lies in a part of the source that has changed.

    Args:
        place: its file.
        key: of all that the output depends on besides the source's pixels; the journal of another key is forgotten.
        precision: of the network; what a journal states holds instead, see `begin`.
        fit: pixels of the largest tile.

    ``is_new`` states that there was no whole journal of this key: what lies in the output is that of other work.

    Raises:
        UserError: the storage cannot be reached.
    """

    def __init__(self, place: Place, key: str, precision: str, fit: int) -> None:
        self._place, self._key, self._lock = place, key, threading.Lock()
        self._due, self.reused, self.is_new = 0.0, 0, True
        self.precision, self.fit = precision, fit
        self._blocks: dict[str, tuple[str, str, Marks]] = {}
        try:
            data = place.read()
            found = None if data is None else parse_json(data.decode())
            if isinstance(found, dict) and found["key"] == key:
                self._blocks = {name: (one[0], one[1], one[2]) for name, one in found["blocks"].items()}
                self.precision, self.fit = str(found["precision"]), min(fit, int(found["fit"]))
                self.is_new = False
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):  # damaged: from the start
            self._blocks = {}

    def begin(self, precision: str) -> None:
        """Forget the blocks that were made in another precision.

        Raises:
            UserError: the journal cannot be written.
        """
        if precision != self.precision:
            self._blocks, self.precision = {}, precision
        self.save()

    def marks(self, block: str, source: str) -> Marks | None:
        """Return what was noted with a block that was made of this source; None if there is none."""
        found = self._blocks.get(block)
        return None if found is None or found[0] != source else found[2]

    def holds(self, block: str, written: AnyPixels) -> bool:
        """Return whether a block reads as it was written."""
        holds = self._blocks[block][1] == digest(written)
        self.reused += holds
        return holds

    def add(self, block: str, source: str, written: AnyPixels, marks: Marks) -> None:
        """Note a block that is written, in whatever thread.

        Raises:
            UserError: the journal cannot be written.
        """
        with self._lock:
            self._blocks[block] = (source, digest(written), marks)
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Write the journal.

        Raises:
            UserError: it cannot be written.
        """
        begun = time.monotonic()
        with self._lock:
            facts: dict[str, Any] = {"key": self._key, "precision": self.precision, "fit": self.fit}
            self._place.write(json.dumps({**facts, "blocks": self._blocks}).encode())
        now = time.monotonic()
        self._due = now + PAUSE * (now - begun)

    def save_if_possible(self) -> None:
        """Write the journal as the work breaks off: the fault that broke it off matters more."""
        with contextlib.suppress(UserError):
            self.save()
