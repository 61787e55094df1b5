"""The card of a classical method: what a reader of its figures must know, what it needs, and how it is made."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from clearer.core.errors import UserError
from clearer.methods.code_digest import code_digest

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
        about: what it is, in a phrase.
        libraries: modules that it needs beside those of the package.
        license: who may use those, where not everybody may; empty for no condition.
        ready: raises UserError if something else that it needs is missing, such as a file.
    """

    title: str
    task: str
    source: str
    make: Callable[[], Method]
    reading: str = ""
    checked: str = ""
    about: str = ""
    libraries: tuple[str, ...] = ()
    license: str = ""
    ready: Callable[[], object] | None = None

    def __call__(self) -> Method:
        """Make the method; its notes have our reading, its digest is that of its code and of what it read.

        Raises:
            UserError: a library is not installed.
        """
        method = self.make()
        notes = [text for text in (method.notes, self.reading) if text]
        parts = f"{code_digest(self.make.__module__)}{method.sha256}"
        digest = hashlib.sha256(parts.encode()).hexdigest()
        return dataclasses.replace(method, notes=" ".join(notes), sha256=digest)

    def install(self) -> str | None:
        """Return what is missing and how to get it, in a line; None for nothing."""
        missing = [name for name in self.libraries if find_spec(name) is None]
        if missing:
            license = f"; {self.license}" if self.license else ""
            return f"pip install 'clearer[{EXTRA}]' ({', '.join(missing)}{license})"
        try:
            if self.ready is not None:
                self.ready()
        except UserError as error:
            return str(error)
        return None
