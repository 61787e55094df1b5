"""BulkFolder: where the plan, the list of files and the records of a bulk restoration are.

OUT/.clearer-bulk/
    plan.json             what is restored, with what; names the list in use
    claims/               who works on what
    ID/                   of one list of files and one number of shards
        manifest.jsonl    the list, as the workers read it: {"input": ..., "output": ...} a line
        done-before       files that earlier lists had and that are done, 8 bytes each
        00003.jsonl       records of shard 3, a line a file
        00003.done        written when all files of shard 3 are done
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clearer.bulk.key_buckets import KeyBuckets, Keys, sorted_keys
from clearer.bulk.keys import hash_of, key_of, place_key, versioned
from clearer.bulk.manifest import Entry
from clearer.bulk.plan import BulkPlan, listed
from clearer.bulk.records import Record, RecordLog, read_records
from clearer.bulk.walk import Faults
from clearer.core.addresses import identity, is_remote
from clearer.core.claims import Claim, claim
from clearer.core.errors import UserError, masked
from clearer.core.files import write_json, written_whole
from clearer.core.leftovers import is_temporary
from clearer.images.types import FORMATS

NAME = ".clearer-bulk"
_LIST = "manifest.jsonl"
POLL = 0.2
_APPENDED = {format.suffixes[0] for format in FORMATS.values()}


@dataclass(frozen=True)
class BulkFolder:
    """The folder of a bulk restoration.

    Args:
        path: `NAME` in the output folder, or what ``--state`` names.
    """

    path: Path

    @property
    def plan_file(self) -> Path:
        """The plan in use."""
        return self.path / "plan.json"

    def part(self, plan: BulkPlan) -> Path:
        """Return the folder of a plan's list and records."""
        return self.path / plan.id

    def log(self, plan: BulkPlan, shard: int) -> Path:
        """Return the file with the records of a shard."""
        return self.part(plan) / f"{shard:05d}.jsonl"

    def marker(self, plan: BulkPlan, shard: int) -> Path:
        """Return the file that says that a shard is done."""
        return self.part(plan) / f"{shard:05d}.done"

    def claim(self, plan: BulkPlan, shard: int) -> Claim | None:
        """Claim a shard; None while another worker has it."""
        return claim(self.path / "claims" / f"{plan.id}-{shard:05d}")

    def prepare(self, wanted: BulkPlan) -> BulkPlan:
        """Write the list of files, and the plan that names it, unless they are there.

        Args:
            wanted: a plan without ``id`` and ``files``.

        Returns:
            The plan in use. Where another process of the same ``run`` has written it, its own.

        Raises:
            UserError: the files cannot be listed, the outputs so far are of another model or other options, or other
                workers restore another list of files into this folder.
        """
        made = [folder for folder in (self.path / "claims", self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Addresses may hold passwords, which the workers need.
            self.path.mkdir(mode=0o700, exist_ok=True)
            if self.path.name == NAME or self.plan_file.exists():  # of an earlier version
                for folder in (self.path, *(entry for entry in self.path.iterdir() if entry.is_dir())):
                    if not is_temporary(folder.name):  # another worker's, private and soon gone
                        folder.chmod(0o700)
            (self.path / "claims").mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be made ({error.strerror}); name another folder with --state"
            ) from None
        try:
            return self._prepared(wanted)
        except BaseException:  # such as an empty folder, which leaves nothing behind
            for folder in made:
                with contextlib.suppress(OSError):  # not empty
                    folder.rmdir()
            raise

    def _prepared(self, wanted: BulkPlan) -> BulkPlan:
        while (held := claim(self.path / "claims" / "plan")) is None:
            time.sleep(POLL)
        with held:
            before = BulkPlan.read(self.plan_file) if self.plan_file.exists() else None
            if before is not None:
                if any(record.error is None for record in self.records()):
                    self._check(before, wanted)
                if before.run == wanted.run:
                    return before
            plan = self._written(wanted)
            if before is not None and before.id != plan.id:
                self._check_idle(before)
            if before is None or before.id != plan.id or not (self.part(plan) / "done-before").exists():
                self._note_done_before(plan)
            write_json(self.plan_file, plan.to_json(), private=True)
            return plan

    def entries(self, plan: BulkPlan, shard: int) -> Iterator[tuple[int, Entry]]:
        """Yield the files of a shard, each with its number in the list."""
        with (self.part(plan) / _LIST).open(encoding="ascii") as lines:
            for number, line in enumerate(lines):
                if number % plan.shards == shard:
                    yield number, _entry(line)

    def done_before(self, plan: BulkPlan) -> Keys:
        """Return the sorted keys of the files that were done when this list was begun; see `key_of`, `versioned`."""
        return sorted_keys(self.part(plan) / "done-before")

    def records(self) -> Iterator[Record]:
        """Yield the records of all lists."""
        for log in self._logs():
            yield from read_records(log)

    def _logs(self) -> list[Path]:
        return sorted(log for log in self.path.glob("*/*.jsonl") if log.name != _LIST)

    def _check(self, before: BulkPlan, wanted: BulkPlan) -> None:
        different = wanted.differs(before)
        if different is not None:
            raise UserError(
                f"{self.path}: the files so far were restored otherwise ({different}); choose another output, "
                "or remove this folder to restore all of them again"
            )

    def is_idle(self, plan: BulkPlan) -> bool:
        """Return whether no worker has a shard of a plan now."""
        for shard in range(plan.shards):
            held = self.claim(plan, shard)
            if held is None:
                return False
            held.release()
        return True

    def _check_idle(self, before: BulkPlan) -> None:
        if not self.is_idle(before):
            raise UserError(
                f"{self.path}: other workers restore another list of files, or other shards; wait until they end"
            )

    def _written(self, wanted: BulkPlan) -> BulkPlan:
        """Write the list of files; return the plan with its ``id`` and ``files``."""
        file = self.path / "listed.jsonl"
        try:
            plan = self._listed(wanted, file)
        except UserError:
            file.unlink(missing_ok=True)
            raise
        self.part(plan).mkdir(mode=0o700, exist_ok=True)
        file.replace(self.part(plan) / _LIST)
        return plan

    def _listed(self, wanted: BulkPlan, target: Path) -> BulkPlan:
        faults = Faults()
        digest, is_open = hashlib.sha256(f"{wanted.shards}\n".encode()), False
        with KeyBuckets(self.path) as inputs, KeyBuckets(self.path) as outputs:
            with written_whole(target, private=True) as temporary, temporary.open("wb") as file:
                for place in listed(wanted.source, wanted.out or None, wanted.restore_options(), faults):
                    entry = place._replace(input=_absolute(place.input), output=_absolute(place.output))
                    file.write(_line(entry).encode())
                    digest.update(_line(entry._replace(version=None)).encode())
                    inputs.add(place_key(entry.input))
                    outputs.add(place_key(entry.output))
                    is_open = is_open or entry.naming == "content"
            if not inputs.count and faults.unreadable:
                raise UserError(faults.unreadable[0])
            if not inputs.count:
                raise UserError(faults.nothing(masked(wanted.source)))
            _check_places(target, inputs, outputs)
        if is_open:
            _mark_rivals(target)
        notes, found = faults.notes(masked(wanted.source)), digest.hexdigest()[:12]
        return replace(wanted, id=found, files=inputs.count, unreadable=faults.unreadable, notes=notes)

    def _note_done_before(self, plan: BulkPlan) -> None:
        """Write the keys of all files that are done in other lists, but for those whose outputs this list takes over.

        In the other lists these do not count as done any more: given again, they would have the output of another file.
        """
        logs = [log for log in self._logs() if log.parent != self.part(plan)]
        lost: dict[int, set[int]] = {}
        with KeyBuckets(self.path, 5) as done, KeyBuckets(self.path) as keys:
            _add_done(done, logs, self.path)
            if done.count:
                with KeyBuckets(self.path, 2) as owners:
                    self._add_owners(owners, plan)
                    for rows, owned in zip(done, owners, strict=True):
                        taken = _taken_over(rows, owned)
                        for key in rows[~taken, 2].tolist():
                            keys.add(key)
                        for place, number in rows[taken, 3:].tolist():
                            lost.setdefault(place, set()).add(number)
            target = self.part(plan) / "done-before"
            with written_whole(target, private=True) as temporary, temporary.open("wb") as file:
                for bucket in keys:
                    np.unique(bucket).tofile(file)
        for place, files in sorted(lost.items()):
            _take_back(logs[place], files)

    def _add_owners(self, owners: KeyBuckets, plan: BulkPlan) -> None:
        """Add what the outputs of a list are or may become, each with the key of its file."""
        for entry in _entries(self.part(plan) / _LIST):
            added = ("", *_APPENDED) if entry.naming == "content" else ("",)
            place, key = identity(entry.output), key_of(entry.input, entry.output)
            for suffix in added:
                owners.add(hash_of(place + suffix), key)


def _check_places(listed_file: Path, inputs: KeyBuckets, outputs: KeyBuckets) -> None:
    """Refuse two files with one output, and an output that is an input."""
    for read, written in zip(inputs, outputs, strict=True):
        ordered = np.sort(written[:, 0])
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        over = np.intersect1d(read, ordered)
        wrong = {*twice[:1].tolist(), *over[:1].tolist()}
        if wrong:
            same = [entry for entry in _entries(listed_file) if place_key(entry.output) in wrong]
            found = [f"{_shown(entry.input)} -> {_shown(entry.output)}" for entry in same]
            if len(twice) and len(same) > 1 and place_key(same[0].input) == place_key(same[1].input):
                raise UserError(f"this is listed twice: {found[0]}; remove one of its lines")
            what = "these have one output" if len(twice) else "this would overwrite a file of the list"
            raise UserError(f"{what}: {'; '.join(found[:2])}; name another output")


def _add_done(done: KeyBuckets, logs: list[Path], parent: Path) -> None:
    """Add of each file whose last record says that it is done: output, key, key with version, log, number."""
    with KeyBuckets(parent, 6) as all_records:
        for place, log in enumerate(logs):
            for r in read_records(log):
                is_done = r.error is None and not r.skipped
                all_records.add(r.key, place, r.index, is_done, r.place, versioned(r.key, r.version))
        for bucket in all_records:
            newest = bucket[::-1]
            latest = newest[np.unique(newest[:, 1:3], axis=0, return_index=True)[1]]  # of each file
            for key, place, number, _, output, version in latest[latest[:, 3] == 1].tolist():
                done.add(output, key, version, place, number)


def _taken_over(done: Keys, owned: Keys) -> npt.NDArray[np.bool_]:
    """Return which files that are done have an output that is that of another file now."""
    order = np.argsort(owned[:, 0], kind="stable")
    outputs, owners = owned[order].T
    if not len(outputs):
        return np.zeros(len(done), bool)
    place = np.searchsorted(outputs, done[:, 0]).clip(max=len(outputs) - 1)
    taken: npt.NDArray[np.bool_] = (outputs[place] == done[:, 0]) & (owners[place] != done[:, 1])
    return taken


def _entry(line: str) -> Entry:
    found = json.loads(line)
    return Entry(found["input"], found["output"], found["naming"], found.get("version"))


def _entries(listed_file: Path) -> Iterator[Entry]:
    with listed_file.open(encoding="ascii") as lines:
        yield from map(_entry, lines)


def _mark_rivals(listed_file: Path) -> None:
    """Mark the files of a list that a suffix, which their content may call for, would give the place of another.

    Inputs are such places, too: they would be overwritten.
    """
    with KeyBuckets(listed_file.parent) as whole, KeyBuckets(listed_file.parent) as cut:
        for entry in _entries(listed_file):
            if entry.naming == "content":
                whole.add(place_key(entry.output))
            for place in map(identity, (entry.input, entry.output)):
                stem, dot, suffix = place.rpartition(".")
                if dot + suffix in _APPENDED:
                    cut.add(hash_of(stem))
        rivals = set(np.concatenate([np.intersect1d(*pair) for pair in zip(whole, cut, strict=True)]).tolist())
    if not rivals:
        return
    with written_whole(listed_file, private=True) as temporary, temporary.open("w", encoding="ascii") as file:
        for entry in _entries(listed_file):
            is_rival = entry.naming == "content" and place_key(entry.output) in rivals
            file.write(_line(entry._replace(naming="rival") if is_rival else entry))


def _take_back(log: Path, files: set[int]) -> None:
    """Record that some files of a shard, given by number, are not done any more: another list has their outputs."""
    last = {record.index: record for record in read_records(log) if record.index in files}
    added = RecordLog(log)
    for r in last.values():
        error = f"{r.output}: is the output of another file in a later list; give this list again to restore it"
        added.add(Record(r.index, r.input, r.output, r.planned, error=error, keys=r.keys))
    added.close()


def _line(entry: Entry) -> str:
    return json.dumps({key: value for key, value in entry._asdict().items() if value is not None}) + "\n"


def _absolute(place: str) -> str:
    """Return a path that means the same in any working directory; an address stays."""
    return place if is_remote(place) else str(Path(place).absolute())


def _shown(place: str) -> str:
    """Return a path as the user may have given it."""
    return place.removeprefix(f"{Path.cwd()}/")
