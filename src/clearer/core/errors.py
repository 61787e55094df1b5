"""Errors that a user can cause and fix, each with a message of one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """An error that the user can fix: one line with what failed, the value and the fix.

    The command line prints it without a traceback and exits with status 2.
    """


class LostProcess(UserError):
    """Another process of a distributed run has died; its checkpoints remain."""


class Interrupted(BaseException):
    """The command was asked to stop (SIGTERM, SIGHUP, Ctrl-C): what it has written is complete.

    ``signal`` is the number of the signal; the exit status is 128 + signal. It is no `Exception`, so that no handler
    of damaged files or missing libraries takes it for its own.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def one_line(error: Exception) -> str:
    """Return the message of an exception as one line of at most 200 characters, or its type if it has none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def shown(value: object) -> str:
    """Return a value as messages show it: its repr, of a long one the beginning.

    >>> shown("many"), shown([7] * 1000)[-8:]
    ("'many'", '7, 7,...')
    """
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean X?)"`` for the known name nearest to ``name``, or an empty string.

    >>> nearest("quikstart", ["quickstart", "derain"])
    " (did you mean 'quickstart'?)"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
