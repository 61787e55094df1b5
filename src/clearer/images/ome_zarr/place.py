"""Place: a folder or file of this machine or, by an address of fsspec, elsewhere; what OME-Zarr needs of either."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearer.core.addresses import StorageFault, is_of_this_machine, is_remote, opened, opened_to_write
from clearer.core.errors import UserError, masked, one_line
from clearer.core.files import written_whole


@dataclass(frozen=True)
class Place:
    """A folder or file, which need not exist.

    Attributes:
        address: its path or address, as messages name it.
        path: its path on this machine; None if it is elsewhere.
        system, inside: if it is elsewhere, the file system of fsspec and the path in it.
    """

    address: str
    path: Path | None
    system: Any = None
    inside: str = ""

    def __str__(self) -> str:
        return masked(self.address)

    def __truediv__(self, below: str) -> Place:
        if not below:
            return self
        if self.path is not None:
            return Place(str(self.path / below), self.path / below)
        return Place(f"{self.address}/{below}", None, self.system, f"{self.inside.rstrip('/')}/{below}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.address.rpartition("/")[2] if self.path is None else self.path.name

    @property
    def local(self) -> Path | None:
        """The path without links if it is on this machine, be it named by path or address; otherwise None."""
        if self.path is None and not is_of_this_machine(self.system):
            return None
        return Path(self.inside if self.path is None else self.path).resolve()

    def lies_in(self, other: Place) -> bool:
        """Return whether this is another place or lies in it."""
        here, there = self.local, other.local
        if here is not None and there is not None:
            return here == there or there in here.parents
        if here is not None or there is not None:
            return False
        ways = [(self.address, other.address)]
        if self.system == other.system:
            ways.append((self.inside, other.inside))
        return any(f"{a.rstrip('/')}/".startswith(f"{b.rstrip('/')}/") for a, b in ways)

    def is_free(self) -> bool:
        """Return whether there is neither a file nor anything in a folder; of a place elsewhere.

        Raises:
            UserError: it cannot be listed.
        """
        try:
            folders = self.system.walk(self.inside, on_error="raise")  # empty folders are nothing to lose
            return not any(files for _, _, files in folders)
        except FileNotFoundError:
            return True
        except Exception as error:
            raise self._unlisted(error) from error

    def read(self) -> bytes | None:
        """Return what a file holds; None if there is none.

        Raises:
            UserError: it cannot be read.
        """
        try:
            if self.path is not None:
                return self.path.read_bytes() if self.path.is_file() else None
            found: bytes = self.system.cat_file(self.inside)
            return found
        except (FileNotFoundError, IsADirectoryError):
            return None
        except Exception as error:  # each storage raises its own
            if self.path is not None:
                raise UserError(f"{self}: cannot be read ({one_line(error, self.address)}); check it") from error
            fault = f"{self}: cannot be read ({one_line(error, self.address)}); check the address"
            if lasts(self.address, error):
                raise UserError(f"{fault} and its permissions") from error
            raise StorageFault(f"{fault}, or rerun the command to resume") from error

    def exists(self) -> bool:
        """Return whether there is a file.

        Raises:
            UserError: the storage cannot be reached.
        """
        return self.path.is_file() if self.path is not None else self.read() is not None

    def write(self, data: bytes) -> None:
        """Write a file, whole or not at all, and the folders that it needs.

        Raises:
            UserError: it cannot be written.
        """
        if self.path is not None:
            with written_whole(self.path) as temporary:
                temporary.write_bytes(data)
            return
        try:
            self.system.makedirs(self.inside.rpartition("/")[0], exist_ok=True)
            self.system.pipe_file(self.inside, data)
        except Exception as error:
            raise unwritable(self.address, error) from error

    def remove(self) -> None:
        """Remove a file, if it is there.

        Raises:
            UserError: it cannot be removed.
        """
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            return
        try:
            self.system.rm_file(self.inside)
        except FileNotFoundError:
            pass
        except Exception as error:
            raise unwritable(self.address, error) from error

    def clear(self, but: str = "") -> None:
        """Remove all that is in a folder, but the file ``but``; one that does not exist stays so.

        Raises:
            UserError: it is elsewhere and cannot be removed.
            OSError: it is here and cannot be removed.
        """
        if self.path is not None:
            for entry in os.scandir(self.path) if self.path.is_dir() else ():
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                elif entry.name != but:
                    Path(entry.path).unlink()
            return
        own = self.inside.rstrip("/")
        try:
            self.system.invalidate_cache()
            for path in [str(one["name"]).rstrip("/") for one in self.system.ls(self.inside, detail=True)]:
                if path not in (own, f"{own}/{but}"):
                    self.system.rm(path, recursive=True)
        except FileNotFoundError:
            pass
        except Exception as error:
            raise unwritable(self.address, error) from error

    def entries(self) -> list[tuple[str, bool]]:
        """Return the names in a folder in order, each with whether it is a folder.

        Raises:
            UserError: it is elsewhere and cannot be listed.
            OSError: it is here and cannot be listed.
        """
        if self.path is not None:
            return sorted((entry.name, entry.is_dir()) for entry in os.scandir(self.path))
        try:
            found = self.system.ls(self.inside, detail=True)
        except FileNotFoundError:
            raise UserError(f"{self}: no such folder; check the address") from None
        except Exception as error:
            raise self._unlisted(error) from error
        inside = ((str(one["name"]).rstrip("/"), one["type"] == "directory") for one in found)
        own = self.inside.rstrip("/")  # some storage lists the folder in itself
        return sorted((path.rpartition("/")[2], is_folder) for path, is_folder in inside if path != own)

    def _unlisted(self, error: Exception) -> UserError:
        fix = "name it by an address whose storage lists its folders, such as s3://"
        if lasts(self.address, error):
            fix = "check the address and its permissions"
        return UserError(f"{self}: cannot be listed ({one_line(error, self.address)}); {fix}")

    def store(self, *, write: bool) -> Any:
        """Return what zarr opens."""
        if self.path is not None:
            return str(self.path)
        from zarr.storage import FsspecStore

        # Storage of objects has no folders; that of file:// does not make the missing ones of itself.
        options = {"auto_mkdir": True} if is_of_this_machine(self.system) else None
        return FsspecStore.from_url(self.address, storage_options=options, read_only=not write)


def place_of(where: str | Path | Place, *, write: bool = False) -> Place:
    """Return a place by its path or address.

    Raises:
        UserError: the library for this kind of address is missing, or of ``write``, nothing can be written there.
    """
    if isinstance(where, Place):
        return where
    if isinstance(where, Path) or not is_remote(where):
        return Place(str(where), Path(where))
    address = where.rstrip("/")
    return Place(address, None, *(opened_to_write if write else opened)(address))


_LASTING = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip


def lasts(place: str, error: Exception) -> bool:
    """Return whether an error at an address of this machine comes again, whenever the command is rerun."""
    is_here = place.lower().startswith(("file:", "local:"))
    return is_here and isinstance(error, OSError) and error.errno in _LASTING


def unwritable(place: str, error: Exception) -> UserError:
    """Return the error of something elsewhere that cannot be written."""
    fault = f"{place}: cannot be written ({one_line(error, place)})"
    if lasts(place, error):
        return UserError(f"{fault}; choose another output, or mend the folder and its permissions")
    return StorageFault(f"{fault}; rerun the command to resume")
