"""Addresses that only this machine reaches."""

from __future__ import annotations

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Host names in the address bar of a browser on this machine."""


def is_local(host: str) -> bool:
    """Return whether only this machine reaches an address to bind.

    >>> is_local("127.0.0.1"), is_local("0.0.0.0")
    (True, False)
    """
    return host in (*LOCAL_HOSTS, "::1") or host.startswith("127.")
