"""Being asked to end: work that is under way is left as it was found."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from clearer.core.errors import Interrupted


@contextmanager
def terminable(text: str) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block by an exception, so that what it opened is closed and removed.

    Outside of the main thread signals are the caller's business, and nothing is changed.

    Raises:
        Interrupted: one came; its message is ``text``.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted(text, number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if number is not None]
    # Who is started with nohup is not to hear of a terminal that goes.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
