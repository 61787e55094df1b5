"""The card of a classical method: what a reader of its figures must know, what it needs, and how it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports torch, which a list of names does not need
    from clearer.methods.base import Method

EXTRA = "classical"
"""The extra of the package that brings the libraries of classical methods."""


@dataclass(frozen=True)
class Classical:
    """A method that learns nothing from training images. Calling it makes the `Method`.

    Args:
        title: its name in tables and captions.
        task: ``"denoise"`` or ``"derain"``.
        source: authors, venue and year.
        make: makes the method; it raises UserError if a library is missing.
        reading: what its publication leaves open, and how this program reads it; conditions of its license.
        checked: what this program was compared with.
        libraries: modules that it needs beside those of the package.
    """

    title: str
    task: str
    source: str
    make: Callable[[], Method]
    reading: str = ""
    checked: str = ""
    libraries: tuple[str, ...] = ()

    def __call__(self) -> Method:
        """Make the method.

        Raises:
            UserError: a library is not installed.
        """
        return self.make()

    @property
    def missing(self) -> list[str]:
        """The libraries that are not installed."""
        return [name for name in self.libraries if find_spec(name) is None]
