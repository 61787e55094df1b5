"""Make the C library keep freed memory, which saves time for features of many megabytes."""

from __future__ import annotations

import ctypes
import sys

# The numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Let this process keep the memory of freed tensors for the next ones; return whether it can.

    By default glibc returns large blocks to the system at once, and the next tensor of that size has to map every page
    again: about a tenth of a training step on a CPU. The peak memory of the process does not change. Works on Linux
    with glibc; elsewhere it does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT)) and bool(mallopt(_TRIM_THRESHOLD, 2 * _KEPT - 1))
