"""The stored forms of an architecture: plain values for JSON, and one line of text that carries everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearer.core.errors import UserError, nearest, shown

REQUIRED: dict[str, tuple[type, ...]] = {
    "architecture": (str,),
    "channels": (int,),
    "width": (int, list),
    "operations": (str,),
    "norm": (str,),
    "residual": (bool,),
}
OPTIONAL: dict[str, tuple[type, ...]] = {
    "unshuffle": (int,),
    "candidates": (str,),
    "condition": (str,),
    "topology": (str,),
}
AT = "@"
"""Stands between a genotype and the other fields of the text form."""
_IMPLIED = {"operations": "supplement", "norm": "batch", "residual": False}
"""Values that the text form leaves out, as JSON leaves out those of optional fields."""


def checked(value: Any) -> dict[str, Any]:
    """Return the plain values of an architecture.

    Raises:
        UserError: keys are missing, unknown or of the wrong type.
    """
    if not isinstance(value, dict) or set(value) - set(OPTIONAL) != set(REQUIRED):
        raise UserError(f"architecture: not an architecture's JSON form (needs {', '.join(REQUIRED)})")
    for key, inner in value.items():
        kinds = (REQUIRED | OPTIONAL)[key]
        if type(inner) not in kinds or (isinstance(inner, list) and any(type(n) is not int for n in inner)):
            raise UserError(f"architecture: {key} is {shown(inner)}, not of type {kinds[0].__name__}")
    return dict(value)


def to_text(value: dict[str, Any]) -> str:
    """Return plain values as one line, which needs no quotes in a shell.

    >>> to_text({"architecture": "PF-FP", "channels": 1, "width": [8, 12, 16], "norm": "none", "residual": True})
    'PF-FP@channels=1,width=8:12:16,norm=none,residual'
    """
    parts = []
    for key, inner in value.items():
        if key == "architecture" or _IMPLIED.get(key) == inner:
            continue
        words = ":".join(map(str, inner)) if isinstance(inner, list) else str(inner)
        parts.append(key if inner is True else f"{key}={words}")
    return f"{value['architecture']}{AT}{','.join(parts)}"


def from_text(text: str) -> tuple[str, dict[str, Any]]:
    """Return the genotype and the fields of a text form; a genotype alone has no fields.

    Raises:
        UserError: a field is unknown, stands twice, or has a value of the wrong type.
    """
    genotype, at, rest = text.strip().partition(AT)
    fields: dict[str, Any] = {}
    for part in rest.split(",") if at else ():
        key, equals, word = (piece.strip() for piece in part.partition("="))
        kinds = (REQUIRED | OPTIONAL).get(key)
        if kinds is None or key == "architecture":
            known = [name for name in (*REQUIRED, *OPTIONAL) if name != "architecture"]
            hint = nearest(key, known)
            raise UserError(f"architecture: {shown(text)}: {key!r} is not one of {', '.join(known)}{hint}")
        if key in fields:
            raise UserError(f"architecture: {shown(text)} states {key} twice")
        fields[key] = _value(text, key, word if equals else "true", kinds)
    return genotype, fields


def _value(text: str, key: str, word: str, kinds: tuple[type, ...]) -> Any:
    if str in kinds:
        return word
    if bool in kinds and word.lower() in ("true", "false"):
        return word.lower() == "true"
    numbers = word.split(":")
    if int in kinds and all(number.isdecimal() for number in numbers) and (list in kinds or len(numbers) == 1):
        return int(word) if len(numbers) == 1 else [int(number) for number in numbers]
    form = "true or false" if bool in kinds else "a number" + (", or numbers such as 8:12:16" if list in kinds else "")
    raise UserError(f"architecture: {shown(text)}: {key} is {shown(word)}, not {form}")


def one_form(values: Any, growth: Sequence[int]) -> Any:
    """Return a sequence as one number where it is that number times ``growth``, else as a tuple."""
    if isinstance(values, int):
        return values
    numbers = tuple(values)
    alike = all(number == numbers[0] * factor for number, factor in zip(numbers, growth, strict=False))
    return numbers[0] if alike else numbers
