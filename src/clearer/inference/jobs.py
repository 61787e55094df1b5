"""Which file goes where: a file, a folder, a tree, standard input; and in what format it is written."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clearer.core.errors import UserError
from clearer.data.folders import list_images
from clearer.images.types import FORMATS, SUFFIXES, format_named, format_of_bytes, format_of_suffix

STREAM = "-"
"""Standard input or output, where a path is named."""

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg")


class Job(NamedTuple):
    """A file to restore. ``source`` None: standard input; ``target`` None: standard output.

    ``format`` is that of the output as in `FORMATS`, "PNM" (gray or color), or None: that of the input.
    """

    source: Path | None
    target: Path | None
    format: str | None

    @property
    def name(self) -> str:
        return "standard input" if self.source is None else str(self.source)

    @property
    def is_video(self) -> bool:
        return self.source is not None and self.source.suffix.lower() in VIDEO_SUFFIXES


def planned(
    source: str | Path,
    target: str | Path,
    format: str | None = None,
    recursive: bool = False,
    pattern: str | None = None,
) -> tuple[list[Job], bool]:
    """Return what is to be done, and whether it is a folder of files, one of which may fail for itself.

    Args:
        source: an image, a video, a folder, or "-" for standard input.
        target: for a folder, a folder; for a file, a file, or a folder (one that exists, or a name
            without a suffix or with a slash at its end) to put it in; or "-" for standard output.
        format: of all outputs.
        recursive: go into sub-folders, which are made again below the target.
        pattern: take the files of a folder that match, whatever their suffix: ``*.png``, or with a
            slash ``day?/*.png``, matched against the path below the folder. Without it, videos are left out.

    Raises:
        UserError: the source is not there or holds no image, or the target does not suit it.
    """
    named = None if format is None else format_named(format)
    if source != STREAM and Path(source).is_dir():
        if target == STREAM:
            raise UserError(f"{source}: a folder cannot go to standard output; name a folder for the output")
        return _folder_jobs(Path(source), Path(target), named, recursive, pattern), True
    if recursive or pattern is not None:
        raise UserError(f"{source}: --recursive and --pattern are for folders; leave them out or name a folder")
    return [_single(source, target, named)], False


def _single(source: str | Path, target: str | Path, named: str | None) -> Job:
    path = None if source == STREAM else Path(source)
    if path is not None and not path.exists():
        raise UserError(f"{path}: no such file or folder; check the path")
    if target == STREAM:
        if path is not None and path.suffix.lower() in VIDEO_SUFFIXES:
            raise UserError(f"{path}: a video cannot go to standard output; name a file for it")
        return Job(path, None, named)
    place = Path(target)
    if place.is_dir() or not place.suffix or str(target).endswith(("/", os.sep)):
        if path is None:
            raise UserError(f"{place}: name a file for what comes from standard input, such as {place / 'out.png'}")
        place = place / _name_of(path, named)
    if path is not None and place.exists() and place.samefile(path):
        raise UserError(f"{place}: is the source file itself; choose another place for the output")
    if path is not None and path.suffix.lower() in VIDEO_SUFFIXES:
        if named is not None:
            raise UserError(f"{path}: --format is for images; leave it out and name the output by its suffix")
        if place.suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(f"{place}: cannot hold a video; end the name in {', '.join(VIDEO_SUFFIXES)}")
        return Job(path, place, None)
    own = "PNM" if place.suffix.lower() == ".pnm" else format_of_suffix(place)
    if own is None:
        suffixes = ", ".join(f.suffixes[0] for f in FORMATS.values())
        raise UserError(f"{place}: cannot be written as {place.suffix!r}; end the name in {suffixes}")
    if named is not None and own not in (named, "PNM"):
        raise UserError(f"{place}: the name says {own} and --format says {named}; let them agree")
    return Job(path, place, named or own)


def _folder_jobs(
    source: Path, target: Path, named: str | None, recursive: bool, pattern: str | None
) -> list[Job]:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: a file, where a folder for the restored images is needed; choose another")
    if target.exists() and target.samefile(source):
        raise UserError(f"{target}: is the source folder itself; choose another folder for the output")
    if recursive or pattern is not None:
        sources = sorted(_inside(source, target, recursive, pattern), key=lambda p: p.relative_to(source).as_posix())
        if not sources:
            wanted = f"that match {pattern}" if pattern else f"of {', '.join(SUFFIXES)}"
            raise UserError(f"{source}: no images {wanted} in this folder; check --pattern and --recursive")
    else:
        sources = list_images(source)
    jobs: list[Job] = []
    taken: set[Path] = set()
    for path in sources:
        below = target / path.parent.relative_to(source)
        place = below / _name_of(path, named)
        if place in taken:  # a.tif and a.bmp, both to PNG: the old suffix tells them apart
            place = below / f"{path.name}{place.suffix}"
        taken.add(place)
        jobs.append(Job(path, place, named))
    return jobs


def videos_passed_over(source: str | Path, recursive: bool) -> int:
    """Return how many videos a folder holds, which are restored only if a pattern or their name asks for them."""
    found = Path(source).rglob("*") if recursive else Path(source).iterdir()
    return sum(path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") for path in found)


def _inside(source: Path, target: Path, recursive: bool, pattern: str | None) -> Iterator[Path]:
    output = target.resolve()  # it may lie inside the source, and is not to be restored again
    for folder, below, names in os.walk(source):
        here = Path(folder)
        below[:] = sorted(
            n for n in below if recursive and not n.startswith(".") and (here / n).resolve() != output
        )
        for name in names:
            path = here / name
            if name.startswith("."):
                continue
            if pattern is None:
                wanted = path.suffix.lower() in SUFFIXES
            else:
                wanted = fnmatch.fnmatch(path.relative_to(source).as_posix() if "/" in pattern else name, pattern)
            if wanted:
                yield path


def _name_of(path: Path, named: str | None) -> str:
    """Return the name of the output: the old one, if its suffix is that of what will be in the file."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return path.name
    own = format_of_suffix(path)
    if named is not None:
        return path.name if own == named else f"{path.stem}{FORMATS[named].suffixes[0]}"
    try:
        with path.open("rb") as file:
            found = format_of_bytes(file.read(16))
    except OSError:  # reading it will say what is wrong
        found = None
    both_netpbm = found in ("PGM", "PPM") and own in ("PGM", "PPM")  # gray in .ppm is common
    if own is not None and (found in (None, own) or both_netpbm):
        return path.name
    # The old suffix stays in the name, so that no other file of the folder is met.
    return f"{path.name}{FORMATS[found or 'PNG'].suffixes[0]}"
