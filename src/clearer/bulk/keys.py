"""Numbers of 64 bits that stand for files and places, and the version of a file's content."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from clearer.core.addresses import identity, is_remote


def hash_of(text: str) -> int:
    """Return a number of 64 bits for a text."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest())


def key_of(input: str, output: str) -> int:
    """Return a number for a file and its output."""
    return hash_of(f"{input}\0{output}")


def versioned(key: int, version: str | None) -> int:
    """Return a number for the same with a version of the file; the key itself if the version is not known."""
    return key if version is None else hash_of(f"{key} {version}")


def place_key(place: str) -> int:
    """Return a number for a place, whatever links or addresses lead there."""
    return hash_of(identity(place))


def version_of(input: str, listed: str | None) -> str | None:
    """Return what changes when a file is replaced: its size and time, or what its storage listed; None if unknown."""
    if is_remote(input):
        return listed
    try:
        facts = Path(input).stat()
    except OSError:
        return None
    return f"{facts.st_size} {facts.st_mtime_ns}" if stat.S_ISREG(facts.st_mode) else None
