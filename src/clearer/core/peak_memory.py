"""The most memory that this process takes beyond what it had before, on Linux."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the peak becomes what is resident now


class PeakMemory:
    """Counts from when it is made: what the C library keeps of freed memory is returned to the system first.

    Where the system cannot say, as outside Linux, `added` is None.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        self.before: float | None = None
        with contextlib.suppress(OSError):
            CLEAR.write_text(RESET_PEAK)
            self.before = _field("VmRSS")

    def added(self) -> float | None:
        """Return the peak so far beyond what was resident at the beginning, in MiB."""
        peak = None if self.before is None else _field("VmHWM")
        return None if peak is None or self.before is None else max(0.0, peak - self.before)


def _field(name: str) -> float | None:
    """Return a field of /proc/self/status in MiB."""
    with contextlib.suppress(OSError, ValueError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return None
