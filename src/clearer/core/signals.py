"""Turn SIGTERM, SIGHUP and Ctrl-C into an exception, so that interrupted work is undone."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from clearer.core.errors import Interrupted

REPEATED = 1.0
"""Seconds within which a second signal is the same request: `timeout` sends two, to the process and to its group."""

_latest = -REPEATED
"""When this process last raised `Interrupted`."""


@contextmanager
def terminable(text: str) -> Iterator[None]:
    """Raise `Interrupted` in the block on SIGTERM, SIGHUP or Ctrl-C, so that it closes and removes what it opened.

    Outside the main thread it changes nothing: signals are handled there by the caller.

    Raises:
        Interrupted: a signal arrived; the message is ``text``.
    """

    def end(number: int, frame: FrameType | None) -> None:
        global _latest
        if time.monotonic() - _latest >= REPEATED:
            _latest = time.monotonic()
            raise Interrupted(text, number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A signal that is ignored stays so: SIGHUP under nohup, Ctrl-C in the background of a script.
    before = {number: signal.getsignal(number) for number in stops() if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stops() -> list[signal.Signals]:
    """Return the signals that ask a process to stop."""
    found = (getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP"))
    return [number for number in found if number is not None]


PARENT_HOLDS_INPUT = "CLEARER_PARENT_HOLDS_INPUT"
"""Environment variable of a process whose standard input is a pipe that its parent holds open and never writes to."""


def end_with_parent() -> None:
    """Send SIGTERM to this process when its parent dies, if `PARENT_HOLDS_INPUT` is set."""
    if os.environ.pop(PARENT_HOLDS_INPUT, None) is not None:
        _watch_input(lambda data: None)


def lines_from_parent() -> Iterator[bytes]:
    """Yield the lines of standard input as they come; send SIGTERM to this process when its parent dies, at any time.

    Unlike that of `PARENT_HOLDS_INPUT`, the parent writes.
    """
    os.environ.pop(PARENT_HOLDS_INPUT, None)
    pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    _watch_input(pieces.put)
    line = b""
    while True:
        *lines, line = (line + pieces.get()).split(b"\n")
        yield from lines


def _watch_input(take: Callable[[bytes], None]) -> None:
    """Read standard input in a thread until it ends, then send SIGTERM to this process."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(0, 1024):
                take(data)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="clearer-parent", daemon=True).start()
