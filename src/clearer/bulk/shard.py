"""Restore the files of one shard: what has no record or no output, file by file, whatever killed the worker before."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from clearer.bulk.folder import BulkFolder
from clearer.bulk.key_buckets import Keys
from clearer.bulk.keys import hash_of, key_of, version_of, versioned
from clearer.bulk.manifest import Entry
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record, RecordLog, read_records
from clearer.bulk.restoring import Item, RestoreFiles, batches
from clearer.core.addresses import is_remote
from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.core.leftovers import remove_leftovers

BATCH = 32
"""Files given to the model at a time: enough that reading and writing hide behind it, few enough to stay small."""
IN_FLIGHT = 4
"""Files that are read, restored and written at a time; one of them is to blame if the process is killed."""
MOST_DEATHS = 3
"""Processes that may die over a file before it is left out."""

_NEW, _DONE, _FAILED = 0, 1, 2


class Begun(NamedTuple):
    """A worker has begun a shard, of which so many files were done before."""

    shard: int
    already: int


def restore_shard(
    folder: BulkFolder,
    plan: BulkPlan,
    shard: int,
    model: Callable[[], RestoreFiles],
    tell: Callable[[Record | Begun], None],
) -> bool:
    """Restore the files of a shard that are not done.

    Args:
        folder, plan: of the restoration.
        shard: its number, from 0.
        model: called if there is something to restore.
        tell: called with each record, and at the beginning with the number of files that were done before.

    Returns:
        Whether the shard is done now; False while another worker has it.

    Raises:
        UserError: the disk is full.
    """
    with open_shard(folder, plan, shard) as work:
        if work is None:
            return False
        if _ended(folder, plan, shard):
            tell(Begun(shard, plan.files_of(shard)))
            return True
        tell(Begun(shard, plan.files_of(shard) - work.pending))

        def done(record: Record) -> None:
            work.take(record)
            tell(record)

        for items in work.batches(done):
            work.deaths.begin([number for number, _ in items])
            model().restore(items, done)
        work.finish()
    return True


def _ended(folder: BulkFolder, plan: BulkPlan, shard: int) -> bool:
    """Return whether another worker of this call has done a shard."""
    marker = folder.marker(plan, shard)
    # A task of Slurm has its shards alone: it tries again what failed.
    return not plan.run.startswith("slurm-") and marker.exists() and read_json(marker).get("run") == plan.run


@contextlib.contextmanager
def open_shard(folder: BulkFolder, plan: BulkPlan, shard: int) -> Iterator[Shard | None]:
    """Claim a shard and yield it; None while another worker has it."""
    held = folder.claim(plan, shard)
    if held is None:
        yield None
        return
    with held:
        work = Shard(folder, plan, shard)
        try:
            yield work
        finally:  # this process lives: no file has killed it
            work.close()


class Shard:
    """A shard that this process has claimed, and what became of its files so far."""

    def __init__(self, folder: BulkFolder, plan: BulkPlan, shard: int) -> None:
        self.folder, self.plan, self.shard = folder, plan, shard
        self.states = _states(folder, plan, shard)
        self.deaths = _Deaths(folder.log(plan, shard).with_suffix(".now"))
        self._log = RecordLog(folder.log(plan, shard))

    @property
    def pending(self) -> int:
        """The number of files to restore."""
        return self.states.count(_NEW)

    def items(self) -> Iterator[Item]:
        """Yield the files to restore."""
        for number, entry in self.folder.entries(self.plan, self.shard):
            if self.states[number // self.plan.shards] == _NEW:
                yield number, entry

    def batches(self, done: Callable[[Record], None]) -> Iterator[list[Item]]:
        """Yield the files to restore; those over which a process died come first, one by one.

        ``done`` gets the record of a file over which too many have died.
        """
        for number, entry in [item for item in self.items() if self.deaths.of(item[0])]:
            if not is_remote(entry.output):
                remove_leftovers(Path(entry.output).parent)
            count = self.deaths.of(number)
            if count < MOST_DEATHS:
                yield [(number, entry)]
                continue
            why = (
                f"{count} processes were killed while they restored it, perhaps for memory; try --tile, or leave it out"
            )
            done(Record(number, entry.input, entry.output, entry.output, error=f"{entry.input}: {why}"))
        yield from batches(self.items(), BATCH)

    def take(self, record: Record) -> None:
        """Write the record of a file."""
        self._log.add(record)
        self.deaths.settle(record.index)
        self.states[record.index // self.plan.shards] = _DONE if record.error is None else _FAILED

    def finish(self) -> None:
        """Write the marker: there is a record of each file."""
        failed = self.states.count(_FAILED)
        facts = {"files": len(self.states), "restored": len(self.states) - failed, "failed": failed}
        write_json(self.folder.marker(self.plan, self.shard), {**facts, "run": self.plan.run}, private=True)
        self.deaths.counts.clear()

    def close(self) -> None:
        """Close the records, and note that no file is worked on."""
        self.deaths.end()
        self._log.close()


def pending_files(folder: BulkFolder, plan: BulkPlan) -> int:
    """Return how many files of all shards have no record or no output."""
    return sum(_states(folder, plan, shard).count(_NEW) for shard in range(plan.shards))


def _states(folder: BulkFolder, plan: BulkPlan, shard: int) -> bytearray:
    """Return the state of each file of a shard: done if it has a record, here or in an earlier list, and an output.

    One whose input was replaced since is not done.
    """
    states = bytearray(plan.files_of(shard))
    versions = np.zeros(len(states), np.uint64)  # of files elsewhere, whose versions are in the list
    for record in read_records(folder.log(plan, shard)):
        k = record.index // plan.shards
        states[k] = _DONE if _is_done(record, plan) else _NEW
        versions[k] = hash_of(record.version) if record.version is not None and is_remote(record.input) else 0
    before = folder.done_before(plan)
    if not versions.any() and not (len(before) and _NEW in states):
        return states
    for number, entry in folder.entries(plan, shard):
        k = number // plan.shards
        if states[k] == _NEW:
            states[k] = _DONE if _was_done(entry, before) else _NEW
        elif versions[k] and entry.version is not None and versions[k] != hash_of(entry.version):
            states[k] = _NEW
    return states


def _was_done(entry: Entry, before: Keys) -> bool:
    """Return whether a file was done with an earlier list; of records without a version, none is asked for."""
    key = key_of(entry.input, entry.output)
    for one in {key, versioned(key, version_of(entry.input, entry.version))}:
        place = int(np.searchsorted(before, np.uint64(one)))
        if place < len(before) and before[place] == one and _is_there(entry.output):
            return True
    return False


def _is_done(record: Record, plan: BulkPlan) -> bool:
    """Return whether a file is done; one that was skipped, only for a call that skips too."""
    if record.skipped and not plan.options.get("skip_existing"):
        return False
    if record.error is not None or not _is_there(record.output):
        return False
    return None in (record.version, now := version_of(record.input, None)) or record.version == now


def _is_there(output: str) -> bool:
    """Return whether an output is there; elsewhere, to ask would take as long as to trust the record is safe."""
    return is_remote(output) or Path(output).exists()


class _Deaths:
    """A note of the files in flight, which outlives the process: a file over which several die is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._length = 0
        self.counts: dict[int, int] = {}
        self.waiting: list[int] = []
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            found = json.loads(path.read_text(encoding="ascii"))
            self.counts = {int(number): int(count) for number, count in found["deaths"].items()}
            for number in found["now"]:
                self.counts[int(number)] = self.counts.get(int(number), 0) + 1

    def of(self, number: int) -> int:
        """Return how many processes died over a file."""
        return self.counts.get(number, 0)

    def begin(self, numbers: list[int]) -> None:
        """Note the files that are worked on from now on."""
        self.waiting = numbers
        self._write(self.waiting[:IN_FLIGHT])

    def settle(self, number: int) -> None:
        """Note that a file is done."""
        if number in self.waiting:
            self.waiting.remove(number)
            self.counts.pop(number, None)
            self._write(self.waiting[:IN_FLIGHT])

    def end(self) -> None:
        """Note that nothing is worked on; remove the note if it says nothing."""
        if self.counts:
            self._write([])
        if self._file is not None:
            self._file.close()
        if not self.counts:
            self.path.unlink(missing_ok=True)

    def _write(self, now: list[int]) -> None:
        # In place and padded, for it is written with every image: ext4 flushes a file that is emptied or replaced,
        # which takes milliseconds. A torn note is only one that tells nothing.
        text = json.dumps({"deaths": self.counts, "now": now}).encode()
        try:
            if self._file is None:
                self.path.touch(mode=0o600)
                self._file = self.path.open("r+b", buffering=0)
                self._length = self._file.seek(0, os.SEEK_END)
            self._length = max(self._length, len(text))
            self._file.seek(0)
            self._file.write(text.ljust(self._length))
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}); free some space") from error
