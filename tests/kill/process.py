"""Commands as forks of a process that has imported everything: kills fall into their work, not into imports."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

POLL = 0.001


class Ended(NamedTuple):
    """A command that has ended: its status, negative if a signal killed it, its seconds, and its standard error."""

    status: int
    seconds: float
    err: str


def start(arguments: Sequence[str], desk: Path, prepare: Callable[[], None]) -> int:
    """Start ``clearer ARGUMENTS`` in a fork, in the folder ``desk``; return its number.

    Temporary files go to ``desk/tmp``, output to ``desk/log``.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    number = os.fork()
    if number:
        return number
    status = 70
    try:
        os.setsid()
        os.chdir(desk)
        os.environ["TMPDIR"] = str(desk / "tmp")
        tempfile.tempdir = None
        for kind, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(desk / "log" / kind, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        gc.freeze()
        from clearer.cli.main import main

        prepare()
        sys.argv = ["clearer", *arguments]
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def finish(
    number: int,
    desk: Path,
    *,
    kill: signal.Signals | None = None,
    due: Callable[[float], bool] = lambda seconds: False,
    see: Callable[[], None] = lambda: None,
    limit: float = 300,
) -> Ended:
    """Wait for a command to end.

    Args:
        number: of the process.
        desk: its folder.
        kill: the signal to send once ``due``, called with the seconds since now, says so.
        see: called again and again meanwhile.
        limit: seconds after which it is killed and an error is raised.
    """
    began, sent = time.monotonic(), False
    while True:
        done, status = os.waitpid(number, os.WNOHANG)
        seconds = time.monotonic() - began
        if done:
            break
        if seconds > limit:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            raise TimeoutError(f"not ended after {limit} seconds")
        if kill is not None and not sent and due(seconds):
            os.kill(number, kill)
            sent = True
        see()
        time.sleep(POLL)
    return Ended(os.waitstatus_to_exitcode(status), seconds, (desk / "log" / "err").read_text(errors="replace"))
