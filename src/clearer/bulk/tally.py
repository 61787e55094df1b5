"""Tally: what became of files, counted, with the first errors and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from clearer.core.errors import masked

SHOWN = 10


@dataclass
class Tally:
    """What became of files.

    Attributes:
        restored, failed: by this call.
        already: done before.
        skipped: left as they were.
        errors: a line each, of the first `SHOWN` that failed.
        notes: what was said of files, and of how many; texts that differ in numbers alone count as one. At most
            `SHOWN` of them.
    """

    restored: int = 0
    failed: int = 0
    already: int = 0
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)

    def count(self, error: str | None, notes: Sequence[str] = (), *, skipped: bool = False) -> None:
        """Count a file that was restored, or failed."""
        if skipped:
            self.skipped += 1
        elif error is None:
            self.restored += 1
        else:
            self.failed += 1
            if len(self.errors) < SHOWN:
                self.errors.append(masked(error))
        for note in notes:
            kind = "".join(c for c in note if not c.isdigit())
            if kind in self._texts or len(self._texts) < SHOWN:
                text = self._texts.setdefault(kind, note)
                self.notes[text] = self.notes.get(text, 0) + 1

    @property
    def files(self) -> int:
        """All of them."""
        return self.restored + self.failed + self.already + self.skipped
