"""Work on the shards of a plan in this process, until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache

from clearer.bulk.folder import POLL, BulkFolder
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record
from clearer.bulk.restoring import RestoreFiles
from clearer.bulk.shard import Begun, restore_shard
from clearer.bulk.tally import Tally
from clearer.core.errors import UserError

Tell = Callable[[Record | Begun], None]


def work(folder: BulkFolder, plan: BulkPlan, shards: Sequence[int], device: str, tell: Tell) -> None:
    """Restore shards, each that no other worker has; end when all of them are done.

    Args:
        folder, plan: of the restoration.
        shards: their numbers, in the order in which this worker tries them.
        device: of the computation.
        tell: called with each record, and for each shard with the number of files that were done before.

    Raises:
        UserError: the model cannot be loaded, or the disk is full.
    """
    model = cache(lambda: RestoreFiles(plan, device))
    left = list(shards)
    while left:
        waiting = [shard for shard in left if not restore_shard(folder, plan, shard, model, tell)]
        if len(waiting) == len(left):  # others have them; one that dies leaves its shard
            time.sleep(POLL)
        left = waiting


def work_one(folder: BulkFolder, plan: BulkPlan, shard: int, device: str, tell: Tell) -> None:
    """Restore one shard.

    Raises:
        UserError: another worker has it; or see `work`.
    """
    model = cache(lambda: RestoreFiles(plan, device))
    if not restore_shard(folder, plan, shard, model, tell):
        raise UserError(f"shard {shard}: another worker restores it; wait until it ends")


def counted(tally: Tally, files: int, progress: Callable[[int, int], None]) -> Tell:
    """Return a function that counts what it is told, and shows the progress among ``files``."""

    def tell(what: Record | Begun) -> None:
        if isinstance(what, Begun):
            tally.already += what.already
        else:
            tally.count(what.error, what.notes, skipped=what.skipped)
        progress(tally.files, files)

    return tell
