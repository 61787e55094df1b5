"""Print tables for people, one JSON object for programs, and progress bars.

rich is imported when something is printed: ``clearer --help`` does without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clearer.core.text import terminal_safe

if TYPE_CHECKING:
    from rich.console import Console


def console_for_people(as_json: bool) -> Console:
    """Return the console for tables and progress: standard output, or standard error beside JSON."""
    from rich.console import Console

    return Console(stderr=as_json)


def say(text: str, console: Console) -> None:
    """Print a line unbroken, whatever the width of the terminal: it may hold a path to copy."""
    console.print("\n".join(map(terminal_safe, text.split("\n"))), soft_wrap=True, markup=False, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    """Print one line of JSON on standard output."""
    print(json.dumps(value, allow_nan=False))


def print_table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    console: Console,
    *,
    total: Sequence[str] = (),
    left: int = 1,
) -> None:
    """Print a table.

    Args:
        title: a line above, or an empty string.
        heads: the heading of each column; no row of headings is printed if all are empty.
        rows: the cells, as many as headings in each.
        console: where to print.
        total: cells of a last row.
        left: how many of the first columns hold text; the others hold numbers, which are justified right.
    """
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    if title:
        say(title, console)
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, show_header=any(heads), show_footer=bool(total))
    for i, head in enumerate(heads):
        # The first column holds names, which must not be cut: narrow terminals fold the other columns.
        table.add_column(
            Text(head), footer=Text(total[i]) if total else "", justify="left" if i < left else "right", no_wrap=not i
        )
    for row in rows:
        table.add_row(*(Text(terminal_safe(cell)) for cell in row))  # Text: square brackets in a name are not markup
    width = console.width
    # In a terminal too narrow for every column, the last ones would vanish: there, lines are broken by the terminal.
    columns = list(zip(heads, *rows, *([total] if total else []), strict=True))
    words = [max(len(word) for cell in column for word in (cell.split() or [""])) for column in columns]
    console.width = max(width, max(map(len, columns[0])) + sum(words[1:]) + 3 * len(columns))
    console.print(table)
    console.width = width


@contextmanager
def progress_bar(name: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """Show ``name``, a bar, "3/20 images, 0:12 remaining" on standard error, where that is a terminal.

    Yields:
        A function to call with the number of ``unit`` done and the number in all.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("remaining"),
    )
    # In a log, a bar would be clutter.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=None, count=unit)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, count=f"{done}/{total} {unit},")

        yield show
