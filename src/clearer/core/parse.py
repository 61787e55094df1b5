"""Parse JSON and YAML: whatever is wrong with a text is a ValueError of one line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

DEEPEST = 100
"""Mappings and lists inside each other; what reads the values may call itself once for each."""
MOST = 100_000
"""Values of a YAML text with its aliases written out: a few lines of them can stand for billions."""


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Return the value of a JSON text.

    Args:
        text: the text.
        finite: refuse NaN and infinities, which are no JSON and which what is written of the value could not hold.

    Raises:
        ValueError: it is not JSON, or nested more than `DEEPEST` deep.

    >>> parse_json('{"a": [1, 2]}')
    {'a': [1, 2]}
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite) if finite else json.loads(text)
    except RecursionError:
        raise _too_deep() from None
    _check(value, None)
    return value


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text; only plain values are built.

    Raises:
        ValueError: it is not YAML, nested more than `DEEPEST` deep, or stands for more than `MOST` values.

    >>> parse_yaml("a: &x [1, 2]\\nb: *x")
    {'a': [1, 2], 'b': [1, 2]}
    """
    import yaml

    try:
        value = yaml.safe_load(text)
    except RecursionError:
        raise _too_deep() from None
    except Exception as error:
        # A tag that does not fit its value raises whatever its constructor meets, from KeyError to AttributeError.
        what = str(error) if isinstance(error, yaml.YAMLError | ValueError) else "a tag does not fit its value"
        raise ValueError(" ".join(what.split())) from error
    _check(value, MOST)
    return value


def is_finite(value: float) -> bool:
    """Return whether a number is one that a float can hold.

    >>> is_finite(2.5), is_finite(float("nan")), is_finite(10**400)
    (True, False, False)
    """
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _too_deep() -> ValueError:
    return ValueError(f"nested more than {DEEPEST} deep")


def _check(value: Any, most: int | None) -> None:
    """Refuse a value that is too deep or too large, without calling itself."""
    here, depth, count = _containers([value]), 0, 0
    while here:
        depth += 1
        if depth > DEEPEST:
            raise _too_deep()
        below: list[Any] = []
        for one in here:
            count += len(one)
            if most is not None and count > most:
                raise ValueError(f"stands for more than {most:,} values")
            below += _containers(one.values() if isinstance(one, dict) else one)
        here = below


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list | tuple | set)]
