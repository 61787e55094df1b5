"""Settings: frozen dataclasses built from plain values, such as those of a YAML file, and checked key by key."""

from __future__ import annotations

import dataclasses
import itertools
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from clearer.core.errors import UserError, nearest, shown
from clearer.core.registry import Registry

T = TypeVar("T")
_LATER = "left out at its default"


@dataclass(frozen=True)
class Range:
    """The bounds of a number, as an annotation of its type: ``Annotated[float, Range(0, below=1)]``.

    Args:
        low: least value; the bound itself is allowed.
        below: upper bound, itself not allowed.
        above: lower bound, itself not allowed; use it instead of ``low``.
    """

    low: float = -math.inf
    below: float = math.inf
    above: float = -math.inf

    def check(self, value: float, path: str) -> None:
        """Raise a UserError that names ``path`` if ``value`` is out of bounds."""
        if value <= self.above:
            raise UserError(f"{path}: {value} is not greater than {self.above:g}")
        if value < self.low:
            raise UserError(f"{path}: {value} is less than {self.low:g}")
        if value >= self.below:
            raise UserError(f"{path}: {value} is not less than {self.below:g}")


@dataclass(frozen=True)
class Named:
    """The registered names that a setting may have, as an annotation of its type: ``Annotated[str, Named(LOSSES)]``."""

    registry: Registry[Any]

    def check(self, value: str, path: str) -> None:
        """Raise a UserError that names ``path`` and the nearest name if ``value`` is not registered."""
        if value not in self.registry:
            known = self.registry.names
            raise UserError(f"{path}: {shown(value)} is not one of {', '.join(known)}{nearest(str(value), known)}")


class Text:
    """Text that may look like a whole number, as an annotation: ``Annotated[str | None, Text()]``."""

    def check(self, value: Any, path: str) -> None:
        """Accept everything that is text."""


@dataclass(frozen=True)
class ChosenBy:
    """A choice among registered dataclasses, as an annotation: ``Annotated[Base, ChosenBy("kind", KINDS, "none")]``.

    One key of the mapping names the class; the other keys are that class's settings. The class has an
    attribute of the same name as the key, which holds its registered name.

    Args:
        key: the key that names the class.
        registry: name -> dataclass.
        default: the name where the key is not given.
    """

    key: str
    registry: Registry[Any]
    default: str

    def build(self, value: Any, path: str) -> Any:
        """Return the dataclass that ``value`` describes.

        Raises:
            UserError: see `build`.
        """
        if not isinstance(value, dict):
            raise UserError(f"{path}: {shown(value)} is not a mapping of keys to values")
        settings = dict(value)
        name = settings.pop(self.key, self.default)
        Named(self.registry).check(name, _joined(path, self.key))
        kind = self.registry.get(name)
        for key in settings:
            if key not in field_names(kind):
                self._refuse(_on_one_line(key), name, path)
        return build(kind, settings, path)

    def plain(self, value: Any, whole: bool = False) -> dict[str, Any]:
        """Return the mapping from which `build` builds ``value`` again; ``whole`` is that of `plain`."""
        return {self.key: getattr(value, self.key), **plain(value, whole)}

    def _refuse(self, key: str, name: str, path: str) -> NoReturn:
        known = {one: field_names(kind) for one, kind in self.registry.all().items()}
        owner = next((one for one, names in known.items() if key in names), None)
        if owner is not None:
            fix = f"; it belongs to {_joined(path, self.key)}={owner}"
        else:
            fix = nearest(key, dict.fromkeys([self.key, *known[name], *itertools.chain(*known.values())]))
        here = ", ".join([self.key, *known[name]])
        raise UserError(f"{_joined(path, key)}: no such setting{fix}; settings of {self.key} {name}: {here}")


def build(kind: type[T], value: Any, path: str = "") -> T:
    """Return a dataclass from a mapping of its fields, checked against their types.

    Fields may be dataclasses, lists, tuples, ``Literal``, ``str``, ``int``, ``float``, ``bool``, unions of
    these with None, and ``Annotated`` with a `Range`, a `Named` or a `ChosenBy`. A whole number, or text such
    as ``1e-3`` that YAML does not read as a number, becomes a float where one is wanted; nothing else is
    converted. A check in the dataclass's own ``__post_init__`` raises a UserError that begins with the field's
    name; this function prepends the path.

    Args:
        kind: the dataclass.
        value: the mapping.
        path: key of the value within a larger whole, for messages.

    Raises:
        UserError: a key is unknown (with the nearest known one) or missing, or a value has the wrong
            type or range; the message begins with the key's path, such as ``data.train.clean: missing``.
    """
    if not isinstance(value, dict):
        raise UserError(f"{path or 'settings'}: {shown(value)} is not a mapping of keys to values")
    hints, known = typing.get_type_hints(kind, include_extras=True), field_names(kind)
    for key in value:
        if key not in known:
            where = _joined(path, _on_one_line(key))
            raise UserError(f"{where}: no such setting{nearest(str(key), known)}; settings here: {', '.join(known)}")
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        optional = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if field.name not in value and not optional:
            raise UserError(f"{_joined(path, field.name)}: missing")
    checked = {key: _checked(hints[key], inner, _joined(path, key)) for key, inner in value.items()}
    try:
        return kind(**checked)
    except UserError as error:
        raise UserError(_joined(path, str(error))) from error


def plain(value: Any, whole: bool = False) -> Any:
    """Return a settings dataclass as mappings, lists and plain values, from which `build` builds it again.

    ``whole``: with the fields of `later` at their defaults, too.
    """
    if isinstance(value, list | tuple):
        return [plain(inner, whole) for inner in value]
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    hints = typing.get_type_hints(type(value), include_extras=True)
    return {
        field.name: _plain_as(hints[field.name], getattr(value, field.name), whole)
        for field in dataclasses.fields(value)
        if whole or not (field.metadata.get(_LATER) and getattr(value, field.name) == field.default)
    }


def later(default: Any) -> Any:
    """Return a dataclass field that `plain` leaves out at its default, so that what was stored before stays equal."""
    return dataclasses.field(default=default, metadata={_LATER: True})


def _plain_as(hint: Any, value: Any, whole: bool) -> Any:
    """Return a field's value as plain values; its type says which mappings name their class."""
    if typing.get_origin(hint) is Annotated:
        for mark in typing.get_args(hint)[1:]:
            if isinstance(mark, ChosenBy):
                return mark.plain(value, whole)
    if typing.get_origin(hint) in (list, tuple) and isinstance(value, list | tuple):
        return [_plain_as(typing.get_args(hint)[0], inner, whole) for inner in value]
    return plain(value, whole)


def field_names(kind: Any) -> list[str]:
    """Return the names of a dataclass's fields."""
    return [field.name for field in dataclasses.fields(kind)]


def text_keys(kind: Any, path: str = "") -> frozenset[str]:
    """Return the dotted keys of a dataclass's settings that are text, or lists of text, and cannot be numbers."""
    found: set[str] = set()
    for name, hint in typing.get_type_hints(kind).items():
        if name not in field_names(kind):
            continue
        here = _joined(path, name)
        options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
        for option in options:
            if dataclasses.is_dataclass(option):
                found |= text_keys(option, here)
        if {str, list[str]} & set(options) and not {int, float, bool} & set(options):
            found.add(here)
    return frozenset(found)


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


def _on_one_line(key: Any) -> str:
    return " ".join(str(key).split())


def _checked(kind: Any, value: Any, path: str) -> Any:
    """Return ``value`` as ``kind``, or raise a UserError that names ``path``."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        inner, *marks = typing.get_args(kind)
        for mark in marks:
            if isinstance(mark, ChosenBy):
                return mark.build(value, path)
            if isinstance(mark, Text) and type(value) is int:
                value = str(value)
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
        raise UserError(f"{path}: {shown(value)} is not one of {', '.join(known)}{nearest(str(value), known)}")
    if origin is list:
        if not isinstance(value, list | tuple):
            raise UserError(f"{path}: {shown(value)} is not a list, such as [0, 1]")
        return [_checked(typing.get_args(kind)[0], v, f"{path}[{i}]") for i, v in enumerate(value)]
    if origin is tuple:
        kinds = typing.get_args(kind)
        if kinds[-1] is Ellipsis:
            return tuple(_checked(list[kinds[0]], value, path))  # type: ignore[valid-type]
        if not isinstance(value, list | tuple) or len(value) != len(kinds):
            raise UserError(f"{path}: {shown(value)} is not a list of {len(kinds)} values, such as [0, 1]")
        return tuple(_checked(one, v, f"{path}[{i}]") for i, (one, v) in enumerate(zip(kinds, value, strict=True)))
    return _plain(kind, value, path)


def _one_of(options: tuple[Any, ...], value: Any, path: str) -> Any:
    """The shape of the value selects the option: None, a mapping, a list, its very type, or else the first."""
    if value is None and type(None) in options:
        return None
    inner = [option for option in options if option is not type(None)]
    if isinstance(value, dict):
        inner = [option for option in inner if dataclasses.is_dataclass(option)] or inner
    elif isinstance(value, list | tuple):
        inner = [option for option in inner if typing.get_origin(option) in (list, tuple)] or inner
    else:
        inner = [option for option in inner if option is type(value)] or inner
    return _checked(inner[0], value, path)


def _plain(kind: Any, value: Any, path: str) -> Any:
    if kind is float and isinstance(value, str):
        # YAML reads 1e-3, with no point, as text.
        try:
            value = float(value)
        except ValueError:
            raise UserError(f"{path}: {shown(value)} is not a number") from None
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            raise UserError(f"{path}: the number is too large") from None
    if type(value) is not kind:
        fix = "; put it in quotes" if kind is str and isinstance(value, int | float) else ""
        raise UserError(f"{path}: {shown(value)} is not of type {kind.__name__}{fix}")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{path}: {value} is not finite")
    return value
