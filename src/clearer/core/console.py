"""What verbs print: tables for people, one JSON object for programs, a bar while one waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


def console_for_people(as_json: bool) -> Console:
    """Return where tables and progress go: standard output, or standard error if JSON goes there."""
    return Console(stderr=as_json)


def say(text: str, console: Console) -> None:
    """Print a sentence as it is, unbroken: it may hold a path to be copied."""
    console.print(text, soft_wrap=True, markup=False, highlight=False)


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
    justify: str = "right",
) -> None:
    """Print a table; all columns but the first are justified as said; ``total`` is a last row."""
    table = Table(title=Text(title) if title else None, title_justify="left", show_footer=bool(total))
    for i, head in enumerate(heads):
        side: Any = justify if i else "left"
        # A name that is cut short is no name: narrow terminals fold the other columns.
        table.add_column(Text(head), footer=Text(total[i]) if total else "", justify=side, no_wrap=not i)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: square brackets in a name are no markup
    console.print(table)


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; yields what is to be called with (done, in all)."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = (TextColumn("left"), TimeRemainingColumn())
    # Where nobody watches, a bar would only litter the log.
    with Progress(*columns, *left, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
