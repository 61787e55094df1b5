"""The outcome of a restoration: what was written, what failed and why, and what was noticed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from clearer.inference.fit_check import Fit


class Failure(NamedTuple):
    """A file that could not be restored, and why, in one line."""

    name: str
    error: str


@dataclass
class FileOutcome:
    """What became of one file of a call, which may have it twice: the call's `Outcome` goes by names.

    ``fault``: why a part of it could not be restored; the rest is written.
    ``notes``: without its name.
    ``level``, ``precision``, ``fit``: see `Outcome`.
    """

    fault: str | None = None
    notes: list[str] = field(default_factory=list)
    level: float | None = None
    precision: str | None = None
    fit: Fit | None = None


@dataclass
class Outcome:
    """The result of one call: the outputs written or skipped, failures, and notes of one line each.

    ``written``, ``skipped``: paths, or addresses of OME-Zarr folders elsewhere.

    ``fits``: by file, how well the model fits what it was given, as far as it was looked at.
    ``precisions``: by file, the precision that the network was run in; see `clearer.Restorer.at_depth`.
    ``levels``: by file, the noise level in gray levels that a network was told by estimate; of several pages, channels
    or frames, the RMS.
    ``raised``: the files with noise that is not white, of which the network was told more than its level.
    """

    written: list[Path | str] = field(default_factory=list)
    skipped: list[Path | str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    levels: dict[str, float] = field(default_factory=dict)
    raised: list[str] = field(default_factory=list)
    precisions: dict[str, str] = field(default_factory=dict)
    fits: list[Fit] = field(default_factory=list)
