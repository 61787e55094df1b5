"""A process that trains one network after another: ``python -m clearer.experiments.short_process``.

Standard input has a line of JSON for each training: its recipe file, its run folder and a file for what it prints.
Standard output answers with a line, the exit status that a process of its own would have. So what a process needs to
start, seconds, is spent once. `ShortWorker` is the other end.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from clearer.core.errors import Interrupted, UserError
from clearer.core.signals import lines_from_parent
from clearer.pipeline.fit import fit


def main() -> None:
    """Train as each line says, without evaluation and page; a failure is one line, as of the command line.

    Where the parent dies, or on SIGTERM, the process ends; a training writes its checkpoint before.
    """
    answers = os.dup(1)
    for line in lines_from_parent():
        recipe, folder, log = json.loads(line)
        _print_to(Path(log))
        status = _status(recipe, folder)
        sys.stderr.flush()
        os.write(answers, b"%d\n" % status)


def _status(recipe: str, folder: str) -> int:
    try:
        fit(recipe, folder, stages=("train",))
    except UserError as error:
        _say(str(error))
        return 2
    except Interrupted as error:
        _say(str(error))
        sys.exit(128 + error.signal)
    return 0


def _print_to(log: Path) -> None:
    """Append to a file what this process prints from now on, the libraries included."""
    sys.stdout.flush()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _say(message: str) -> None:
    print(f"clearer: {' '.join(message.splitlines())}", file=sys.stderr)


if __name__ == "__main__":
    main()
