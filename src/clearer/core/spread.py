"""Choose a few of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly(items: Sequence[T], at_most: int | None) -> list[T]:
    """Return at most so many items, evenly spread over their order; all for None.

    >>> evenly("abcdefg", 3), evenly("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    if at_most is None or at_most >= len(items):
        return list(items)
    return [items[i * len(items) // at_most] for i in range(at_most)]
