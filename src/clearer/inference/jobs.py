"""Plan the output file and format of each input: a file, a folder, a folder tree or standard input."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from clearer.core.errors import UserError
from clearer.core.files import explained, is_no_file, paths_checked
from clearer.core.leftovers import remove_leftovers
from clearer.core.text import few
from clearer.data.folders import list_images
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.types import FORMATS, SUFFIXES, format_named, format_of_suffix
from clearer.inference.folder_files import VIDEO_SUFFIXES, LeftOut, files_inside, is_wanted, sub_folders_with_images
from clearer.inference.options import RestoreOptions
from clearer.inference.output_format import holds, output_name, written_format
from clearer.inference.output_names import OutputNames, choose_names

STREAM = "-"
"""Stands for standard input or output in place of a path."""

ZARR = ".zarr"
"""Suffix of a folder that is one image."""


class Job(NamedTuple):
    """A file to restore.

    Attributes:
        source: None is standard input.
        target: None is standard output.
        format: of the output, a key of `FORMATS`; "PNM" is PGM or PPM, by the channels; None is that of the input.
    """

    source: Path | None
    target: Path | None
    format: str | None

    @property
    def name(self) -> str:
        """The name in messages."""
        return "standard input" if self.source is None else str(self.source)

    @property
    def is_named(self) -> bool:
        """Whether the output has a name that the user gave, not that of the source, also with the suffix of PNG."""
        if self.source is None or self.target is None:
            return self.target is not None
        return self.target.name not in (self.source.name, f"{self.source.name}.png")

    @property
    def is_zarr(self) -> bool:
        """Whether it is a Zarr folder, which is one image."""
        return self.source is not None and is_zarr(self.source)

    @property
    def is_video(self) -> bool:
        """Whether the suffix is that of a video, or unknown where the output is one."""
        return self.source is not None and _is_video(self.source, self.target)


class Plan(NamedTuple):
    """The jobs of one call. In a folder, a job may fail without ending the others.

    ``unreadable``: folders inside that may not be read, a line each.
    ``names``: to be recorded before the first output is written; see `prepare_outputs`.
    """

    jobs: list[Job]
    is_folder: bool
    notes: list[str]
    names: OutputNames | None = None
    unreadable: tuple[str, ...] = ()


def prepare_outputs(plan: Plan) -> None:
    """Record the names of the outputs, and remove what killed processes left in their folders.

    Raises:
        UserError: the record cannot be written, or no output of a folder can be.
    """
    if plan.is_folder:
        _refuse_locked({job.target.parent for job in plan.jobs if job.target is not None and not job.target.exists()})
    if plan.names is not None:
        plan.names.save()
    for folder in {job.target.parent for job in plan.jobs if job.target is not None}:
        remove_leftovers(folder)


def _refuse_locked(folders: set[Path]) -> None:
    """Refuse folders of outputs before any work, if none of them can be written."""
    locked: list[tuple[Path, OSError]] = []
    for folder in folders:
        there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
        try:
            tempfile.TemporaryFile(dir=there).close()
        except OSError as error:
            locked.append((there, error))
        else:
            return
    if locked:
        raise explained(locked[0][1], locked[0][0])


def plan_jobs(source: str | Path, target: str | Path, options: RestoreOptions) -> Plan:
    """Plan the output of each file to restore.

    Args:
        source: an image, a video, a folder, or "-" for standard input.
        target: for a folder, a folder. For a file, a file, or a folder to put it in, which exists already or
            whose name has no suffix or ends in a slash; or "-" for standard output.
        options: ``format``, ``recursive`` and ``pattern``.

    Raises:
        UserError: the source does not exist or holds no image, or the target does not fit it.
    """
    with paths_checked():
        return _plan(source, target, options)


def _plan(source: str | Path, target: str | Path, options: RestoreOptions) -> Plan:
    format = None if options.format is None else format_named(options.format)
    if source != STREAM and Path(source).is_dir() and not is_zarr(source):
        if target == STREAM:
            raise UserError(f"{source}: a folder cannot go to standard output; name an output folder")
        place = Path(target)
        if not place.exists() and not _is_folder(target) and _is_of_a_file(place):
            raise UserError(
                f"{target}: would become a folder, as {source} is one; leave the suffix out, or end the name in a slash"
            )
        return _folder_plan(Path(source), place, format, options)
    if options.recursive or options.pattern is not None:
        raise UserError(f"{source}: --recursive and --pattern are for folders; leave them out or name a folder")
    return _single_plan(source, target, format, options)


def _single_plan(source: str | Path, target: str | Path, format: str | None, options: RestoreOptions) -> Plan:
    job = _single_job(source, target, format)
    if job.source is None or job.target is None or not _is_folder(target):
        return Plan([job], False, [])
    names = choose_names(
        job.target.parent, {job.source.name: job.target.name}, options.skip_existing, job.source.parent
    )
    job = job._replace(target=names.folder / names.chosen[job.source.name])
    return Plan([job], False, [], names if _worth_a_record(names, format) else None)


def _worth_a_record(names: OutputNames, format: str | None) -> bool:
    """Return whether an output may be taken for that of another source later."""
    return format is not None or any(source != output for source, output in names.chosen.items())


def _is_video(source: Path, target: Path | None) -> bool:
    if source.suffix.lower() in VIDEO_SUFFIXES:
        return True
    return target is not None and target.suffix.lower() in VIDEO_SUFFIXES and format_of_suffix(source) is None


def _single_job(source: str | Path, target: str | Path, format: str | None) -> Job:
    path = None if source == STREAM else Path(source)
    if path is not None and not path.exists():
        raise UserError(f"{path}: no such file or folder; check the path")
    if path is not None and is_no_file(path):
        raise UserError(f"{path}: a device or a pipe, not a file; pass what it holds to standard input (-)")
    is_video = path is not None and _is_video(path, None if target == STREAM else Path(target))
    if target == STREAM:
        if path is not None and is_zarr(path):
            raise UserError(f"{path}: OME-Zarr cannot go to standard output; name an output that ends in {ZARR}")
        if is_video:
            raise UserError(f"{path}: a video cannot go to standard output; name an output file")
        return Job(path, None, format)
    place = _file_for(path, target, format)
    if path is not None and is_zarr(path):
        return _zarr_job(path, place, format)
    if is_video:
        if format is not None:
            raise UserError(f"{path}: --format is for images; leave it out, the suffix of the output name decides")
        if place.suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(f"{place}: cannot hold a video; end the name in {', '.join(VIDEO_SUFFIXES)}")
        return Job(path, place, None)
    own = "PNM" if place.suffix.lower() == ".pnm" else format_of_suffix(place)
    if format is None and path is not None and _is_folder(target) and holds(place.suffix, written_format(path)):
        own = written_format(path)
    if own is None:
        suffixes = ", ".join(f.suffixes[0] for f in FORMATS.values())
        raise UserError(f"{place}: cannot be written as {place.suffix!r}; end the name in {suffixes}")
    if format is not None and own not in (format, "PNM"):
        raise UserError(f"{place}: the name says {own} and --format says {format}; make them agree")
    return Job(path, place, format or own)


def _zarr_job(source: Path, place: Path, format: str | None) -> Job:
    if format is not None or place.suffix.lower() != ZARR:
        what = f"--format {format}" if format is not None else str(place)
        raise UserError(f"{what}: {source} is restored to OME-Zarr only; end the output name in {ZARR}")
    return Job(source, place, None)


def _file_for(source: Path | None, target: str | Path, format: str | None) -> Path:
    """Return the output file; inside ``target`` if that is, or looks like, a folder."""
    place = Path(target)
    if _is_folder(target):
        if source is None:
            raise UserError(
                f"{place}: a folder, where standard input needs an output file; name one, such as {place / 'out.png'}"
            )
        place = place / output_name(source, format)
    if source is not None and place.exists() and place.samefile(source):
        raise UserError(f"{place}: is the source file itself; choose another output")
    return place


def _is_folder(target: str | Path) -> bool:
    """Return whether an output is, or looks like, a folder of files; that of a Zarr image is none."""
    if is_zarr(target):
        return False
    return Path(target).is_dir() or not Path(target).suffix or str(target).endswith(("/", os.sep))


def _is_of_a_file(target: Path) -> bool:
    """Return whether a name has the suffix of an image or a video."""
    return format_of_suffix(target) is not None or target.suffix.lower() in VIDEO_SUFFIXES


def _folder_plan(source: Path, target: Path, format: str | None, options: RestoreOptions) -> Plan:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: a file, where a folder for the restored images is needed; choose another output")
    if target.exists() and target.samefile(source):
        raise UserError(f"{target}: is the source folder itself; choose another output folder")
    unreadable: list[str] = []
    found = sorted(
        files_inside(source, target, options.recursive, unreadable),
        key=lambda path: path.relative_to(source).as_posix(),
    )
    sources = [path for path in found if is_wanted(path, source, options.pattern)]
    below_it = [] if options.recursive else sub_folders_with_images(source, target)
    if not sources and not options.recursive and options.pattern is None:
        if below_it:
            inside = few(below_it)
            raise UserError(
                f"{source}: no images directly in this folder; --recursive takes its sub-folders ({inside})"
            )
        list_images(source)  # says why there are none
    if not sources and unreadable:
        raise UserError(unreadable[0])
    if not sources:
        which = f"that match {options.pattern}" if options.pattern else f"of {', '.join(SUFFIXES)}"
        raise UserError(f"{source}: no images {which} in this folder; check --pattern and --recursive")
    below = {path.relative_to(source).as_posix(): path for path in sources}
    wanted = {name: PurePosixPath(name).with_name(output_name(path, format)).as_posix() for name, path in below.items()}
    names = choose_names(target, wanted, options.skip_existing, source)
    jobs = [Job(path, target / names.chosen[name], format) for name, path in below.items()]
    _refuse_sources(jobs)
    left_out = LeftOut()
    for path in [] if options.pattern is not None else set(found) - set(sources):
        left_out.add(path.name)
    notes = [*names.notes, *left_out.notes(str(source))]
    if below_it:
        notes.append(f"{source}: sub-folders with images not restored ({few(below_it)}); --recursive takes them, too")
    return Plan(jobs, True, notes, names if _worth_a_record(names, format) else None, tuple(unreadable))


def folder_outputs(paths: list[Path], target: Path, options: RestoreOptions) -> Iterator[tuple[Path, Path]]:
    """Yield the files of one folder, each with its output in ``target``; names that change are recorded there."""
    format = None if options.format is None else format_named(options.format)
    wanted = {path.name: output_name(path, format) for path in paths}
    names = choose_names(target, wanted, options.skip_existing, paths[0].parent if paths else None)
    if _worth_a_record(names, format):
        names.save()
    yield from ((path, target / names.chosen[path.name]) for path in paths)


def listed_job(source: Path, target: Path, options: RestoreOptions, naming: str) -> Job:
    """Return the job of a file on a list.

    Args:
        source: the file.
        target: its output.
        options: ``format``.
        naming: "named": the user named the output, whose suffix says the format; "planned" or "content": the format
            is that of ``options`` or of the content; with the latter, a suffix that does not fit it gets one that does,
            and with "rival" it is refused.

    Raises:
        UserError: the source does not exist, or the output does not fit it.
    """
    format = None if options.format is None else format_named(options.format)
    with paths_checked():
        if naming == "named":
            if target.is_dir() and not is_zarr(source):
                raise UserError(f"{target}: a folder, where an output file is needed; name the file")
            if not target.suffix:
                raise UserError(f"{target}: has no suffix that says its format; end the name in one, such as .png")
            return _single_job(source, target, format)
        if not source.exists():
            raise UserError(f"{source}: no such file; check the path")
        if source.is_dir() and not is_zarr(source):
            raise UserError(f"{source}: a folder, where a file is needed; list the files in it")
        if is_no_file(source):
            raise UserError(f"{source}: a device or a pipe, not a file; leave it out")
        if format is None and naming in ("content", "rival"):
            added = output_name(source, None).removeprefix(source.name)
            if added and naming == "rival":
                raise UserError(
                    f"{source}: its content does not fit its suffix, and {target.name}{added} may be the output of "
                    "another file; rename it, or name its output in a list"
                )
            target = target.with_name(f"{target.name}{added}")
        if target.exists() and target.samefile(source):
            raise UserError(f"{target}: is the source file itself; choose another output")
        return Job(source, target, format)


def _refuse_sources(jobs: list[Job]) -> None:
    """Refuse outputs that are sources by way of links: they would be overwritten."""
    sources = {os.path.realpath(job.source) for job in jobs if job.source is not None}
    for job in jobs:
        if job.target is not None and os.path.realpath(job.target) in sources:
            raise UserError(f"{job.target}: is one of the source files, through a link; choose another output folder")
