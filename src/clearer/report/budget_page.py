"""The page of a search within several budgets: one HTML file beside the run folders of the budgets."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

from clearer.core.errors import UserError, one_line
from clearer.core.files import write_text
from clearer.report.budget_section import drawing_of, listed, search_sections
from clearer.report.markup import section, whole_page
from clearer.runs.budget_record import BudgetRecord, Choice, read_budget_record
from clearer.runs.layout import RunFolder
from clearer.runs.record import number, read_record


def write_budget_page(folder: str | Path) -> Path:
    """Write ``report.html`` into the folder of several budgets and return its path.

    Raises:
        UserError: there is no outcome of a search, a file is damaged, or the page cannot be written.
    """
    run = RunFolder(Path(folder))
    try:
        record = read_budget_record(run)
        if record is None:
            raise UserError(f"{run}: has no outcome of a search within budgets; run clearer fit --budget first")
        page = _html(run, record)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise UserError(
            f"{run}: the page cannot be drawn, since a file of the search holds a value that clearer did not write "
            f"({one_line(error)}); put the file back"
        ) from error
    write_text(run.report, page)
    return run.report


def _html(run: RunFolder, record: BudgetRecord) -> str:
    title = f"The best networks within {listed(record)}"
    parts = (
        _headline(run, record, title),
        search_sections(record),
        *(section(f"Chosen for {choice.budget}", drawing_of(choice) + _use(run, choice)) for choice in record.choices),
    )
    return whole_page(title, title, parts)


def _headline(run: RunFolder, record: BudgetRecord, title: str) -> str:
    facts = "".join(_fact(record, choice) for choice in record.choices)
    return (
        f'<header><p class="eyebrow">{escape(run.path.resolve().name)}</p><h1>{escape(title)}</h1>'
        f'<dl class="facts">{facts}</dl></header>'
    )


def _fact(record: BudgetRecord, choice: Choice) -> str:
    line = record.latency(choice.architecture, choice.unit)
    time = "" if line is None else f"{line['milliseconds']:.3g} ms at {'x'.join(map(str, line['at']))}"
    gained = _trained(choice)
    return (
        f"<div><dt>within {escape(choice.budget)}</dt><dd>{escape(gained or 'not yet trained')}"
        f"<small>{escape(', '.join(filter(None, (str(choice.architecture), time))))}</small></dd></div>"
    )


def _trained(choice: Choice) -> str:
    """Return the PSNR of the finished training of a choice; an empty string before."""
    if not (choice.folder.is_run and choice.folder.train.finished):
        return ""
    record = read_record(choice.folder.path)
    if record.before_after is not None:
        before, after, _ = record.before_after
        return f"{after:.2f} dB ({after - before:+.2f})"
    estimated = number(record.train, "estimated_best_psnr")
    return "trained" if estimated is None else f"{estimated:.2f} dB, estimated"


def _use(run: RunFolder, choice: Choice) -> str:
    if not choice.folder.train.finished:
        return "<p>Not yet trained: run the same command again.</p>"
    name = choice.folder.path.name
    link = f'<p>Trained whole: <a href="{quote(name)}/report.html">its report</a>. In this folder:</p>'
    return link + f"<pre>{escape(f'clearer restore {name} image.png -o out.png')}</pre>"
