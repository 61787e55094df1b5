"""Restore a plan with Ray Data: paths in, records out, on whatever machines a Ray cluster has."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np

from clearer.bulk.folder import BulkFolder
from clearer.bulk.local import Local, accelerator_count
from clearer.bulk.manifest import Entry, Naming
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record
from clearer.bulk.restoring import Item, RestoreFiles, batches
from clearer.bulk.shard import open_shard
from clearer.bulk.tally import Tally
from clearer.core.errors import UserError

SLICE = 50_000
"""Files given to Ray at a time: a list of millions is not held in memory."""
BATCH = 16


class RestoreBatch:
    """What ``map_batches`` of Ray Data calls: loads the model once, restores a batch of files, returns their records.

    Args:
        plan: what `clearer.bulk.plan.BulkPlan.to_json` returns.
        device: of the computation.
        threads: of a worker on a CPU.
        folder: in which relative paths of the plan begin; by default where the worker is.
    """

    def __init__(self, plan: dict[str, Any], device: str = "auto", threads: int = 1, folder: str | None = None) -> None:
        import torch

        if folder is not None:
            os.chdir(folder)
        torch.set_num_threads(threads)
        self._files = RestoreFiles(BulkPlan(**plan), device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Restore files.

        Args:
            batch: columns index, input, output and naming, and version if there is one; see `Entry`.

        Returns:
            The column record, JSON of a `Record` each.
        """
        columns = (batch[name] for name in ("index", "input", "output", "naming"))
        versions = batch.get("version", [None] * len(batch["index"]))
        items = [
            (int(index), Entry(str(input), str(output), cast(Naming, str(naming)), str(version) if version else None))
            for index, input, output, naming, version in zip(*columns, versions, strict=True)
        ]
        records: list[Record] = []
        self._files.restore(items, records.append)
        return {"record": np.array([json.dumps(record.to_json()) for record in records], dtype=object)}


def restore_with_ray(folder: BulkFolder, plan: BulkPlan, workers: Local, progress: Callable[[int, int], None]) -> Tally:
    """Restore all shards with the workers of a Ray cluster: that of ``RAY_ADDRESS``, or one on this machine.

    This process claims the shards, gives their files to Ray, and writes the records that come back. All machines of
    the cluster must reach the files by the same paths.

    Raises:
        UserError: Ray is not installed, or another worker has a shard.
    """
    tally = Tally()
    with ExitStack() as stack:
        opened = {}
        for shard in range(plan.shards):
            found = stack.enter_context(open_shard(folder, plan, shard))
            if found is None:
                raise UserError(f"shard {shard}: another worker restores it; wait until it ends")
            opened[shard] = found
            tally.already += plan.files_of(shard) - found.pending
        ray = _ray()
        pending = (item for shard in opened.values() for item in shard.items())
        for part in batches(pending, SLICE):
            for record in _restored(ray, plan, part, workers):
                opened[record.index % plan.shards].take(record)
                tally.count(record.error, record.notes, skipped=record.skipped)
                progress(tally.files, plan.files)
        for one in opened.values():
            one.finish()
    return tally


def check_ray() -> None:
    """Refuse to work where Ray is not installed; see `restore_with_ray`."""
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise UserError("--distributor ray: ray is not installed; run pip install 'clearer[ray]'") from None


def _ray() -> Any:
    check_ray()
    import ray
    import ray.data

    if not ray.is_initialized():
        ray.init(log_to_driver=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def _restored(ray: Any, plan: BulkPlan, items: list[Item], workers: Local) -> Iterator[Record]:
    """Yield the records of files as Ray returns them."""
    rows = [{"index": number, **entry._asdict(), "version": entry.version or ""} for number, entry in items]
    here = dataclasses.replace(workers, workers=workers.workers or _cluster_workers(ray, workers.device))
    threads = workers.threads or 1
    count = max(1, min(here.workers or 1, len(rows)))
    data = ray.data.from_items(rows, override_num_blocks=max(count, -(-len(rows) // BATCH)))
    restored = data.map_batches(
        RestoreBatch,
        fn_constructor_kwargs={
            "plan": plan.to_json(),
            "device": workers.device,
            "threads": threads,
            "folder": str(Path.cwd()),
        },
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=count),
        num_cpus=threads,
        num_gpus=1 if accelerator_count(workers.device) else 0,
    )
    for row in restored.iter_rows():
        yield Record.from_json(json.loads(row["record"]))


def _cluster_workers(ray: Any, device: str) -> int:
    """Return as many workers as the cluster has accelerators, or cores."""
    has = ray.cluster_resources()
    return int(has.get("GPU", 0) if accelerator_count(device) else has.get("CPU", 1)) or 1
