"""What the processes of a search do one at a time: add to the ledger, and make the files that all of them read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from clearer.core.claims import Claim, claim
from clearer.core.console import say

CLAIMS = "claims"
"""Folder, in that of a search, of the claims of the processes that work on it."""
MOMENT, WAIT = 0.02, 0.5  # seconds


def present(folder: Path) -> Claim:
    """Let others know that a process is at work on a search, on the device whose time counts, until it is released."""
    number = 0
    while (held := claim(folder / CLAIMS / f"measuring-{number}")) is None:
        number += 1
    return held


def is_anyone_present(folder: Path, besides: bool = False) -> bool:
    """Return whether a process is at work on a search, on the device whose time counts.

    ``besides``: one besides this process, which is one of them.
    """
    count = 0
    for place in (folder / CLAIMS).glob("measuring*"):
        held = claim(place)
        if held is None:
            count += 1
        else:
            held.release()
    return count > int(besides)


@contextmanager
def claimed(place: Path) -> Iterator[None]:
    """Wait for a claim, and keep it inside the block; see `clearer.core.claims`."""
    while (held := claim(place)) is None:
        time.sleep(MOMENT)
    with held:
        yield


def once(file: Path, make: Callable[[], None], console: Console) -> None:
    """Make a file in one process of all; the others wait until it is there."""
    told = False
    while not file.exists():
        held = claim(file.parent / CLAIMS / file.stem)
        if held is not None:
            with held:
                if not file.exists():
                    make()
            continue
        if not told:
            told = True
            say(f"search: another process makes {file}; waiting for it", console)
        time.sleep(WAIT)
