"""Settings: frozen dataclasses built from plain values, such as those of a YAML file, checked key by key."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from clearer.core.errors import UserError, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The numbers that a setting may have, as a mark on its type: ``Annotated[float, Range(0, below=1)]``.

    Args:
        low: the least.
        below: all are less than this.
        above: all are greater than this, where ``low`` itself is not possible.
    """

    low: float = -math.inf
    below: float = math.inf
    above: float = -math.inf

    def check(self, value: float, path: str) -> None:
        """Raise a UserError that names ``path`` if ``value`` is outside."""
        if value <= self.above:
            raise UserError(f"{path}: {value} is not greater than {self.above:g}")
        if value < self.low:
            raise UserError(f"{path}: {value} is less than {self.low:g}")
        if value >= self.below:
            raise UserError(f"{path}: {value} is not less than {self.below:g}")


def build(kind: type[T], value: Any, path: str = "") -> T:
    """Return a dataclass from a mapping of its fields, checked against their types.

    Fields may be dataclasses, lists, ``Literal``, ``str``, ``int``, ``float``, ``bool``, unions of
    these with None, and ``Annotated`` with a `Range`. Whole numbers, and text such as ``1e-3`` that
    YAML does not read as a number, are taken where a float is wanted; nothing else is converted.

    Args:
        kind: the dataclass.
        value: the mapping.
        path: key of the value within a larger whole, for messages.

    Raises:
        UserError: a key is unknown (with the nearest known one) or missing, or a value has the wrong
            type or range; the message begins with the key's path, such as ``data.train.clean: missing``.
    """
    if not isinstance(value, dict):
        raise UserError(f"{path or 'settings'}: {value!r} is not a mapping of keys to values")
    hints = typing.get_type_hints(kind, include_extras=True)
    for key in value:
        if key not in hints:
            where = _joined(path, " ".join(str(key).split()))
            raise UserError(f"{where}: no such setting{nearest(str(key), hints)}; known here: {', '.join(hints)}")
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        optional = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if field.name not in value and not optional:
            raise UserError(f"{_joined(path, field.name)}: missing")
    return kind(**{key: _checked(hints[key], inner, _joined(path, key)) for key, inner in value.items()})


def override(value: dict[str, Any], key: str, new: Any) -> None:
    """Replace one value in nested mappings, in place; ``key`` is dotted, such as ``search.lambda_arch``.

    Mappings on the way are made where they are missing.
    """
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(value.get(parent), dict):
            value[parent] = {}
        value = value[parent]
    value[last] = new


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _checked(kind: Any, value: Any, path: str) -> Any:
    """Return ``value`` as ``kind``, or raise a UserError that names ``path``."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        inner, *marks = typing.get_args(kind)
        value = _checked(inner, value, path)
        for mark in marks:
            mark.check(value, path)
        return value
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, path)
    if origin in (typing.Union, types.UnionType):
        return _one_of(typing.get_args(kind), value, path)
    if origin is Literal:
        known = {str(k).lower() if isinstance(k, bool) else k: k for k in typing.get_args(kind)}  # as YAML has them
        for one in known.values():
            if value == one and type(value) is type(one):
                return one
        raise UserError(f"{path}: {value!r} is not one of {', '.join(known)}{nearest(str(value), known)}")
    if origin is list:
        if not isinstance(value, list):
            raise UserError(f"{path}: {value!r} is not a list, such as [0, 1]")
        return [_checked(typing.get_args(kind)[0], v, f"{path}[{i}]") for i, v in enumerate(value)]
    return _plain(kind, value, path)


def _one_of(options: tuple[Any, ...], value: Any, path: str) -> Any:
    """The shape of a value picks the option: None, a mapping, a list, or else the first."""
    if value is None and type(None) in options:
        return None
    inner = [option for option in options if option is not type(None)]
    if isinstance(value, dict):
        inner = [option for option in inner if dataclasses.is_dataclass(option)] or inner
    elif isinstance(value, list):
        inner = [option for option in inner if typing.get_origin(option) is list] or inner
    return _checked(inner[0], value, path)


def _plain(kind: Any, value: Any, path: str) -> Any:
    if kind is float and isinstance(value, str):
        # YAML reads 1e-3, with no point, as text.
        try:
            value = float(value)
        except ValueError:
            raise UserError(f"{path}: {value!r} is not a number") from None
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            raise UserError(f"{path}: the number is too large") from None
    if type(value) is not kind:
        raise UserError(f"{path}: {value!r} is not of type {kind.__name__}")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{path}: {value} is not finite")
    return value
