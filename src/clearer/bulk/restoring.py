"""RestoreFiles: restore files of a plan with a model that is loaded once, and record each."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from clearer.bulk.keys import version_of
from clearer.bulk.locations import exists, fetch, name_of, put, with_name
from clearer.bulk.manifest import Entry
from clearer.bulk.plan import AUTO, BulkPlan
from clearer.bulk.records import Record
from clearer.core.addresses import is_remote
from clearer.core.errors import UserError, masked
from clearer.core.leftovers import temporary_folder
from clearer.inference.auto import restore_auto_jobs
from clearer.inference.files import restore_jobs
from clearer.inference.jobs import Job, Plan, listed_job
from clearer.inference.noise_level import check_takes_level
from clearer.inference.outcome import FileOutcome
from clearer.inference.restorer import Restorer, load
from clearer.inference.zarr_elsewhere import is_zarr_elsewhere, restore_zarr_elsewhere

T = TypeVar("T")
Item = tuple[int, Entry]
TRANSFERS = 8
"""Files fetched from elsewhere at a time."""


class RestoreFiles:
    """Restores files of a plan.

    Args:
        plan: the model, and how files are restored.
        device: of the computation.

    Raises:
        UserError: the model cannot be loaded, or the device is not there.
    """

    def __init__(self, plan: BulkPlan, device: str = "auto") -> None:
        self.plan, self.device = plan, device
        self.options = plan.restore_options()
        self._loaded: dict[str, Restorer] = {}
        self.is_auto = plan.model == AUTO and not Path(AUTO).exists()
        if not self.is_auto:
            restorer = self.load(plan.model)
            if self.options.sigma is not None:
                check_takes_level(restorer.architecture, plan.model)

    def restore(self, items: Sequence[Item], done: Callable[[Record], None]) -> None:
        """Restore some files.

        Args:
            items: each with its number in the list.
            done: called for each with its record, in whatever thread, one call at a time.

        Raises:
            UserError: the disk is full: no other file could be written either.
        """
        call = _Call(self, done)
        elsewhere = [item for item in items if is_zarr_elsewhere(item[1].input, item[1].output)]
        for item in elsewhere:
            call.restore_zarr(item)
        with ExitStack() as stack:
            jobs = call.jobs([item for item in items if item not in elsewhere], stack)
            plan = Plan(jobs, is_folder=True, notes=[])
            if self.is_auto:
                restore_auto_jobs(self.load, plan, self.options, settled=call.settled, chosen=call.chosen)
            elif jobs:
                restore_jobs(self.load(self.plan.model), plan, self.options, settled=call.settled)

    def load(self, model: str) -> Restorer:
        """Return a model, loaded once."""
        if model not in self._loaded:
            self._loaded[model] = load(model, self.device, self.plan.precision)
        return self._loaded[model]


class _Call:
    """The files of one call, from their places to their records."""

    def __init__(self, owner: RestoreFiles, done: Callable[[Record], None]) -> None:
        self.owner, self.done = owner, done
        self.items: dict[Job, Item] = {}
        self.models: dict[Job, str | None] = {}
        self.versions: dict[int, str | None] = {}
        self.begun = time.perf_counter()

    def jobs(self, items: Sequence[Item], stack: ExitStack) -> list[Job]:
        """Return the jobs; files elsewhere are fetched, and those that cannot be restored are recorded."""
        # Before they are read: what is replaced meanwhile is restored again later.
        self.versions = {number: version_of(entry.input, entry.version) for number, entry in items}
        places = self._local(items, stack)
        for item, (source, target) in zip(items, places, strict=True):
            if isinstance(source, UserError):
                self._record(item, error=str(source))
                continue
            try:
                job = listed_job(source, target, self.owner.options, item[1].naming)
                is_there = self.owner.options.skip_existing and _has_output(item[1].output, job)
            except UserError as error:
                self._record(item, error=_as_listed(str(error), source, target, item[1]))
                continue
            if is_there:
                self._record(item, skipped=True)
                continue
            self.items[job] = item
        return list(self.items)

    def restore_zarr(self, item: Item) -> None:
        """Restore and record an OME-Zarr image that is, or is to be, elsewhere."""
        entry, plan = item[1], self.owner.plan
        try:
            if self.owner.is_auto:
                raise UserError(f"{entry.input}: {AUTO} is for image files; name a model for OME-Zarr")
            restorer = self.owner.load(plan.model)
            options = replace(self.owner.options, recursive=False, pattern=None)  # of the folder that it is in
            found = restore_zarr_elsewhere(restorer, entry.input, entry.output, options)
        except UserError as error:
            if _is_full(error):
                raise
            self._record(item, error=str(error))
            return
        if found.skipped:
            self._record(item, skipped=True)
            return
        level = found.levels.get(entry.input)
        self._record(
            item,
            notes=tuple(note.removeprefix(f"{masked(entry.input)}: ") for note in found.notes),
            sigma=None if level is None else round(level, 2),
            precision=found.precisions.get(entry.input),
        )

    def chosen(self, job: Job, model: str | None) -> None:
        """Note the model that was chosen for a file."""
        self.models[job] = model

    def settled(self, job: Job, error: UserError | None, own: FileOutcome) -> None:
        """Record a file that is done."""
        item = self.items[job]
        if error is not None and _is_full(error):
            raise error
        fault = own.fault if error is None else str(error)
        output = item[1].output
        digest, size = None, None
        if fault is None:
            assert job.target is not None
            digest, size = _digest(job.target)
            if job.target.name != name_of(output):  # it has the suffix that the content called for
                output = with_name(output, job.target.name)
            if is_remote(output):
                try:
                    put(job.target, output)
                except UserError as failed:
                    if _is_full(failed):
                        raise
                    fault = str(failed)
        notes = [*own.notes]
        if own.fit is not None and own.fit.problem is not None:
            notes.append(str(own.fit.line()))
        self._record(
            item,
            output=output,
            bytes=None if fault else size,
            sha256=None if fault else digest,
            error=None if fault is None else _as_listed(fault, job.source, job.target, item[1]),
            notes=tuple(_as_listed(note, job.source, job.target, item[1]) for note in notes),
            sigma=None if own.level is None else round(own.level, 2),
            precision=own.precision,
            model=self.models.get(job),
        )

    def _record(self, item: Item, *, output: str | None = None, **facts: object) -> None:
        now = time.perf_counter()
        index, entry = item
        seconds, self.begun = now - self.begun, now
        facts |= {"seconds": seconds, "version": self.versions.get(index)}
        self.done(Record(index, entry.input, output or entry.output, entry.output, **facts))  # type: ignore[arg-type]

    def _local(self, items: Sequence[Item], stack: ExitStack) -> list[tuple[Path | UserError, Path]]:
        """Return the source and target of each file on this machine."""
        if not any(is_remote(entry.input) or is_remote(entry.output) for _, entry in items):
            return [(Path(entry.input), Path(entry.output)) for _, entry in items]
        desk = stack.enter_context(temporary_folder("bulk"))

        def local(item: Item) -> tuple[Path | UserError, Path]:
            number, entry = item
            source: Path | UserError = Path(entry.input)
            target = Path(entry.output)
            if is_remote(entry.output):
                (desk / f"{number}-out").mkdir()
                target = desk / f"{number}-out" / name_of(entry.output)
            if is_remote(entry.input):
                (desk / f"{number}-in").mkdir()
                source = desk / f"{number}-in" / (name_of(entry.input) or "file")
                try:
                    fetch(entry.input, source)
                except UserError as error:
                    source = error
            return source, target

        with ThreadPoolExecutor(TRANSFERS, "clearer-fetch") as threads:
            return list(threads.map(local, items))


def batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most ``size``."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _as_listed(text: str, source: Path | None, target: Path | None, entry: Entry) -> str:
    """Return a text with the addresses of a file instead of where it is on this machine."""
    if is_remote(entry.input):
        text = text.replace(str(source), entry.input)
    if is_remote(entry.output) and target is not None:
        text = text.replace(str(target), with_name(entry.output, target.name))
    return text


def _has_output(output: str, job: Job) -> bool:
    """Return whether the output of a file is there, also under the name that its content calls for."""
    assert job.target is not None
    return exists(with_name(output, job.target.name))


def _is_full(error: UserError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def _digest(path: Path) -> tuple[str | None, int]:
    """Return the SHA-256 of a file and its bytes; of a folder, such as OME-Zarr, only the bytes."""
    if path.is_dir():
        return None, sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
