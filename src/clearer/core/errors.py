"""Errors that a user can cause and fix, each with a message of one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """An error that the user can fix: one line with what failed, the value and the fix.

    The command line prints it without a traceback and exits with status 2. Secrets in addresses are not shown.
    """

    def __str__(self) -> str:
        return masked(super().__str__())


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


_USER = re.compile(r"(?<=://)(?:[^\s/?#]*|[^\s/:@]+:(?!\d+/)\S*)@")
"""Before the host: user and password, which may hold a slash; ``host:8000/a@2x.png`` has a port and no password."""
_QUERY = re.compile(r"(://[^\s?]*)\?[^\s\"'),.:;\]]\S*?(?=[\"'),.:;\]]*(?:\s|$))")


def masked(text: str) -> str:
    """Return a text without what may be secret in its addresses: what stands before @, and the query.

    >>> masked("s3://KEY:SECRET@lab/a.zarr: no such folder"), masked("https://lab/a.png?sig=SECRET: no such file")
    ('s3://***@lab/a.zarr: no such folder', 'https://lab/a.png?***: no such file')
    """
    return _QUERY.sub(r"\1?***", _USER.sub("***@", text)) if "://" in text else text


def without_user(address: str) -> str:
    """Return an address without user and password.

    >>> without_user("sftp://KEY:SECRET@lab/a.png"), without_user("http://lab:8000/a@2x.png")
    ('sftp://lab/a.png', 'http://lab:8000/a@2x.png')
    """
    return _USER.sub("", address)


def one_line(error: Exception, address: str = "") -> str:
    """Return the message of an exception as one line of at most 200 characters, or its type if it has none.

    Secrets in addresses are not shown, and those of ``address`` not even without its beginning.
    """
    text = masked(" ".join(str(error).split()))
    for secret in _secrets(address):
        text = text.replace(secret, "***")
    return text[:200] or type(error).__name__


def _secrets(address: str) -> list[str]:
    """Return what `masked` hides of an address, the password alone, and its pieces, which parsers may name."""
    user, query = _USER.search(address), _QUERY.search(address)
    found = []
    if user is not None:
        password = user[0][:-1].partition(":")[2]
        found = [user[0][:-1], password, *(one for one in re.split("[/?#:@]", password) if len(one) > 2)]
    found += [] if query is None else [query[0][len(query[1]) + 1 :]]
    return [secret for secret in found if secret]


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
