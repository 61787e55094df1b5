"""Take the files to restore from a folder, a folder at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from clearer.bulk.listing import files_below
from clearer.bulk.locations import joined, name_of
from clearer.bulk.manifest import Entry
from clearer.core.addresses import are_same, is_remote, local_path
from clearer.core.errors import UserError
from clearer.core.text import few
from clearer.data.folders import OTHER_KINDS
from clearer.images.types import SUFFIXES
from clearer.inference.folder_files import LeftOut, folder_sources, sub_folders_with_images
from clearer.inference.jobs import ZARR, folder_outputs
from clearer.inference.options import RestoreOptions
from clearer.inference.output_format import output_name


class Faults:
    """What a folder holds that is not restored.

    Attributes:
        unreadable: a line for each folder that cannot be listed, and each file that cannot be taken; these failed.
        left_out: the files that are no images.
        sub_folders: names of those that are left out without ``--recursive``.
        are_with_images: whether these were looked into, and hold images.
        pattern: by which files were chosen; None if all images were.
    """

    def __init__(self) -> None:
        self.unreadable: list[str] = []
        self.left_out = LeftOut()
        self.sub_folders: list[str] = []
        self.are_with_images = True
        self.pattern: str | None = None

    def notes(self, source: str) -> list[str]:
        """Return notes on what is left out, a line each."""
        notes = self.left_out.notes(source)
        if self.sub_folders:
            what = "with images not restored" if self.are_with_images else "not looked into"
            notes.append(f"{source}: sub-folders {what} ({few(self.sub_folders)}); --recursive takes them, too")
        return notes

    def nothing(self, source: str) -> str:
        """Return why nothing is to be restored."""
        if self.pattern is not None:  # there may be images, which it leaves out
            return f"{source}: no images that match {self.pattern} in this folder; check --pattern and --recursive"
        if self.sub_folders:
            inside = few(self.sub_folders)
            return f"{source}: no images directly in this folder; --recursive takes its sub-folders ({inside})"
        return f"{source}: no images to restore; check the list, or --pattern and --recursive"


def walked(source: str, out: str, options: RestoreOptions, suffix: str | None, faults: Faults) -> Iterator[Entry]:
    """Yield the images of a folder, each with an output of the same name below another folder.

    Names are those of `clearer.inference.jobs.plan_jobs`, chosen a folder at a time.

    Args:
        source: the folder.
        out: the folder of the outputs, or an address.
        options: ``recursive``, ``pattern``, ``format`` and ``skip_existing``.
        suffix: of ``format``.
        faults: gets what is not restored.

    Raises:
        UserError: ``out`` is ``source``.
    """
    root = Path(source)
    _refuse_same(source, out)
    faults.pattern = options.pattern
    if not options.recursive:
        faults.sub_folders = sub_folders_with_images(root, local_path(out))
    paths_inside = folder_sources(root, local_path(out), options, faults.unreadable, faults.left_out)
    for folder, paths in groupby(paths_inside, key=lambda path: path.parent):
        below = folder.relative_to(root)
        if is_remote(out):  # no record of names can be kept there: an appended suffix keeps them apart
            for path in paths:
                name = path.name if suffix in (None, path.suffix.lower()) else f"{path.name}{suffix}"
                yield named_by_content(Entry(str(path), joined(out, (below / name).as_posix()), "content"), suffix)
        else:
            for path, output in folder_outputs(list(paths), Path(out) / below, options):
                yield Entry(str(path), str(output), "planned")


def walked_elsewhere(
    source: str, out: str, options: RestoreOptions, suffix: str | None, faults: Faults
) -> Iterator[Entry]:
    """Yield the images of a folder elsewhere (``s3://bucket/photos``), by their names alone; see `walked`."""
    _refuse_same(source, out)
    faults.are_with_images, faults.pattern = False, options.pattern
    for file in files_below(source, out, options.recursive, faults.unreadable, faults.sub_folders):
        name = name_of(file.address)
        if not file.is_regular:
            faults.left_out.add(name)
            continue
        if options.pattern is not None:
            if not fnmatch(file.below if "/" in options.pattern else name, options.pattern):
                continue
        elif Path(name).suffix.lower() not in (*SUFFIXES, *OTHER_KINDS, ZARR):
            faults.left_out.add(name)
            continue
        changed = suffix is not None and Path(name).suffix.lower() != suffix
        yield Entry(
            file.address, joined(out, f"{file.below}{suffix}" if changed else file.below), "content", file.version
        )


def _refuse_same(source: str, out: str) -> None:
    if are_same(source, out):
        raise UserError(f"{out}: is the source folder itself; choose another output folder")


def named_by_content(entry: Entry, suffix: str | None) -> Entry:
    """Return an entry with the suffix that its content calls for, unless it is elsewhere or ``suffix`` is stated.

    Named later, its output could turn out to be that of another file.
    """
    if entry.naming != "content" or suffix is not None or is_remote(entry.input):
        return entry
    own = Path(entry.input).name
    added = output_name(Path(entry.input), None).removeprefix(own)
    return entry._replace(output=entry.output + added, naming="planned")
