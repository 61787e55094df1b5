"""Name temporary files after their process, and remove those of processes that have died."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
import sys
from pathlib import Path

_NAME = re.compile(r"\..*-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.tmp(\.[^/]*)?", re.DOTALL)
"""STEM, machine, process, start of the process, random; then the suffix of the file to be made."""

_FIRST_NAMESPACE = "pid:[4026531836]"
"""Linux: the process ids of the machine itself, not of a container."""


def temporary_name(stem: str, suffix: str) -> str:
    """Return a hidden file name that states the machine, this process and its start."""
    pid = os.getpid()
    # Only parts of the name: a long one with what is added would exceed the limit of the file system.
    return f".{stem[:32]}-{_machine()}-{pid}-{_start_of(pid) or 0}-{secrets.token_hex(4)}.tmp{suffix[:12]}"


def remove_leftovers(folder: str | Path) -> list[str]:
    """Remove the temporary files that dead processes of this user and machine left directly in a folder.

    A file stays if its process may be alive: it has the same number and start, or belongs to another machine, container
    or user. Nothing is removed where that cannot be found out (not on Windows).

    Returns:
        The names that were removed.
    """
    if sys.platform == "win32":
        return []
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is None or found[1] != _machine() or _may_live(int(found[2]), int(found[3])):
                continue
            with contextlib.suppress(OSError):
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    Path(entry.path).unlink()
                    removed.append(entry.name)
    return removed


def _may_live(pid: int, start: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    now = _start_of(pid)
    return now is None or start == 0 or now == start


def _start_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the machine did; -1 if it has ended; None if unknown."""
    try:
        # The name of the program, in brackets, may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])


@functools.cache
def _machine() -> str:
    """Return a name of this machine; in a container, of the container as well."""
    facts = [socket.gethostname(), _text("/etc/machine-id")]
    with contextlib.suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
        if namespace != _FIRST_NAMESPACE:
            facts += [namespace, _text("/proc/sys/kernel/random/boot_id")]
    return hashlib.sha256("\0".join(facts).encode(errors="surrogateescape")).hexdigest()[:8]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
