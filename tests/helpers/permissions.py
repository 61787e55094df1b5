"""Permissions that count: root reads and writes what it may not, unless it gives this right up for a while."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

import pytest

_OVERRIDE, _READ_SEARCH = 1, 2  # numbers of the capabilities CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
_VERSION = 0x20080522


@contextlib.contextmanager
def permissions_count() -> Iterator[None]:
    """Let the permissions of files hold for this thread, and for those that it starts, also if it runs as root."""
    if os.name != "posix":
        pytest.skip("permissions of POSIX")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root has all permissions here")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    before = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; of the first 32 capabilities, then the others
    if libc.capget(header, before):
        pytest.skip("capabilities cannot be read")
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~(1 << _OVERRIDE | 1 << _READ_SEARCH)
    if libc.capset(header, less):
        pytest.skip("capabilities cannot be given up")
    try:
        yield
    finally:
        libc.capset(header, before)
