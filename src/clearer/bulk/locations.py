"""Places of files: paths of this machine, and addresses of other storage (s3://, gs://, https://) through fsspec."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from clearer.core.addresses import is_remote, opened, opened_to_write
from clearer.core.errors import UserError, one_line
from clearer.core.leftovers import temporary_name


def joined(folder: str, below: str) -> str:
    """Return the place of something in a folder; a place of its own, with a root or an address, stays."""
    if is_remote(below) or not is_remote(folder):
        return below if is_remote(below) else str(Path(folder) / below)
    return f"{folder.rstrip('/')}/{below.lstrip('/')}"


def name_of(place: str) -> str:
    """Return the file name at the end of a place."""
    return PurePosixPath(re.split(r"[?#]", place)[0]).name if is_remote(place) else Path(place).name


def with_name(place: str, name: str) -> str:
    """Return a place with another file name."""
    return f"{place.rpartition('/')[0]}/{name}" if is_remote(place) else str(Path(place).with_name(name))


def fetch(address: str, target: Path) -> None:
    """Copy a file from elsewhere to a path.

    Raises:
        UserError: there is no such file, it cannot be read, or the library for this kind of address is missing.
    """
    system, inside = opened(address)
    try:
        with system.open(inside, "rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except FileNotFoundError:
        raise UserError(f"{address}: no such file; check the address") from None
    except Exception as error:  # each storage raises its own
        raise UserError(f"{address}: cannot be read ({one_line(error, address)})") from error


def put(source: Path, address: str) -> None:
    """Copy a file to elsewhere, completely or not at all.

    Raises:
        UserError: it cannot be written there.
    """
    system, inside = opened_to_write(address)
    parent, _, name = inside.rpartition("/")
    hidden = f"{parent}/{temporary_name(name, '')}"
    try:
        if parent:
            system.makedirs(parent, exist_ok=True)
        system.put_file(str(source), hidden)
        # Storage of objects copies and removes; a reader sees the old object or the new one, as with a file.
        system.mv(hidden, inside)
    except Exception as error:
        raise UserError(f"{address}: cannot be written ({one_line(error, address)})") from error


def exists(place: str) -> bool:
    """Return whether there is a file at a place."""
    if not is_remote(place):
        return Path(place).exists()
    system, inside = opened(place)
    try:
        return bool(system.exists(inside))
    except Exception as error:
        raise UserError(f"{place}: cannot be reached ({one_line(error, place)})") from error


def files_below(folder: str) -> Iterator[str]:
    """Yield the addresses of all files in a folder elsewhere, in order of names.

    A folder whose name ends in .zarr counts as a file.

    Raises:
        UserError: it cannot be listed.
    """
    system, inside = opened(folder)
    try:
        for parent, folders, names in system.walk(inside):
            images = [name for name in folders if name.lower().endswith(".zarr")]
            names = [*names, *images]
            folders[:] = [name for name in folders if name not in images]  # their chunks are not looked at
            yield from (system.unstrip_protocol(f"{str(parent).rstrip('/')}/{name}") for name in sorted(names))
    except Exception as error:
        raise UserError(f"{folder}: cannot be listed ({one_line(error, folder)})") from error


def check_output(address: str) -> None:
    """Refuse an address that nothing can be written below, before any file is tried.

    Raises:
        UserError: an optional package that opens its kind is missing, which the message names; or it is a web page.
    """
    opened_to_write(address)
