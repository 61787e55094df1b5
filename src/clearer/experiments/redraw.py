"""Tables and figures of any of these experiments, made again from their JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clearer.core.errors import UserError
from clearer.experiments import (
    ablations_page,
    figures3_4,
    figures5_7_page,
    table1,
    tables_page,
    verdict_page,
)

DRAWN: dict[str, Callable[[Path], None]] = {
    "table1.json": table1.redraw,
    "figures34.json": figures3_4.redraw,
    "sheets.json": figures5_7_page.redraw,
    "tables.json": tables_page.redraw,
    "verdict.json": verdict_page.redraw,
    "ablations.json": ablations_page.redraw,
}
"""What is drawn from which file of an experiment's folder."""


def redraw_folder(folder: str | Path) -> list[str]:
    """Draw again whatever ``folder`` holds the JSON of; return the names of those files.

    Raises:
        UserError: it holds none of them.
    """
    folder = Path(folder)
    found = [name for name in DRAWN if (folder / name).is_file()]
    if not found:
        raise UserError(f"{folder}: holds none of {', '.join(DRAWN)}; name a folder that 'clearer reproduce' wrote")
    for name in found:
        DRAWN[name](folder)
    return found
