"""A folder that takes long to write: hidden until it is complete, and kept for the next process if this one is killed.

Beside the folder FOLDER stands ``.FOLDER.clearer-part`` while it is written. It holds the content so far (`WHOLE`), the
claim of the process at work, and whatever that one notes for the next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from clearer.core.addresses import StorageFault
from clearer.core.claims import claim
from clearer.core.errors import UserError
from clearer.core.files import explained, through_link
from clearer.core.leftovers import held_folder, remove_leftovers

WHOLE = "whole"
"""The content, in the folder that `unfinished_folder` yields."""
_CLAIM = "claim"


def part_of(path: Path) -> Path:
    """Return the hidden folder in which a folder is written."""
    return path.parent / f".{path.name}.clearer-part"


@contextlib.contextmanager
def unfinished_folder(path: str | Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``path``; on a clean exit, its `WHOLE` becomes ``path``.

    Until then, ``path`` stays as it was; then a former folder is replaced. An error removes the hidden folder. It
    stays if the process is killed or interrupted (any exception that is no `Exception`), or if storage elsewhere fails
    (`StorageFault`), or if the folder cannot be put in place at the end, and the next call for the same ``path`` yields
    it as it is. Missing folders are created. If ``path`` is a link, the folder that it points to is written.

    Raises:
        UserError: another process is at it, the disk is full, or the folder cannot be written.
    """
    path = through_link(Path(path))
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path.parent)
        claimed = claim(part / _CLAIM)
        if claimed is None:
            raise UserError(f"{path}: another process is writing it; wait for its end, or choose another output")
        with claimed:
            try:
                (part / WHOLE).mkdir(exist_ok=True)
                yield part
            except StorageFault:
                raise
            except Exception:
                shutil.rmtree(part, ignore_errors=True)
                raise
            try:
                _replace(part / WHOLE, path)
            except OSError as error:
                kept = f"the work is kept in {part}; mend the folder and rerun the command to resume"
                raise UserError(f"{path}: cannot be put in place ({error.strerror or error}); {kept}") from error
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        place = str(error.filename or part)
        if not (place.startswith((str(part), str(path))) or Path(place) in path.parents):
            raise
        raise explained(error, path) from error
    finally:
        # On systems where an open file cannot be removed, the folder has outlived its content.
        with contextlib.suppress(OSError):
            part.rmdir()


def _replace(new: Path, path: Path) -> None:
    """Rename a folder to another one's path, and remove that one."""
    if not path.is_dir():
        new.replace(path)
        return
    former, descriptor = held_folder(path.parent.resolve(), "former")
    try:
        path.replace(former)
        try:
            new.replace(path)
        except OSError:
            former.replace(path)
            raise
        shutil.rmtree(former, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):
            former.rmdir()  # if it is empty: what could not be put back must not be lost
        if descriptor:
            os.close(descriptor)
