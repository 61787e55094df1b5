"""Entry point: run the command line; on failure, print one line and exit with a status."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import NoReturn

from clearer.core.errors import Interrupted, LostProcess, UserError
from clearer.core.signals import end_with_parent, terminable
from clearer.core.text import shortened, terminal_safe
from clearer.training import distributed as processes

STOPPED = "stopped; every file written so far is complete; rerun the command"


def main() -> None:
    """Run ``clearer`` with the arguments of the process.

    Exit status: 0 on success; 1 if files of a folder failed; 2 for an error that the user can fix, printed as one line;
    128 + signal if stopped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not fit the encoding of the terminal
            stream.reconfigure(errors="backslashreplace")
    # Pillow warns of damaged metadata with a line of its source. Not around each call: threads read and write.
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
    try:
        _run()
    except SystemExit as end:
        if not processes.has_joined():
            raise
        # gloo's threads may still be closing connections, and would abort a process that ends normally.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))


def _run() -> None:
    with terminable(STOPPED):
        end_with_parent()
        try:
            _run_verb()
        except LostProcess as error:
            _end(str(error), 2, speakers=2)  # the first process may be the one that died
        except UserError as error:
            _end(str(error), 2)
        except Interrupted as error:
            _end(str(error), 128 + error.signal)
        except KeyboardInterrupt:
            _end(STOPPED, 130)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                _end_without_reader()
            from clearer.core.files import path_fault

            fault = path_fault(error)
            if fault is None:
                raise
            _end(fault, 2)


def _end_without_reader() -> NoReturn:
    # The reader of the output is gone; Python would report that again when it closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(1)


def _run_verb() -> NoReturn:
    # Not at the top: a signal while they are imported ends the command in one line, too.
    from clearer.cli.app import app
    from clearer.cli.usage import UsageError, fault

    try:
        try:
            status = app(prog_name="clearer", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except UsageError as error:
        _end(fault(error), 2)
    sys.exit(status or 0)


def _end(message: str, status: int, speakers: int = 1) -> NoReturn:
    """Exit after printing a line, which only the first ``speakers`` of several processes print."""
    if processes.launched()[0] < speakers:
        print(f"clearer: {shortened(terminal_safe(' '.join(message.splitlines())))}", file=sys.stderr)
    sys.exit(status)
