"""The folder in which what was measured on this machine is kept for the next command."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder: clearer below XDG_CACHE_HOME, by default ~/.cache; it may not exist yet.

    A user without a home folder, such as a number that a container was started with, has one among the temporary files.
    """
    stated = os.environ.get("XDG_CACHE_HOME")
    if stated:
        return Path(stated) / "clearer"
    try:
        return Path.home() / ".cache" / "clearer"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        number = os.getuid() if hasattr(os, "getuid") else 0
        return Path(tempfile.gettempdir()) / f"clearer-{number}"
