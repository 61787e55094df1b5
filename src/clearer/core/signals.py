"""Turn SIGTERM and SIGHUP into an exception, so that interrupted work is undone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from clearer.core.errors import Interrupted


@contextmanager
def terminable(text: str) -> Iterator[None]:
    """Raise `Interrupted` in the block on SIGTERM or SIGHUP, so that the block closes and removes what it opened.

    Outside the main thread it changes nothing: signals are handled there by the caller.

    Raises:
        Interrupted: a signal arrived; the message is ``text``.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(text, number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None]
    # Under nohup SIGHUP is ignored, and stays so.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
