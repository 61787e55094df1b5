"""List the files of a folder elsewhere, a folder at a time; what cannot be taken from it is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from clearer.core.addresses import address_in, are_same, is_of_this_machine, is_web, opened, true_fault
from clearer.core.errors import UserError, masked, one_line

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "updated", "mtime", "modify", "created")
"""Facts that a listing may give of a file: it has another one once it was replaced. The first that is there counts."""


class Found(NamedTuple):
    """A file of a folder elsewhere.

    Attributes:
        address: as the user named the folder, with the path below it.
        below: this path.
        version: changes with the content, as far as the storage tells; None if it does not.
        is_regular: it is no device or pipe. A folder whose name ends in .zarr counts as a file.
    """

    address: str
    below: str
    version: str | None
    is_regular: bool


def files_below(
    folder: str, out: str, recursive: bool, unreadable: list[str], passed: list[str] | None = None
) -> Iterator[Found]:
    """Yield the files in a folder elsewhere, those of a folder in order of names, and then those of its sub-folders.

    Hidden ones are left out, and so is the output folder.

    Args:
        folder: its address.
        out: the output folder, which may lie inside.
        recursive: also look into sub-folders.
        unreadable: gets a line for each sub-folder that cannot be listed, and for each name that cannot be taken.
        passed: gets the names of the sub-folders that are not looked into.

    Raises:
        UserError: the folder cannot be listed.
    """
    system, inside = opened(folder)
    is_local = is_of_this_machine(system)
    root = inside.rstrip("/")
    waiting: list[tuple[str, str, frozenset[str]]] = [(inside, folder, frozenset())]
    while waiting:
        place, address, above = waiting.pop()
        above |= {os.path.realpath(place)} if is_local else set()
        folders: list[tuple[str, str, frozenset[str]]] = []
        for info in _listed(system, place, address, None if place == inside else unreadable):
            path = str(info["name"]).rstrip("/")
            if path == place.rstrip("/"):  # some storage lists the folder in itself
                continue
            if not path.startswith(f"{root}/" if root else ""):
                raise UserError(f"{folder}: holds {path}, which is not below it; name the folder as its storage does")
            below = path[len(root) :].lstrip("/")
            own = path if is_web(folder) else address_in(folder, below)
            kind = _kind(system, info, path)
            is_zarr = kind == "directory" and below.lower().endswith(".zarr")
            if kind == "directory" and not is_zarr and not recursive:
                if passed is not None and not below.startswith(".") and not are_same(own, out):
                    passed.append(below)
                continue
            fault = _fault(system, own, path, below)
            if fault is not None:
                unreadable.append(masked(f"{own}: {fault}"))
            elif below.rpartition("/")[2].startswith("."):
                continue
            elif kind == "directory" and not is_zarr:
                # Links lead up again, or to the output.
                if not are_same(own, out) and not (is_local and os.path.realpath(path) in above):
                    folders.append((path, own, above))
            else:
                yield Found(own, below, None if is_zarr else _version(info), is_zarr or kind == "file")
        waiting += reversed(folders)


def _listed(system: Any, place: str, address: str, unreadable: list[str] | None) -> list[dict[str, Any]]:
    """Return what is in a folder, by name; without ``unreadable``, a fault is raised."""
    try:
        return sorted(system.ls(place, detail=True), key=lambda info: str(info["name"]))
    except Exception as error:  # each storage raises its own
        fault = true_fault(error)
        if isinstance(fault, FileNotFoundError):
            return []
        line = f"{address}: cannot be listed ({one_line(fault, address)})"
        if unreadable is None:
            raise UserError(line) from error
        unreadable.append(masked(f"{line}; check its permissions"))
        return []


def _kind(system: Any, info: dict[str, Any], path: str) -> str:
    """Return "file", "directory" or "other"; of a link, what it leads to."""
    kind = str(info["type"])
    if kind in ("file", "directory"):
        return kind
    if not (info.get("islink") or kind == "link"):
        return "other"
    return "directory" if system.isdir(path) else "file" if system.isfile(path) else "other"


def _fault(system: Any, address: str, path: str, below: str) -> str | None:
    """Return why a file cannot be taken by its name; None if it can."""
    if (
        any(part in ("", ".", "..") for part in below.split("/"))
        or "\0" in below
        or (os.sep != "/" and os.sep in below)
    ):
        return "its name would lead out of the output folder; rename it, or name its output in a list"
    if not is_web(address) and str(system._strip_protocol(address)).rstrip("/") != path:
        return "no address of this storage can hold its name; rename it"
    return None


def _version(info: dict[str, Any]) -> str | None:
    found = next((str(info[key]) for key in _VERSIONS if info.get(key)), None)
    return None if found is None else f"{info.get('size')} {found}"
