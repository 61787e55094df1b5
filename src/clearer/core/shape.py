"""Check the shape of a JSON value against a type: a TypedDict, lists, mappings, unions and plain values."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, Literal, NotRequired, Required

from clearer.core.errors import shown

LARGEST = 2**63
"""Whole numbers below it are read; larger ones overflow where they become floating point or sizes."""
_WORDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def check_shape(value: Any, kind: Any, where: str = "", needs: Collection[str] = (), *, whole: bool = True) -> None:
    """Check that a JSON value has the shape of a type.

    A whole number is also a float; keys that a TypedDict does not know are accepted, since another version may have
    written them.

    Args:
        value: what `clearer.core.parse.parse_json` returned.
        kind: a TypedDict; a dataclass, for the values of its fields, of which any may be missing; or a type of str,
            int, float, bool, None, Any, ``list``, ``tuple``, ``dict``, ``Literal`` and unions.
        where: path of the value within a larger whole, for the message.
        needs: keys that a TypedDict leaves open and the caller reads.
        whole: a TypedDict's required keys must be there.

    Raises:
        ValueError: it has not, in one line, such as ``cells[2].parameters: 'many' is not a whole number``.

    >>> check_shape({"train": ["a.png"], "test": []}, dict[str, list[str]])
    >>> check_shape({"train": ["a.png", 7]}, dict[str, list[str]])
    Traceback (most recent call last):
    ValueError: train[1]: 7 is not text
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    for key in needs:
        if key not in _mapping(value, where):
            raise ValueError(f"{_joined(where, key)}: missing")
    if kind is Any:
        return
    if origin in (Required, NotRequired):
        check_shape(value, options[0], where, whole=whole)
    elif typing.is_typeddict(kind):
        _check_keys(value, kind, where, whole)
    elif dataclasses.is_dataclass(kind):
        for key, inner in _mapping(value, where).items():
            check_shape(inner, _hints(typing.cast(Hashable, kind)).get(key, Any), _joined(where, key), whole=whole)
    elif origin in (typing.Union, types.UnionType):
        _check_union(value, options, where, whole)
    elif origin is Literal:
        if not any(type(value) is type(one) and value == one for one in options):
            raise _wrong(value, f"one of {', '.join(map(str, options))}", where)
    elif origin in (dict, Mapping):
        for key, inner in _mapping(value, where).items():
            check_shape(inner, options[1], _joined(where, key), whole=whole)
    elif origin in (list, Sequence) or (origin is tuple and options[-1] is Ellipsis):
        for index, inner in enumerate(_list(value, None, where)):
            check_shape(inner, options[0], f"{where}[{index}]", whole=whole)
    elif origin is tuple:
        for index, (inner, one) in enumerate(zip(_list(value, len(options), where), options, strict=True)):
            check_shape(inner, one, f"{where}[{index}]", whole=whole)
    elif kind is dict:
        _mapping(value, where)
    else:
        _check_plain(value, kind, where)


@functools.cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


@functools.cache
def _keys(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the type of each key of a TypedDict, and the keys that are required."""
    hints = _hints(kind)
    marks = {key: typing.get_origin(hint) for key, hint in hints.items()}
    # Annotations are text, in which Python does not see the marks when it fills __required_keys__.
    required = {key for key in hints if key in kind.__required_keys__ and marks[key] is not NotRequired}
    return hints, frozenset(required | {key for key, mark in marks.items() if mark is Required})


def _check_keys(value: Any, kind: Any, where: str, whole: bool) -> None:
    hints, required = _keys(kind)
    given = _mapping(value, where)
    for key in sorted(required - set(given)) if whole else ():
        raise ValueError(f"{_joined(where, key)}: missing")
    for key, inner in given.items():
        if key in hints:
            check_shape(inner, hints[key], _joined(where, key), whole=whole)


def _check_union(value: Any, options: tuple[Any, ...], where: str, whole: bool) -> None:
    problems = []
    for one in options:
        try:
            return check_shape(value, one, where, whole=whole)
        except ValueError as error:
            problems.append(error)
    # The option other than null says what is wrong inside a value.
    raise next(p for p, one in zip(problems, options, strict=True) if one is not type(None))


def _check_plain(value: Any, kind: Any, where: str) -> None:
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise _wrong(value, _WORDS[kind], where)
    if type(value) is int and abs(value) >= LARGEST:
        raise ValueError(f"{where or 'the value'}: the number is too large")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(value, "a JSON object", where)
    return value


def _list(value: Any, length: int | None, where: str) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise _wrong(value, "a list" if length is None else f"a list of {length} values", where)
    return value


def _wrong(value: Any, wanted: str, where: str) -> ValueError:
    return ValueError(f"{where}: {shown(value)} is not {wanted}" if where else f"not {wanted}")


def _joined(where: str, key: str) -> str:
    name = key if len(key) <= 60 else f"{key[:57]}..."
    return f"{where}.{name}" if where else name
