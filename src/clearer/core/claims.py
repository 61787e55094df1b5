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

from clearer.core.leftovers import held_at, remove_if_dead

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
        if gone is None and _seconds_since_renewed(place) > DEAD:
            place.unlink(missing_ok=True)
        elif not gone:
            return None
    return None


def _seconds_since_renewed(place: Path) -> float:
    """Return the age of a file by the clock of the machine that keeps the folder."""
    with contextlib.suppress(FileNotFoundError), tempfile.TemporaryFile(dir=place.parent) as now:
        return os.fstat(now.fileno()).st_mtime - place.stat().st_mtime
    return 0.0
