"""The folder in which what was measured on this machine is kept for the next command."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder: clearer below XDG_CACHE_HOME, by default ~/.cache; it may not exist yet.

    A user without a home folder that can be written, as in many containers, has one among the temporary files.
    """
    stated = os.environ.get("XDG_CACHE_HOME")
    if stated:
        return Path(stated) / "clearer"
    try:
        folder = Path.home() / ".cache" / "clearer"
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return _temporary(Path(tempfile.gettempdir()))
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return folder if os.access(there, os.W_OK) else _temporary(Path(tempfile.gettempdir()))


@cache
def _temporary(place: Path) -> Path:
    """Return a folder that is this user's alone: others may make folders there, too."""
    number = os.getuid() if hasattr(os, "getuid") else 0
    folder = place / f"clearer-{number}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="clearer-"))
    is_ours = stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == number)
    return folder if is_ours and not found.st_mode & 0o022 else Path(tempfile.mkdtemp(prefix="clearer-"))
