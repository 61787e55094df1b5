"""The process of one short training: ``python -m clearer.experiments.short_process RECIPE FOLDER``."""

from __future__ import annotations

import sys
from typing import NoReturn

from clearer.core.errors import Interrupted, UserError
from clearer.core.signals import end_with_parent
from clearer.pipeline.fit import fit


def main(recipe: str, folder: str) -> None:
    """Train as a recipe file says, without evaluation and page; a failure is one line, as of the command line."""
    end_with_parent()
    try:
        fit(recipe, folder, stages=("train",))
    except UserError as error:
        _end(str(error), 2)
    except Interrupted as error:
        _end(str(error), 128 + error.signal)


def _end(message: str, status: int) -> NoReturn:
    print(f"clearer: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
