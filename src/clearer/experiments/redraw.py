"""Redraw the tables and figures of any experiment from its JSON file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clearer.core.errors import UserError
from clearer.experiments import (
    ablations_page,
    figure8,
    figures3_4,
    figures5_7_page,
    table1,
    tables_page,
    verdict_page,
)

DRAWN: dict[str, Callable[[Path], None]] = {
    "table1.json": table1.redraw,
    "figures34.json": figures3_4.redraw,
    **dict.fromkeys(figures5_7_page.NAMES, figures5_7_page.redraw),
    figure8.NAME: figure8.redraw,
    "tables.json": tables_page.redraw,
    "verdict.json": verdict_page.redraw,
    "ablations.json": ablations_page.redraw,
}
"""The function that draws an experiment, by the name of its JSON file."""


def redraw_folder(folder: str | Path) -> list[str]:
    """Redraw every experiment whose JSON file is in ``folder``; return the names of those files.

    Raises:
        UserError: it holds none of them.
    """
    folder = Path(folder)
    found: dict[Callable[[Path], None], str] = {}
    for name, draw in DRAWN.items():
        if (folder / name).is_file():
            found.setdefault(draw, name)  # a former name counts only without a file of the present name
    if not found:
        raise UserError(f"{folder}: holds none of {', '.join(DRAWN)}; name a folder that 'clearer reproduce' wrote")
    for draw in found:
        draw(folder)
    return list(found.values())
