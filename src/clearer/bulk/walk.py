"""Take the files to restore from a folder, a folder at a time, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from clearer.bulk.locations import files_below, joined, name_of
from clearer.bulk.manifest import Entry
from clearer.core.addresses import are_same, is_remote
from clearer.core.errors import UserError
from clearer.data.folders import is_other_image
from clearer.images.types import SUFFIXES
from clearer.inference.folder_files import folder_sources
from clearer.inference.jobs import ZARR, folder_outputs, output_name
from clearer.inference.options import RestoreOptions


def walked(
    source: str, out: str, options: RestoreOptions, suffix: str | None, unreadable: list[str]
) -> Iterator[Entry]:
    """Yield the images of a folder, each with an output of the same name below another folder.

    Names are those of `clearer.inference.jobs.plan_jobs`, chosen a folder at a time.

    Args:
        source: the folder.
        out: the folder of the outputs, or an address.
        options: ``recursive``, ``pattern``, ``format`` and ``skip_existing``.
        suffix: of ``format``.
        unreadable: gets a line for each folder that cannot be read.
    """
    root = Path(source)
    if are_same(source, out):
        raise UserError(f"{out}: is the source folder itself; choose another output folder")
    for folder, paths in groupby(folder_sources(root, Path(out), options, unreadable), key=lambda path: path.parent):
        below = folder.relative_to(root)
        if is_remote(out):  # no record of names can be kept there: an appended suffix keeps them apart
            for path in paths:
                name = path.name if suffix in (None, path.suffix.lower()) else f"{path.name}{suffix}"
                yield named_by_content(Entry(str(path), joined(out, (below / name).as_posix()), "content"), suffix)
        else:
            for path, output in folder_outputs(list(paths), Path(out) / below, options):
                yield Entry(str(path), str(output), "planned")


def walked_elsewhere(source: str, out: str, options: RestoreOptions, suffix: str | None) -> Iterator[Entry]:
    """Yield the images of a folder elsewhere (``s3://bucket/photos``); see `walked`."""
    from fnmatch import fnmatch

    if are_same(source, out):
        raise UserError(f"{out}: is the source folder itself; choose another output folder")
    start: str | None = None
    for address in files_below(source):
        # The address that a storage gives may spell the folder otherwise than the user did.
        start = start or _folder_part(address, source)
        below = address[len(start) :].lstrip("/")
        name = name_of(address)
        if name.startswith(".") or ("/" in below and not options.recursive):
            continue
        if options.pattern is not None:
            if not fnmatch(below if "/" in options.pattern else name, options.pattern):
                continue
        elif Path(name).suffix.lower() not in (*SUFFIXES, ZARR) and not is_other_image(Path(name)):
            continue
        changed = suffix is not None and Path(name).suffix.lower() != suffix
        yield Entry(address, joined(out, f"{below}{suffix}" if changed else below), "content")


def named_by_content(entry: Entry, suffix: str | None) -> Entry:
    """Return an entry with the suffix that its content calls for, unless it is elsewhere or ``suffix`` is stated.

    Named later, its output could turn out to be that of another file.
    """
    if entry.naming != "content" or suffix is not None or is_remote(entry.input):
        return entry
    own = Path(entry.input).name
    added = output_name(Path(entry.input), None).removeprefix(own)
    return entry._replace(output=entry.output + added, naming="planned")


def _folder_part(address: str, source: str) -> str:
    """Return the part of an address that the folder has, by the end of the folder's name."""
    end = source.partition("://")[2].strip("/")
    place = address.find(end)
    if place < 0:
        raise UserError(f"{source}: holds {address}, which is not below it; name the folder as its storage does")
    return address[: place + len(end)]
