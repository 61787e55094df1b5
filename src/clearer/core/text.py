"""Durations, counts and lists of names as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that control a terminal, break a line, or reverse the order of what follows."""


def terminal_safe(text: str) -> str:
    """Return a text as one line that a terminal shows as it is: names of files may hold any character.

    >>> terminal_safe("a\\nb\\x1b[2J.png")
    'a\\\\nb\\\\x1b[2J.png'
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


def shortened(text: str, most: int = 1000) -> str:
    """Return a text of at most ``most`` characters: of a longer one the beginning and the end, where the fix is.

    >>> shortened("a" * 700 + "b" * 700, 100)[58:]
    'aa ... bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'
    """
    if len(text) <= most:
        return text
    begin = most * 3 // 5
    return f"{text[:begin]} ... {text[begin + 5 - most :]}"


def duration(seconds: float | None) -> str:
    """Return a time in units that suit its length; an empty string for None.

    >>> duration(0.84), duration(75), duration(8000), duration(None)
    ('0.84 s', '1 min 15 s', '2 h 13 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def count(value: float | None) -> str:
    """Return a count with three or four digits; an empty string for None.

    >>> count(6073536), count(92544), count(512)
    ('6.07 M', '92.5 k', '512')
    """
    if value is None:
        return ""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.4g}{unit}" if value >= 1000 * size else f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def few(names: Sequence[str]) -> str:
    """Return the first 3 names, and dots if there are more.

    >>> few(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def printable(name: str) -> str:
    """Return the name of a file as text that can be drawn and encoded: bytes that are not UTF-8 are escaped."""
    return name.encode(errors="backslashreplace").decode()
