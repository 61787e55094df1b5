"""Parts of the page as HTML: sections, tables and drawings. All text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from matplotlib.figure import Figure

from clearer.report.figures import svg_text

# The browser loads and runs nothing, even if the files of the run contain scripts or links.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def whole_page(title: str, description: str, parts: Sequence[str]) -> str:
    """Return a whole page in the package's style. ``parts`` are HTML; empty ones are left out."""
    style = resources.files("clearer.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<meta name="description" content="{escape(description)}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a section with its heading. ``body`` is HTML."""
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>"


def folded(title: str, body: str) -> str:
    """Return a part that opens on a click. ``body`` is HTML."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def note(text: str) -> str:
    """Return a paragraph in small print."""
    return f'<p class="note">{escape(text)}</p>'


def drawing(figure: Figure, kind: str, about: str) -> str:
    """Return a figure as inline SVG in a box that scrolls sideways on small screens.

    Args:
        figure: the figure.
        kind: its class in the style sheet: ``drawing``, ``chart`` or ``square``.
        about: a description, which also makes the figure's ids unique on the page.
    """
    prefix = "".join(c if c.isalnum() else "-" for c in about) + "-"
    svg = svg_text(figure, prefix).replace("<svg", f'<svg role="img" aria-label="{escape(about)}"', 1)
    return f'<div class="wide {kind}">{svg}</div>\n'


def table(head: Sequence[str], rows: Sequence[Sequence[object]], left: int) -> str:
    """Return a table whose first ``left`` columns are text; the others are numbers, aligned right."""

    def row(cells: Sequence[object], tag: str) -> str:
        kinds = ("" if i < left else ' class="right"' for i in range(len(cells)))
        return "".join(f"<{tag}{k}>{escape(str(c))}</{tag}>" for k, c in zip(kinds, cells, strict=True))

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{row(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'
