"""Addresses of files elsewhere (s3://, gs://, https://), opened through fsspec."""

from __future__ import annotations

import re
from typing import Any

from clearer.core.errors import UserError, one_line

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NO_FOLDERS = ("http", "https")


class StorageFault(UserError):
    """Storage elsewhere failed, perhaps for the moment: what is written so far is worth keeping."""


def is_remote(place: str) -> bool:
    """Return whether a place is an address, such as ``s3://bucket/a.png``, and no path."""
    return _ADDRESS.match(place) is not None


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
    if address.partition("://")[0].lower() in _NO_FOLDERS:
        raise UserError(f"{address}: web pages cannot be written; choose another output")
    return opened(address)
