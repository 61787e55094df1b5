"""Whether other programs keep this machine busy: times measured meanwhile are too long."""

from __future__ import annotations

import time
from pathlib import Path

FILE = Path("/proc/pressure/cpu")
"""Linux counts there for how long at least one program waited for a processor."""
BUSY = 0.3
"""Share of the time that programs wait, from which a machine is busy. What is timed waits for itself now and then."""


class Watch:
    """Tells for what share of the time since it began programs waited for a processor."""

    def __init__(self) -> None:
        self.waited, self.began = _waited(), time.monotonic()

    def share(self) -> float:
        """Return the share, 0 to 1; 0 where the system does not count it."""
        now, elapsed = _waited(), time.monotonic() - self.began
        if now is None or self.waited is None or elapsed <= 0:
            return 0.0
        return min(1.0, (now - self.waited) / elapsed)

    @property
    def busy(self) -> bool:
        """Whether other programs kept the machine busy."""
        return self.share() > BUSY


def _waited() -> float | None:
    """Return the seconds since the start of the system; None where it does not count them."""
    try:
        fields = FILE.read_text().split("\n")[0].split()
        return int(next(field for field in fields if field.startswith("total=")).removeprefix("total=")) / 1e6
    except (OSError, StopIteration, ValueError):
        return None
