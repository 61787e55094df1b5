"""Restoring image files, folders of them, standard input, and videos."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from clearer.core.errors import UserError
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.convert import check_pages, depth_for, fitted
from clearer.images.io import read_file, to_bytes, write_file
from clearer.images.types import GRAY, ImageFile, UnitPixels, format_of_suffix
from clearer.inference.color import How, Run, restore_file, seen_as
from clearer.inference.jobs import Job, planned, videos_passed_over
from clearer.inference.large_tiff import is_large, restore_large
from clearer.inference.restorer import Restorer
from clearer.inference.tiling import Overlap, Tiling

Progress = Callable[[int, int], None]


@dataclass
class Outcome:
    """What became of the files of a call: paths that were written or skipped, faults and notes by line."""

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Output:
    """How files are written: see `data.image_file` and `data.image_fitting`."""

    format: str | None = None
    depth: str | None = None
    quality: int | None = None
    skip_existing: bool = False

    @property
    def as_it_came(self) -> bool:
        """Whether nothing about the file is to change."""
        return self.depth is None and self.quality is None


@dataclass(frozen=True)
class Tiles:
    """Side and overlap of tiles, as of `Restorer.restore`.

    TIFF files of 32 million pixels and more that become TIFF files as they came are restored by rows
    (`large.restore_large`), unless the side is "none".
    """

    side: Tiling = "auto"
    overlap: Overlap = "auto"


def restore_path(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    ensemble: bool = False,
    progress: Progress | None = None,
    *,
    tiles: Tiles | None = None,
    how: How | None = None,
    output: Output | None = None,
    recursive: bool = False,
    pattern: str | None = None,
) -> Outcome:
    """Restore a file to a file, or the images of a folder to a folder.

    Depth, alpha, profile, EXIF, resolution, pages and kind of file come back as they were, unless
    ``output`` says otherwise; a palette becomes RGB. While the network works on one file, the next is
    read and the last is written.

    Args:
        restorer: what restores.
        source: an image file, a folder, a video, or "-" for standard input.
        target: see `planned`. Folders are made if missing. Each file of a folder keeps its name, if
            its suffix is that of its content; else the right suffix is added.
        ensemble: use the x8 self-ensemble.
        progress: called with (files done, files in all) after each; for a video, with frames, and for one
            file that is restored by rows, with rows.
        tiles: see there.
        how: what the network works on, and how much of it is taken.
        output: format, depth, quality, and whether files that exist are left as they are.
        recursive: see `planned`.
        pattern: see `planned`.

    Raises:
        UserError: the source is not there, the target does not suit it, or the one file that is asked
            for cannot be restored. In a folder, a file that cannot is told of in the outcome.
    """
    how, output, tiles = how or How(), output or Output(), tiles or Tiles()
    channels = restorer.architecture.channels
    jobs, many = planned(source, target, output.format, recursive, pattern)
    outcome = Outcome()
    passed = videos_passed_over(source, recursive) if many and pattern is None else 0
    if passed:
        outcome.notes.append(f"{source}: {passed} video(s) left out; name each, or take them with --pattern '*.mp4'")
    lock = threading.Lock()

    def converged(job: Job, error: UserError | None = None) -> None:
        with lock:
            if error is not None:
                if not many:
                    raise error
                outcome.failed.append((job.name, str(error)))
            elif job.target is not None:
                outcome.written.append(job.target)
            done = len(outcome.written) + len(outcome.failed) + len(outcome.skipped)
            if progress is not None and not job.is_video and not (len(jobs) == 1 and by_rows(job)):
                progress(done, len(jobs))

    def write(item: tuple[Job, ImageFile]) -> None:
        try:
            _write(*item, output)
        except UserError as error:
            converged(item[0], error)
        else:
            converged(item[0])

    def run(x: UnitPixels) -> UnitPixels:
        return restorer.restore(x, ensemble, tiles.side, tiles.overlap)

    def by_rows(job: Job) -> bool:
        whole = job.source is None or job.target is None or tiles.side == "none" or not output.as_it_came
        to_tiff = job.target is not None and format_of_suffix(job.target) == "TIFF" and job.format in (None, "TIFF")
        return not whole and to_tiff and how.span == (0.0, 1.0) and is_large(str(job.source))

    if output.skip_existing:
        outcome.skipped = [job.target for job in jobs if job.target is not None and job.target.exists()]
        jobs_left = [job for job in jobs if job.target is None or not job.target.exists()]
    else:
        jobs_left = jobs
    with one_behind(write) as put:
        for job, image in one_ahead(_read_each(jobs_left, by_rows)):
            try:
                if job.is_video:
                    from clearer.inference.video import restore_video

                    assert job.source is not None and job.target is not None
                    if output.depth is not None:
                        raise UserError(f"{job.name}: --depth is for images; leave it out for a video")
                    restore_video(job.source, job.target, run, channels, how, output.quality, progress)
                    converged(job)
                    continue
                if isinstance(image, UserError):
                    raise image
                if image is None:
                    assert job.source is not None and job.target is not None
                    see = partial(seen_as, channels=channels, how=how)
                    rows = progress if len(jobs) == 1 else None
                    how_seen = (ensemble, tiles.side, tiles.overlap)
                    restore_large(restorer, job.source, job.target, *how_seen, see=see, progress=rows)
                    converged(job)
                    continue
                done = _restored(job, image, run, channels, how, output.depth)
            except UserError as error:
                converged(job, error)
                continue
            outcome.notes += [f"{job.name}: {note}" for note in done.notes]
            put((job, done))
    return outcome


def _read_each(
    jobs: list[Job], by_rows: Callable[[Job], bool]
) -> Iterator[tuple[Job, ImageFile | UserError | None]]:
    """Read one file after the other; None stands for one that is not to be read whole."""
    for job in jobs:
        try:
            if job.is_video:
                yield job, ImageFile("", ())
            elif by_rows(job):
                yield job, None
            elif job.source is None:
                yield job, read_file(sys.stdin.buffer.read(), job.name)
            else:
                yield job, read_file(job.source)
        except UserError as error:
            yield job, error


def _restored(job: Job, image: ImageFile, run: Run, channels: int, how: How, depth: str | None) -> ImageFile:
    """Return the file to be written, in its format."""
    try:
        format = job.format or image.format
        if format == "PNM":
            format = "PGM" if image.pages[0].color.shape[2] == GRAY else "PPM"
        check_pages(image, format)  # before the work is done
        for page in image.pages:
            depth_for(page, format, depth)
        return fitted(restore_file(image, run, channels, how, format, depth), format)
    except UserError as error:  # it cannot know the file's name
        raise UserError(f"{job.name}: {str(error).removeprefix('image: ')}") from error
    except MemoryError:
        raise UserError(f"{job.name}: needs more memory than there is; cut it into smaller files") from None


def _write(job: Job, image: ImageFile, output: Output) -> None:
    if job.target is not None:
        write_file(job.target, image, output.quality)
        return
    data = to_bytes(image, output.quality)
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try to write the rest once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UserError(f"standard output: cannot be written ({error.strerror or error}); free some space") from error
