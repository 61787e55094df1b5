"""Places of files: paths of this machine, and addresses of other storage (s3://, gs://, https://) through fsspec."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from clearer.core.addresses import (
    address_in,
    is_of_this_machine,
    is_remote,
    is_web,
    opened,
    opened_to_write,
    true_fault,
)
from clearer.core.errors import UserError, one_line
from clearer.core.files import written_whole
from clearer.core.leftovers import temporary_name


def joined(folder: str, below: str) -> str:
    """Return the place of something in a folder; a place of its own, with a root or an address, stays."""
    if is_remote(below) or not is_remote(folder):
        return below if is_remote(below) else str(Path(folder) / below)
    return address_in(folder, below.lstrip("/"))


def name_of(place: str) -> str:
    """Return the file name at the end of a place."""
    if not is_remote(place):
        return Path(place).name
    # Elsewhere than on web pages, these characters are part of the name.
    return PurePosixPath(re.split(r"[?#]", place)[0] if is_web(place) else place).name


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
    except Exception as error:  # each storage raises its own
        fault = true_fault(error)
        if isinstance(fault, FileNotFoundError):
            raise UserError(f"{address}: no such file; check the address") from None
        raise UserError(f"{address}: cannot be read ({one_line(fault, address)})") from error


def put(source: Path, address: str) -> None:
    """Copy a file to elsewhere, completely or not at all.

    Raises:
        UserError: it cannot be written there, or a folder is there.
    """
    system, inside = opened_to_write(address)
    if _is_folder(system, inside):
        raise UserError(f"{address}: a folder, where an output file is needed; name the file")
    if is_of_this_machine(system):
        with written_whole(inside) as temporary:
            shutil.copyfile(source, temporary)
        return
    parent, _, name = inside.rpartition("/")
    hidden = f"{parent}/{temporary_name(name, '')}"
    is_done = False
    try:
        if parent:
            system.makedirs(parent, exist_ok=True)
        system.put_file(str(source), hidden)
        # A reader sees the old file or the new one.
        _rename(system, hidden, inside)
        is_done = True
    except Exception as error:
        raise UserError(f"{address}: cannot be written ({one_line(error, address)})") from error
    finally:
        if not is_done:
            with contextlib.suppress(Exception):
                system.rm_file(hidden)


def _is_folder(system: Any, inside: str) -> bool:
    try:
        return bool(system.isdir(inside))
    except Exception:  # one may be allowed to write and not to list; then writing tells
        return False


def _rename(system: Any, old: str, new: str) -> None:
    """Rename a file, by names as they are: the ``mv`` that storage of objects inherits takes ``x[1].png`` for a
    pattern, and moves into a folder.
    """
    try:
        system.cp_file(old, new)
    except NotImplementedError:  # such as FTP, which renames instead
        system.mv(old, new)
        return
    system.rm_file(old)


def exists(place: str) -> bool:
    """Return whether there is a file at a place."""
    if not is_remote(place):
        return Path(place).exists()
    system, inside = opened(place)
    try:
        return bool(system.exists(inside))
    except Exception as error:
        raise UserError(f"{place}: cannot be reached ({one_line(error, place)})") from error


def check_output(address: str) -> None:
    """Refuse an address that nothing can be written below, before any file is tried.

    Raises:
        UserError: an optional package that opens its kind is missing, which the message names; or it is a web page.
    """
    opened_to_write(address)
