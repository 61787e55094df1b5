"""Tables and pages as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def table(head: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def as_part(as_markdown: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """Turn a page into a section: headings two levels deeper, without links to its figures."""

    def text(value: dict[str, Any]) -> str:
        page = re.sub(r"^!\[.*\n", "", as_markdown(value), flags=re.MULTILINE).strip()
        page = re.sub(r"^#+", lambda match: "##" + match[0], page, flags=re.MULTILINE)
        return f"`{value['command']}`\n\n{page}"

    return text
