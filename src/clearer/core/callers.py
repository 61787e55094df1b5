"""Where users call this package: the line that a warning names."""

from __future__ import annotations

import sys

PACKAGE = __name__.partition(".")[0]


def level_of_user() -> int:
    """Return the ``stacklevel`` with which `warnings.warn`, in the function that calls this, names the user's line.

    That is the nearest caller outside this package.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == PACKAGE:
        level, frame = level + 1, frame.f_back
    return level
