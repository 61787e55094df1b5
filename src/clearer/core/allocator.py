"""How the C library keeps freed memory: for features of many megabytes it matters."""

from __future__ import annotations

import ctypes
import sys

# The numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones; return whether it can.

    By default glibc gives large blocks back to the system at once, and the next tensor of that size pays
    for every page of it again: about a tenth of a training step on a CPU. What the process holds at its
    peak does not change. Only on Linux with glibc; elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT)) and bool(mallopt(_TRIM_THRESHOLD, 2 * _KEPT - 1))
