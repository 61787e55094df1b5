"""Write files completely or not at all, and read and write JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from clearer.core.errors import UserError
from clearer.core.leftovers import held_file, remove_leftovers, temporary_folder
from clearer.core.parse import parse_json
from clearer.core.shape import check_shape

T = TypeVar("T")
_swept: set[str] = set()
"""Folders in which this process has looked for leftovers."""


@contextlib.contextmanager
def written_whole(path: str | Path, *, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; flush it and rename it to ``path`` on a clean exit.

    On any error the temporary file is removed and ``path`` stays as it was. The parent folder is created if
    it is missing. The temporary name keeps the suffix, for encoders that choose the format by it. If ``path`` is a
    link, the file that it points to is written. Temporary files that a killed process left in the folder are removed.
    A ``private`` file can be read by this user alone.

    Raises:
        UserError: the disk is full, or the file cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    descriptor: int | None = None
    try:
        path = through_link(path)
        if is_no_file(path):
            raise UserError(f"{path}: a device or a pipe, where a file is needed; choose another output")
        path.parent.mkdir(parents=True, exist_ok=True)
        if str(path.parent) not in _swept:
            _swept.add(str(path.parent))
            remove_leftovers(path.parent)
        temporary, descriptor = held_file(path.parent, path.stem, path.suffix, private=private)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        if error.filename is not None and temporary is not None and Path(str(error.filename)) not in (temporary, path):
            raise
        raise explained(error, path) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def utf8_path(path: str | Path) -> Iterator[Path]:
    """Yield the path of an existing file or folder, for libraries that take only names in UTF-8.

    Other names stand behind a link, with the suffix of the file, in a temporary folder.
    """
    path = Path(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with temporary_folder("name") as folder:
            link = folder / f"file{path.suffix.encode(errors='ignore').decode()}"
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path


def is_no_file(path: Path) -> bool:
    """Return whether a path leads to a device, a pipe or a socket: reading may never end, writing would replace it."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def through_link(path: Path) -> Path:
    """Return the file that a link points to, which may not exist yet; other paths as they are.

    Raises:
        UserError: the link points to itself, or into a folder that does not exist.
    """
    if not path.is_symlink():
        return path
    place = Path(os.path.realpath(path))
    if place.is_symlink() or not place.parent.is_dir():
        raise UserError(f"{path}: a link to {place}, which cannot be written; mend the link or remove it")
    return place


def explained(error: OSError, path: Path) -> UserError:
    """Return what is wrong with an output that cannot be written, in one line."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"{path}: the disk is full; nothing was written; free some space and rerun the command")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path}: cannot be written ({error.strerror}); choose another place for the output")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return UserError(
            f"{path}: a file stands where a folder is needed, or the reverse; choose another place for the output"
        )
    return UserError(f"{path}: cannot be written ({error.strerror or error})")


_OF_PATHS = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.ESTALE, errno.EIO,
    errno.EEXIST,
)  # fmt: skip


def path_fault(error: OSError) -> str | None:
    """Return in one line what is wrong with the path of a system error; None if it is of another kind."""
    if error.filename is None or error.errno not in _OF_PATHS:
        return None
    return f"{os.fsdecode(error.filename)}: cannot be reached ({error.strerror}); check the path and its permissions"


@contextlib.contextmanager
def paths_checked() -> Iterator[None]:
    """Turn a system error about a path, such as that of a folder that may not be entered, into a `UserError`."""
    try:
        yield
    except OSError as error:
        fault = path_fault(error)
        if fault is None:
            raise
        raise UserError(fault) from error


def write_text(path: str | Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` as UTF-8, completely or not at all; names of files that are not UTF-8 are escaped."""
    with written_whole(path, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, value: Any, *, private: bool = False) -> None:
    """Write ``value`` as indented JSON, completely or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", private=private)


FORMER_KEYS = {
    "pictures": "images",
    "per_picture": "per_image",
    "picture": "image",
    "pictures_in_set": "images_in_set",
    "seconds_per_picture": "seconds_per_image",
    "probabilities": "mixing_weights",
    "parallel_probabilities": "parallel_mixing_weights",
    "licence": "license",
}
"""Keys in files of version 0.1, and their present names."""


def with_present_keys(value: Any) -> Any:
    """Return a JSON value with every key of `FORMER_KEYS`, at any depth, under its present name.

    >>> with_present_keys({"pictures": 3, "rows": [{"picture": "a.png"}]})
    {'images': 3, 'rows': [{'image': 'a.png'}]}
    """
    if isinstance(value, dict):
        return {FORMER_KEYS.get(key, key): with_present_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_present_keys(inner) for inner in value]
    return value


class FormerKeysDict(dict[str, Any]):
    """A dict that also answers to the `FORMER_KEYS` of its keys: results handed to programs written for 0.1.

    >>> FormerKeysDict({"images": 3})["pictures"]
    3
    """

    def __missing__(self, key: str) -> Any:
        present = FORMER_KEYS.get(key, key)
        if present not in self:
            raise KeyError(key)
        return self[present]


def with_former_keys(value: Any) -> Any:
    """Return a JSON value whose mappings, at any depth, are each a `FormerKeysDict`."""
    if isinstance(value, dict):
        return FormerKeysDict({key: with_former_keys(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return [with_former_keys(inner) for inner in value]
    return value


def read_json(path: str | Path) -> Any:
    """Read JSON that clearer wrote; keys of older versions get their present names.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return with_present_keys(parse_json(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error


def read_shaped(path: str | Path, kind: type[T], needs: Collection[str] = (), *, whole: bool = True) -> T:
    """Read JSON that clearer wrote, and check its shape.

    Args:
        path: the file.
        kind: a type that `clearer.core.shape.check_shape` takes, such as a TypedDict or ``dict[str, list[str]]``.
        needs: keys that a TypedDict leaves open and the caller reads.
        whole: a TypedDict's required keys must be there.

    Raises:
        UserError: the file is missing, is not JSON, or holds a value of another shape.
    """
    return shaped(read_json(path), path, kind, needs, whole=whole)


def shaped(value: Any, path: str | Path, kind: type[T], needs: Collection[str] = (), *, whole: bool = True) -> T:
    """Return ``value``, which `read_json` read from ``path``, as a type of this shape; see `read_shaped`."""
    try:
        check_shape(value, kind, needs=needs, whole=whole)
    except ValueError as error:
        raise UserError(
            f"{path}: {error}; put the file back, or remove it and rerun the command that writes it"
        ) from error
    found: T = value
    return found
