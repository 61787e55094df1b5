"""Addresses of files elsewhere (s3://, gs://, https://), opened through fsspec."""

from __future__ import annotations

import os
import posixpath
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError, one_line

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_WEB = ("http", "https")
_PORTS = {"ftp": 21, "sftp": 22, "smb": 445}


class StorageFault(UserError):
    """Storage elsewhere failed, perhaps for the moment: what is written so far is worth keeping."""


def is_remote(place: str) -> bool:
    """Return whether a place is an address, such as ``s3://bucket/a.png``, and no path."""
    return _ADDRESS.match(place) is not None


def is_web(address: str) -> bool:
    """Return whether an address is that of a web page, which may end in a query and a fragment."""
    return address.partition("://")[0].lower() in _WEB


def address_in(folder: str, below: str) -> str:
    """Return the address of something in a folder.

    >>> address_in("s3://lab/photos/", "a.png"), address_in("memory://", "a.png")
    ('s3://lab/photos/a.png', 'memory://a.png')
    """
    start = folder.rstrip("/")
    return f"{folder if start.endswith(':') else f'{start}/'}{below}"


def opened(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it.

    Raises:
        UserError: fsspec, or the library for this kind of address, is missing, or the address is malformed.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UserError(f"{address}: needs fsspec; run pip install 'clearer[remote]'") from None
    try:
        system, inside = url_to_fs(address)
    except ImportError as error:
        raise UserError(f"{address}: {one_line(error, address)}") from None
    except Exception as error:
        raise UserError(f"{address}: no address that can be opened ({one_line(error, address)})") from error
    return system, str(inside)


def opened_to_write(address: str) -> tuple[Any, str]:
    """Return the same, of an address where something is written.

    Raises:
        UserError: the same, or it is a web page.
    """
    if is_web(address):
        raise UserError(f"{address}: web pages cannot be written; choose another output")
    return opened(address)


def true_fault(error: Exception) -> Exception:
    """Return what went wrong, where storage says that there is no such file since it could not ask.

    fsspec raises FileNotFoundError for web pages also where the connection was refused, or the server failed.
    """
    cause: BaseException | None = error
    while isinstance(cause, FileNotFoundError):
        cause = cause.__cause__
    # A status, such as 503, is that of a web server; others state with theirs why they say so.
    is_other = isinstance(cause, OSError) or _is_of_connection(cause) or getattr(cause, "status", 404) not in (404, 410)
    return cause if isinstance(cause, Exception) and is_other else error


def _is_of_connection(error: BaseException | None) -> bool:
    """Return whether a web server gave no answer that could be read, such as one that dropped the connection.

    aiohttp's errors of a connection are not all of the operating system; those of an answer have its status.
    """
    aiohttp = sys.modules.get("aiohttp")  # optional; one that was not imported raised nothing
    return aiohttp is not None and isinstance(error, aiohttp.ClientError) and not hasattr(error, "status")


def is_of_this_machine(system: Any) -> bool:
    """Return whether a file system of fsspec, or its class, is that of this machine."""
    return "file" in _protocols(system)


def local_path(place: str) -> Path | None:
    """Return the path of a place on this machine, be it named by path or address; None if it is elsewhere."""
    if not is_remote(place):
        return Path(place)
    kind = _kind(place.partition("://")[0])
    return Path(str(kind._strip_protocol(place))) if kind is not None and is_of_this_machine(kind) else None


def identity(place: str) -> str:
    """Return the same text for all ways to name a place: its path without links, or its protocol, host and path.

    Nothing is opened. Different texts do not prove that two places differ: one storage may have several names.
    """
    here = local_path(place)
    if here is not None:
        here = here.absolute()
        if here.name in ("", "..") or here.is_symlink():
            return os.path.realpath(here)
        return f"{_real_folder(str(here.parent)).rstrip(os.sep)}{os.sep}{here.name}"
    protocol, _, below = place.partition("://")
    kind = _kind(protocol)
    if kind is None:
        return f"{protocol.lower()}://{below}"
    try:
        inside, facts = str(kind._strip_protocol(place)), kind._get_kwargs_from_urls(place)
    except Exception:  # malformed; whoever opens it says so
        return place
    protocol = _protocols(kind)[0]
    host = facts.get("host")
    if host:  # whoever the user is, and the path is that of a file system
        port = facts.get("port") or _PORTS.get(protocol, "")
        inside = f"{str(host).lower()}:{port}/{posixpath.normpath(inside).lstrip('/')}"
    return f"{protocol}://{inside}"


def are_same(one: str | Path, other: str | Path) -> bool:
    """Return whether two places are known to be one; see `identity`."""
    return identity(str(one)) == identity(str(other))


@lru_cache(4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


@lru_cache(64)
def _kind(protocol: str) -> Any:
    """Return the class of the file system of a protocol; None if it, or what it needs, is missing."""
    try:
        from fsspec import get_filesystem_class

        return get_filesystem_class(protocol)
    except (ImportError, ValueError):
        return None


def _protocols(system: Any) -> tuple[str, ...]:
    found = system.protocol
    return (found,) if isinstance(found, str) else tuple(found)
