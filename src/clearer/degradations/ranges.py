"""Settings of degradations that are one value, or a range from which each image draws its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearer.core.errors import UserError, nearest, shown
from clearer.core.parse import is_finite

Span = tuple[float, float]
Level = float | Span
"""One value, or a range (low, high)."""


def checked_level(name: str, value: Any, low: float, high: float, what: str) -> Level:
    """Return one number or a range as floats.

    Args:
        name: of the setting, with which messages begin.
        value: a number, or a sequence of two.
        low, high: the least and the largest value.
        what: a value in words, with its article and bounds, such as "a noise level of 0 or more gray levels".

    Raises:
        UserError: it is neither, is out of bounds, or its larger value is first.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return _checked_number(name, value, low, high, what)
    if len(value) != 2:
        raise UserError(f"{name}: {value!r} is neither one number nor a pair [low, high]; give {what}, or two")
    first, last = (_checked_number(name, inner, low, high, what) for inner in value)
    if first > last:
        raise UserError(f"{name}: {value!r} has its larger level first; write [low, high]")
    return first, last


def checked_span(name: str, value: Any, low: float, high: float) -> Span:
    """Return a range as two floats.

    Raises:
        UserError: it is not a pair of numbers within ``low`` and ``high``, the lower one first.
    """
    numbers = isinstance(value, list | tuple) and len(value) == 2
    if not numbers or any(isinstance(inner, bool) or not isinstance(inner, int | float) for inner in value):
        raise UserError(f"{name}: {value!r} is not a pair [low, high]")
    first, last = float(value[0]), float(value[1])
    if not low <= first <= last <= high:
        raise UserError(f"{name}: [{first:g}, {last:g}] is not within [{low:g}, {high:g}], lower first")
    return first, last


def checked_share(name: str, value: Any) -> float:
    """Return a share of the images as a float.

    Raises:
        UserError: it is not a number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UserError(f"{name}: {value!r} is not a share of the images, from 0 to 1")
    return float(value)


def checked_names(name: str, value: Any, known: Sequence[str]) -> str | tuple[str, ...]:
    """Return one name, or the names of a list as a tuple.

    Raises:
        UserError: a name is not known, or the list is empty.
    """
    several = isinstance(value, list | tuple)
    for one in (value or [""]) if several else [value]:
        if one not in known:
            raise UserError(f"{name}: {one!r} is not one of {', '.join(known)}{nearest(str(one), known)}")
    return tuple(value) if several else value


def one_of(choices: Any, share: float) -> Any:
    """Return the one that a number from 0 to 1 chooses of several, or the only one.

    >>> one_of(("bicubic", "area"), 0.7), one_of("bicubic", 0.7)
    ('area', 'bicubic')
    """
    several = isinstance(choices, list | tuple)
    return choices[min(int(share * len(choices)), len(choices) - 1)] if several else choices


def ends(level: Level) -> Span:
    """Return the least and the largest value.

    >>> ends(30.0), ends((5.0, 50.0))
    ((30.0, 30.0), (5.0, 50.0))
    """
    return level if isinstance(level, tuple) else (level, level)


def in_words(level: Level) -> str:
    """Return a level for a sentence.

    >>> in_words(30.0), in_words((5.0, 50.0))
    ('30', '5 to 50')
    """
    low, high = ends(level)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def at_share(level: Level, share: float, *, log: bool = False) -> float:
    """Return the value at a share, 0 to 1, of the range; with ``log``, of the range of the logarithms.

    >>> at_share((10.0, 50.0), 0.25)
    20.0
    >>> at_share((10.0, 1000.0), 0.5, log=True)
    100.0
    """
    low, high = ends(level)
    if low == high:
        return low
    return low * (high / low) ** share if log else low + (high - low) * share


def _checked_number(name: str, value: Any, low: float, high: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name}: {shown(value)} is not a number; give {what}")
    if not (is_finite(value) and low <= value <= high):
        raise UserError(f"{name}: {shown(value)} is not {what}")
    return float(value)
