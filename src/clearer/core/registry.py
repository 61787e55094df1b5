"""Registry: names of objects that are imported on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from clearer.core.errors import UserError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A mapping of names to objects that are imported on first use.

    `get` imports the object; listing and checking names does not, and so needs no torch.

    Args:
        key: what the names choose, as error messages call it, such as ``"train.loss"``.
        entries: name -> ``"module:attribute"``, in the order in which they are listed.

    >>> numbers: Registry[float] = Registry("number", {"pi": "math:pi", "e": "math:e"})
    >>> numbers.names, round(numbers.get("pi"), 2)
    (('pi', 'e'), 3.14)
    """

    def __init__(self, key: str, entries: Mapping[str, str]) -> None:
        self.key = key
        self._entries = dict(entries)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def check(self, name: str) -> str:
        """Return ``name``.

        Raises:
            UserError: it is not registered; the message has the nearest name that is.
        """
        if name not in self:
            known = ", ".join(self._entries)
            raise UserError(f"{self.key}: {name!r} is not one of {known}{nearest(str(name), self._entries)}")
        return name

    def get(self, name: str) -> T:
        """Import and return the object registered as ``name``.

        Raises:
            UserError: see `check`.
        """
        module, _, attribute = self._entries[self.check(name)].partition(":")
        return cast(T, getattr(import_module(module), attribute))

    def all(self) -> dict[str, T]:
        """Import all objects; return them by name, in order."""
        return {name: self.get(name) for name in self._entries}
