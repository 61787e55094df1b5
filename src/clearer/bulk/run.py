"""Restore the files of a folder or a list with workers, here, under Slurm or with Ray."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.bulk.folder import NAME, BulkFolder
from clearer.bulk.local import Local
from clearer.bulk.locations import check_output
from clearer.bulk.plan import BulkPlan, weights_of
from clearer.bulk.slurm import Slurm
from clearer.bulk.stated import stated
from clearer.bulk.tally import Tally
from clearer.bulk.worker import counted, work, work_one
from clearer.core.addresses import is_remote
from clearer.core.cores import cores
from clearer.core.errors import UserError, nearest
from clearer.inference.latency import using_threads
from clearer.inference.latency_table import cache_folder

DISTRIBUTORS = ("local", "slurm", "ray")
SHARDS_PER_WORKER = 8
"""Where their number is not given: a worker that has done its own helps the others."""


@dataclass(frozen=True, kw_only=True)
class BulkRequest:
    """What a call asks for.

    Args:
        model: its name, the path of its weights, or "auto".
        source: a folder, here or elsewhere, a list of files, or "-".
        out: folder of the outputs; None if the list names them.
        options: values of `RestoreOptions` other than the default, ready for JSON; sigma as a text.
        precision: as `clearer.load` takes it.
        shards: their number; None: a few for each worker.
        shard: the only one to restore, from 0; None: all.
        distributor: one of `DISTRIBUTORS`.
        workers: on this machine, or of the cluster.
        state: folder of the plan and the records; None: in ``out``, or where that is elsewhere or none, in the cache.

    Raises:
        UserError: two of them contradict each other, or one is out of range.
    """

    model: str
    source: str
    out: str | None
    options: dict[str, Any]
    precision: str = "auto"
    shards: int | None = None
    shard: int | None = None
    distributor: str = "local"
    workers: Local
    state: Path | None = None

    def __post_init__(self) -> None:
        if self.distributor not in DISTRIBUTORS:
            names = ", ".join(DISTRIBUTORS)
            raise UserError(
                f"--distributor {self.distributor}: not one of {names}{nearest(self.distributor, DISTRIBUTORS)}"
            )
        if self.shard is not None and self.shards is None:
            raise UserError("--shard: shard of how many? give --shards, the same for all workers")
        if self.shard is not None and self.shards is not None and not 0 <= self.shard < self.shards:
            raise UserError(
                f"--shard {self.shard}: not from 0 to {self.shards - 1}, the shards of --shards {self.shards}"
            )
        if self.shard is not None and self.distributor != "local":
            raise UserError(f"--shard, --distributor {self.distributor}: it shares the shards out; leave out --shard")
        if self.workers.workers is not None and self.shard is not None:
            raise UserError("--workers, --shard: one process restores a shard; leave out --workers")
        if self.workers.workers is not None and self.distributor == "slurm":
            raise UserError("--workers, --distributor slurm: each task of the array is a worker; leave out --workers")

    @property
    def folder(self) -> BulkFolder:
        """Where the plan and the records are."""
        if self.state is not None:
            return BulkFolder(self.state)
        if self.out is not None and not is_remote(self.out):
            return BulkFolder(Path(self.out) / NAME)
        place = self.out or str(Path(self.source).absolute())
        return BulkFolder(
            cache_folder() / "bulk" / hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:12]
        )


@dataclass(frozen=True)
class BulkResult:
    """What became of all files.

    Attributes:
        plan: as it was carried out.
        folder: of the records.
        tally: the files, counted.
        seconds: of this call.
        shards: that this process restored, or shared out.
    """

    plan: BulkPlan
    folder: BulkFolder
    tally: Tally
    seconds: float
    shards: int

    def to_json(self) -> dict[str, Any]:
        """Return the result, ready for JSON."""
        tally = self.tally
        return {
            "files": self.plan.files,
            "restored": tally.restored,
            "failed": tally.failed,
            "already": tally.already,
            "skipped": tally.skipped,
            "errors": tally.errors,
            "notes": [*self.plan.notes, *(f"{note} ({count} file(s))" for note, count in tally.notes.items())],
            "shards": {"done": self.shards, "of": self.plan.shards},
            "seconds": round(self.seconds, 2),
            "records": str(self.folder.part(self.plan)),
        }


def restore_bulk(request: BulkRequest, progress: Callable[[int, int], None]) -> BulkResult:
    """Restore what has no record or no output yet.

    Raises:
        UserError: the files cannot be listed, the model cannot be loaded, the outputs so far are of another model or
            other options, or the disk is full. Files that cannot be restored are counted and recorded.
    """
    begun = time.perf_counter()
    _check(request)
    slurm = Slurm.of() if request.distributor == "slurm" else None
    wanted = BulkPlan(
        id="",
        source=request.source,
        out=request.out or "",
        files=0,
        shards=_shards(request, slurm),
        model=request.model,
        weights=weights_of(request.model),
        precision=request.precision,
        options=stated(request.options),
        run=_slurm_run(slurm, request) if slurm else uuid.uuid4().hex[:12],
    )
    folder, tally, local = request.folder, Tally(), request.workers
    plan = folder.prepare(wanted)
    if request.distributor == "local" and request.shard is None and (local.workers or 0) > plan.shards:
        plan.notes.append(
            f"--workers {local.workers}: as many work as there are shards ({plan.shards}); raise --shards"
        )
    done = 1 if request.shard is not None else plan.shards
    if slurm is not None:
        mine = slurm.shards(plan.shards)
        done, files = len(mine), sum(map(plan.files_of, mine))
        with using_threads(local.threads or slurm.threads or cores()):
            work(folder, plan, mine, local.device, counted(tally, files, progress))
    elif request.shard is not None:
        with using_threads(local.threads or cores()):
            tell = counted(tally, plan.files_of(request.shard), progress)
            work_one(folder, plan, request.shard, local.device, tell)
    elif request.distributor == "ray":
        from clearer.bulk.ray_data import restore_with_ray

        tally = restore_with_ray(folder, plan, local, progress)
    else:
        tally = local.run(folder, plan, progress)
    for line in plan.unreadable:
        tally.count(line)
    return BulkResult(plan, folder, tally, time.perf_counter() - begun, done)


def _check(request: BulkRequest) -> None:
    """Refuse what would fail for all files, before these are listed."""
    if request.out is not None and is_remote(request.out):
        check_output(request.out)
    elif request.out is not None and Path(request.out).exists() and not Path(request.out).is_dir():
        raise UserError(
            f"{request.out}: a file, where a folder for the restored images is needed; choose another output"
        )
    if request.distributor == "ray":
        from clearer.bulk.ray_data import check_ray

        check_ray()
        return  # the device is that of another machine
    from clearer.core.device import find_device

    find_device(request.workers.device, mps=True)


def _slurm_run(slurm: Slurm, request: BulkRequest) -> str:
    """Return the same name in all tasks of an array that have the same command."""
    facts = repr((request.source, request.out, request.shards, sorted(request.options.items()), request.model))
    return f"slurm-{slurm.job}-{hashlib.sha256(facts.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _shards(request: BulkRequest, slurm: Slurm | None) -> int:
    """Return the number of shards: as given, as in the call before, or as suits the workers.

    Shards of before stay if each worker has one, or while other workers restore them, whom this call joins.
    """
    if request.shards is not None:
        return request.shards
    folder = request.folder
    plan = BulkPlan.read(folder.plan_file) if folder.plan_file.exists() else None
    before = 0 if plan is None else plan.shards
    if slurm is not None:
        return max(before, slurm.count)
    if request.distributor == "ray":  # shares out files, not shards
        return before or 1
    workers = request.workers.resolved(1 << 30).workers or 1
    if before >= workers or (plan is not None and not folder.is_idle(plan)):
        return before
    return workers * SHARDS_PER_WORKER if workers > 1 else 1
