"""The files of a folder that are to be restored, a folder after the other, and those that are left out."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from clearer.core.errors import UserError
from clearer.data.folders import counted_kinds, is_other_image
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import SUFFIXES
from clearer.inference.options import RestoreOptions

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".mk3d", ".webm", ".avi", ".divx", ".ts", ".mts", ".m2ts", ".m2t", ".mpg",
    ".mpeg", ".m1v", ".m2v", ".vob", ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".mxf", ".gxf", ".nut",
    ".dv", ".y4m", ".h264", ".264", ".hevc", ".h265", ".265", ".ivf", ".obu", ".mjpeg", ".swf", ".rm",
)  # fmt: skip


class LeftOut:
    """Counts the files of a folder that are not restored."""

    def __init__(self) -> None:
        self._videos = 0
        self._kinds: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count a file by its name."""
        suffix = Path(name).suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            self._videos += 1
        else:
            self._kinds[suffix] += 1

    def notes(self, source: str) -> list[str]:
        """Return a note on the videos, which only a pattern or their path asks for, and one on what else is no image
        that can be read.
        """
        notes, rest = [], self._kinds.total()
        if self._videos:
            notes.append(
                f"{source}: {self._videos} video(s) not restored; name each, or select them with --pattern '*.mp4'"
            )
        if rest:
            which = counted_kinds(self._kinds)
            notes.append(f"{source}: {rest} file(s) not restored, which are no images that can be read: {which}")
        return notes


def folder_sources(
    source: Path, target: Path | None, options: RestoreOptions, unreadable: list[str], left_out: LeftOut
) -> Iterator[Path]:
    """Yield what `clearer.inference.jobs.plan_jobs` takes from a folder, without holding it all.

    Folders that may not be read get a line in ``unreadable``. ``target`` is None if it is elsewhere.

    Raises:
        UserError: the target is the source.
    """
    if target is not None and target.exists() and target.samefile(source):
        raise UserError(f"{target}: is the source folder itself; choose another output folder")
    for path in files_inside(source, target, options.recursive, unreadable):
        if is_wanted(path, source, options.pattern):
            yield path
        elif options.pattern is None:
            left_out.add(path.name)


def sub_folders_with_images(source: Path, target: Path | None) -> list[str]:
    """Return the names of the folders directly in ``source`` that hold images themselves, but for the target's.

    ``target`` is None if it is elsewhere.
    """
    try:
        folders = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:  # the reader of the files says why
        return []
    found = []
    for folder in folders:
        if is_zarr(folder) or (target is not None and target.exists() and folder.samefile(target)):
            continue
        with contextlib.suppress(OSError):  # one that may not be read is not looked into
            if any(path.suffix.lower() in SUFFIXES and path.name[0] != "." for path in folder.iterdir()):
                found.append(folder.name)
    return found


def is_wanted(path: Path, source: Path, pattern: str | None) -> bool:
    """Return whether a file of a folder is to be restored: an image, or one that the pattern names."""
    if pattern is None:
        return path.suffix.lower() in SUFFIXES or is_zarr(path) or is_other_image(path)
    return fnmatch.fnmatch(path.relative_to(source).as_posix() if "/" in pattern else path.name, pattern)


def files_inside(source: Path, target: Path | None, recursive: bool, unreadable: list[str]) -> Iterator[Path]:
    """Yield the files of a folder, also behind links to folders, but none twice on the way down.

    Folders that may not be read get a line in ``unreadable``.
    """

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")

    output = (
        None if target is None else target.resolve()
    )  # may lie inside the source; its images must not be restored again
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
