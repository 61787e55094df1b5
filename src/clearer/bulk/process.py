"""A worker as a process: ``python -m clearer.bulk.process``; `clearer.bulk.local` is the other end.

Standard input has a line of JSON: the folder of the restoration, the number of the worker, how many there are, and the
device. Standard output gets an object of JSON a line: of each file its ``error`` and its ``notes``, of each shard begun
its number, ``shard``, and how many of its files were done ``already``, and a ``fault`` if the worker cannot go on.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from clearer.bulk.folder import BulkFolder
from clearer.bulk.plan import BulkPlan
from clearer.bulk.records import Record
from clearer.bulk.shard import Begun
from clearer.bulk.worker import work
from clearer.core.errors import Interrupted, UserError
from clearer.core.signals import lines_from_parent, terminable


def main() -> None:
    """Restore shards until none is left; end when the parent dies."""
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(what: dict[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    def tell(what: Record | Begun) -> None:
        answer(
            {"error": what.error, "notes": what.notes, "skipped": what.skipped}
            if isinstance(what, Record)
            else what._asdict()
        )

    try:
        with terminable("stopped"):
            place, plan, worker, workers, device = json.loads(next(lines_from_parent()))
            shards = plan["shards"]
            # Each begins elsewhere, so that they seldom ask for the same one.
            order = [(worker * shards // workers + k) % shards for k in range(shards)]
            work(BulkFolder(Path(place)), BulkPlan(**plan), order, device, tell)
    except UserError as error:
        answer({"fault": str(error)})
        sys.exit(2)
    except Interrupted as error:
        sys.exit(128 + error.signal)
    except BrokenPipeError:  # the parent has died
        sys.exit(1)


if __name__ == "__main__":
    main()
