"""The files of a folder that are to be restored, a folder after the other."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.folders import is_other_image
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import SUFFIXES
from clearer.inference.options import RestoreOptions


def folder_sources(source: Path, target: Path, options: RestoreOptions, unreadable: list[str]) -> Iterator[Path]:
    """Yield what `clearer.inference.jobs.plan_jobs` takes from a folder, without holding it all.

    Folders that may not be read get a line in ``unreadable``.

    Raises:
        UserError: the target is the source.
    """
    if target.exists() and target.samefile(source):
        raise UserError(f"{target}: is the source folder itself; choose another output folder")
    for path in files_inside(source, target, options.recursive, unreadable):
        if is_wanted(path, source, options.pattern):
            yield path


def is_wanted(path: Path, source: Path, pattern: str | None) -> bool:
    """Return whether a file of a folder is to be restored: an image, or one that the pattern names."""
    if pattern is None:
        return path.suffix.lower() in SUFFIXES or is_zarr(path) or is_other_image(path)
    return fnmatch.fnmatch(path.relative_to(source).as_posix() if "/" in pattern else path.name, pattern)


def files_inside(source: Path, target: Path, recursive: bool, unreadable: list[str]) -> Iterator[Path]:
    """Yield the files of a folder, also behind links to folders, but none twice on the way down.

    Folders that may not be read get a line in ``unreadable``.
    """

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")

    output = target.resolve()  # may lie inside the source; its images must not be restored again
    real = {source: source.resolve()}
    for folder, below, names in os.walk(source, onerror=note, followlinks=True):
        here = Path(folder)
        above = {real[one] for one in (here, *here.parents) if one in real}
        images = [name for name in sorted(below) if not name.startswith(".") and is_zarr(here / name)]
        below[:] = [name for name in below if name not in images]
        yield from (here / name for name in images)
        kept = {name: (here / name).resolve() for name in sorted(below) if recursive and not name.startswith(".")}
        below[:] = [name for name, place in kept.items() if place != output and place not in above]
        real |= {here / name: place for name, place in kept.items()}
        yield from (here / name for name in sorted(names) if not name.startswith("."))
