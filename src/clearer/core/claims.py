"""Claims in a shared folder: one process at a time, on whatever machine, has a piece of work; a dead one loses it.

A claim is a file that its process holds (see `leftovers`). Where neither its lock nor its number tells whether the
process lives, because it is on another machine, the time of the file does: the process renews it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from pathlib import Path

from clearer.core.leftovers import held_at, remove_if_dead, temporary_name

RENEWED, DEAD = 30.0, 300.0
"""Seconds after which a process renews its claims, and after which one that was not renewed is over."""


class Claim:
    """A claim that this process has, until it is released or the process ends; see `claim`."""

    def __init__(self, place: Path, descriptor: int) -> None:
        self.place, self._descriptor = place, descriptor
        self._released = threading.Event()
        threading.Thread(target=self._renew, name="clearer-claim", daemon=True).start()

    def release(self) -> None:
        """Leave the work to others."""
        if self._released.is_set():
            return
        self._released.set()
        with contextlib.suppress(OSError):
            # After a long standstill the claim may have become another's.
            if os.path.samestat(os.fstat(self._descriptor), self.place.stat()):
                self.place.unlink()
        os.close(self._descriptor)

    def _renew(self) -> None:
        while not self._released.wait(RENEWED):
            with contextlib.suppress(OSError):
                os.utime(self.place)

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claim(place: Path) -> Claim | None:
    """Claim a piece of work that a path stands for; return None while another process has it."""
    for _ in range(3):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = held_at(place)
        except FileNotFoundError:  # another process has just removed the empty folder
            continue
        if descriptor is not None:
            return Claim(place, descriptor)
        gone = remove_if_dead(place)
        if gone is None:
            stale = _stale(place)
            if stale is None:
                return None
            _remove(place, stale)
        elif not gone:
            return None
    return None


def _stale(place: Path) -> os.stat_result | None:
    """Return the facts of a claim that was not renewed for too long; None of any other.

    Its age is by the clock of the machine that keeps the folder.
    """
    with contextlib.suppress(FileNotFoundError), tempfile.TemporaryFile(dir=place.parent) as now:
        facts = place.stat()
        if os.fstat(now.fileno()).st_mtime - facts.st_mtime > DEAD:
            return facts
    return None


def _remove(place: Path, stale: os.stat_result) -> None:
    """Remove a stale claim, but not the new one that another process may have made in its place meanwhile.

    A file cannot be removed on condition. Renamed to a name of this process alone, it can be looked at first.
    """
    aside = place.with_name(temporary_name(place.name, ""))
    try:
        if not _is_still(place, stale):
            return
        place.rename(aside)
    except FileNotFoundError:
        return
    if not _is_still(aside, stale):
        with contextlib.suppress(FileExistsError):  # then a third process has it: the work is claimed all the same
            _put_back(aside, place)
    aside.unlink(missing_ok=True)


def _is_still(place: Path, stale: os.stat_result) -> bool:
    """Return whether a claim is the one that was judged stale, and was not renewed since."""
    found = place.stat()
    return os.path.samestat(found, stale) and found.st_mtime == stale.st_mtime


def _put_back(aside: Path, place: Path) -> None:
    """Give a file its name again, unless another one has it.

    Raises:
        FileExistsError: another one has it.
    """
    try:
        os.link(aside, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if not place.exists():
            aside.rename(place)
