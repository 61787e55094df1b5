"""Temporary files and folders that are held while their process lives, and removed when it has died.

Each is named after its process and locked by it. The lock ends with the process, however it ends, and shows through the
walls of containers. It does not show through every network folder; there only the name counts, which tells nothing
about processes elsewhere.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"(\.|clearer-).*-([0-9a-f]{10})-(\d+)-(\d+)-[0-9a-f]{8}\.tmp(\.[^/]*)?", re.DOTALL)
"""STEM, machine, process, start of the process, random; then the suffix of the file to be made."""

_LOCAL = (
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "tmpfs", "overlay",
)  # fmt: skip
"""File systems of one machine, where a lock is seen by all who see the file."""


def is_temporary(name: str) -> bool:
    """Return whether a file or folder has the name of a temporary one."""
    return _NAME.fullmatch(name) is not None


def temporary_name(stem: str, suffix: str) -> str:
    """Return a hidden file name that states the machine, this process and its start."""
    # Only parts of the name: a long one with what is added would exceed the limit of the file system.
    return f".{stem[:32]}{_signature()}{suffix[:12]}"


def _signature() -> str:
    pid = os.getpid()
    return f"-{_machine()}-{pid}-{_start_of(pid) or 0}-{secrets.token_hex(4)}.tmp"


def held_file(folder: Path, stem: str, suffix: str, *, private: bool = True) -> tuple[Path, int]:
    """Make an empty hidden file, private to this user or as readable as other files that this process makes.

    Returns:
        Its path, and the descriptor that holds it: keep it open until the file is renamed or removed, then close it.
    """
    while True:
        place = folder / temporary_name(stem, suffix)
        descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600 if private else 0o666)
        if _hold(descriptor):
            return place, descriptor
        os.close(descriptor)


def held_at(place: Path) -> int | None:
    """Make a file that does not exist yet, and hold it; its text names this process.

    Returns:
        The descriptor that holds it, or None if the file exists.
    """
    try:
        descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    except FileExistsError:
        return None
    try:
        os.write(descriptor, temporary_name(place.stem, "").encode(errors="surrogateescape"))
    except OSError:  # a full disk: a claim without a name would seem to be another machine's
        os.close(descriptor)
        place.unlink(missing_ok=True)
        raise
    if _hold(descriptor):
        return descriptor
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(descriptor), place.stat()):
            place.unlink()
    os.close(descriptor)
    return None


def remove_if_dead(place: Path) -> bool | None:
    """Remove a file of `held_at` whose process has died.

    Returns:
        Whether there is no such file now; None if nothing tells whether its process lives, which is then on another
        machine, or has no locks.
    """
    try:
        descriptor = os.open(place, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return True
    try:
        found = _NAME.fullmatch(os.read(descriptor, 4096).decode(errors="surrogateescape"))
        if found is None:  # being written
            return None
        died = _has_died(descriptor, place.parent, found[2], int(found[3]), int(found[4]))
        # Another process may have removed the file before the lock was taken, and a third made it anew.
        if died and os.path.samestat(os.fstat(descriptor), place.stat()):
            place.unlink()
        return died
    except FileNotFoundError:
        return True
    finally:
        os.close(descriptor)


def held_folder(inside: Path, purpose: str) -> tuple[Path, int]:
    """Make an empty folder, private to this user.

    Returns:
        Its path, and the descriptor that holds it, 0 without locks: keep it open until the folder is
        renamed or removed.
    """
    while True:
        place = inside / f"clearer-{purpose}{_signature()}"
        place.mkdir(mode=0o700)
        descriptor = _descriptor_of_folder(place)
        if descriptor >= 0:
            return place, descriptor


@contextlib.contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield a new folder for temporary files, private to this user, and remove it with its content at the end.

    Folders that killed processes left are removed first.
    """
    inside = Path(tempfile.gettempdir()).resolve()
    remove_leftovers(inside)
    place, descriptor = held_folder(inside, purpose)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if descriptor:
            os.close(descriptor)


def _descriptor_of_folder(place: Path) -> int:
    """Return the descriptor that holds a new folder; -1 if another process has removed it; 0 without locks."""
    if sys.platform == "win32":
        return 0
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except FileNotFoundError:
        return -1
    if _hold(descriptor):
        return descriptor
    os.close(descriptor)
    return -1


def remove_leftovers(folder: str | Path) -> list[str]:
    """Remove the temporary files and folders that dead processes of this user left directly in a folder.

    What a living process of this machine holds stays, in whatever container it runs. In a network folder, where locks
    of other machines may not show, only what this start of this machine or container has left is removed.

    Returns:
        The names that were removed.
    """
    if sys.platform == "win32":
        return []
    removed = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found is None:
                continue
            with contextlib.suppress(OSError):
                if _is_ours(entry, is_folder=found[1] != ".") and _remove_if_dead(
                    Path(entry.path), found[2], int(found[3]), int(found[4])
                ):
                    removed.append(entry.name)
    return removed


def _is_ours(entry: os.DirEntry[str], is_folder: bool) -> bool:
    is_kind = entry.is_dir(follow_symlinks=False) if is_folder else entry.is_file(follow_symlinks=False)
    return is_kind and entry.stat(follow_symlinks=False).st_uid == os.getuid()


def _remove_if_dead(place: Path, machine: str, pid: int, start: int) -> bool:
    """Remove a file or folder if its process is known to have died; return whether it was removed."""
    # A lock of NFS needs a descriptor for writing.
    descriptor = os.open(place, (os.O_RDONLY if place.is_dir() else os.O_RDWR) | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not _has_died(descriptor, place.parent, machine, pid, start):
            return False
        # While the lock is held here: a process that has just made the file finds it gone and makes another.
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        return True
    finally:
        os.close(descriptor)


def _has_died(descriptor: int, folder: Path, machine: str, pid: int, start: int) -> bool | None:
    """Return whether the process that holds an open file of a folder has died; None if nothing tells.

    The lock of the file is then held by ``descriptor``, where there are locks.
    """
    if sys.platform == "win32":  # no locks, and a process cannot be asked without ending it
        return None
    here = machine == _machine()
    lives = _lives(pid, start) if here else None
    if lives:
        return False
    if not (here or _is_local(folder)):
        return None
    held = is_held(descriptor)
    if held is None:
        return None if lives is None else True
    return not held


def _hold(descriptor: int) -> bool:
    """Lock a new file; return False if another process took it for a leftover before."""
    return not is_held(descriptor) and os.fstat(descriptor).st_nlink > 0


def is_held(descriptor: int) -> bool | None:
    """Take the lock of a file; return whether another process has it, or None if there are no locks here."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _lives(pid: int, start: int) -> bool | None:
    """Return whether a process of this machine lives; None if its number is in use and its start is unknown."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user; its start tells
        pass
    now = _start_of(pid)
    return None if now is None or start == 0 else now == start


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
    """Return a name of this start of this machine; in a container, of the container as well.

    Numbers of processes and their starts mean the same wherever this name is the same.
    """
    facts = [socket.gethostname(), _text("/etc/machine-id"), _text("/proc/sys/kernel/random/boot_id")]
    with contextlib.suppress(OSError):
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(facts).encode(errors="surrogateescape")).hexdigest()[:10]


def _is_local(folder: Path) -> bool:
    """Return whether a folder is known to be on a file system of this machine alone."""
    return _file_system(os.path.realpath(folder), _text("/proc/self/mountinfo")) in _LOCAL


def _file_system(folder: str, mounts: str) -> str:
    """Return the type of the file system that holds a folder, by the text of Linux's mountinfo; "" if unknown."""
    found, length = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), (before.split() + [""] * 5)[4])
        inside = folder == place or folder.startswith(place.rstrip("/") + "/")
        if place and inside and len(place) >= length:  # the last one covers the others
            found, length = after.split(" ")[0], len(place)
    return found


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
