"""Restore image files, folders of them, standard input, and videos."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from clearer.core.errors import UserError
from clearer.core.prefetch import one_ahead, one_behind
from clearer.images.convert import check_pages, depth_for
from clearer.images.io import not_kept, read_file, to_bytes, write_file
from clearer.images.nodata import filled
from clearer.images.pixels import WHOLE, depth_of
from clearer.images.tensors import batch_view
from clearer.images.types import FORMATS, GRAY, ImageFile, UnitPixels, format_of_suffix
from clearer.inference.batches import Passes, restore_unit
from clearer.inference.before_after import check_one_image, write_before_after
from clearer.inference.color import restore_file, training_levels_note
from clearer.inference.fit_check import FitCheck
from clearer.inference.jobs import Job, Plan, plan_jobs, prepare_outputs
from clearer.inference.large_tiff import is_large, restore_large
from clearer.inference.large_zarr import restore_zarr
from clearer.inference.noise_level import ImageLevels, check_takes_level
from clearer.inference.options import RestoreOptions
from clearer.inference.outcome import Failure, FileOutcome, Outcome
from clearer.inference.output_format import with_format_notes
from clearer.inference.restorer import Restorer
from clearer.inference.zarr_elsewhere import is_zarr_elsewhere, restore_zarr_elsewhere

Progress = Callable[[int, int], None]
Settled = Callable[[Job, UserError | None, FileOutcome], None]
"""Called when a file is done, with why it failed, if it did; one call at a time, in whatever thread."""

FRAMES_SMOOTHING = 0.9
"""Share of the earlier frames' noise level in that of a frame: estimates that jump would flicker."""


def restore_path(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    options: RestoreOptions | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Restore a file to a file, or the images of a folder to a folder.

    Depth, alpha, profile, EXIF, resolution, pages and format stay as they are, unless ``options`` say otherwise;
    a palette becomes RGB. While the network works on one file, the next one is read and the last one written.
    TIFF files with an image of 32 million pixels and more that stay TIFF files are restored by rows (see
    `clearer.inference.large_tiff.restore_large`), unless ``options.tile`` is "none".

    Args:
        restorer: the model.
        source: an image file, a folder, a video, or "-" for standard input; or an address of an OME-Zarr folder.
        target: see `plan_jobs`; for OME-Zarr, also an address. Missing folders are created. Each file of a folder
            keeps its name if its suffix fits its content; otherwise the fitting suffix is appended.
        options: default: `RestoreOptions()`.
        progress: called with (files done, files in all) after each file. For a video it counts frames, and for
            a single file that is restored by rows, rows.

    Raises:
        UserError: the source does not exist, the target does not fit it, or a single file cannot be restored.
            Files of a folder that cannot be restored are listed in the outcome.
    """
    options = options or RestoreOptions()
    if is_zarr_elsewhere(str(source), str(target)):
        return restore_zarr_elsewhere(restorer, str(source), str(target), options, progress)
    plan = plan_jobs(source, target, options)
    prepare_outputs(plan)
    return restore_jobs(restorer, plan, options, progress)


def restore_jobs(
    restorer: Restorer,
    plan: Plan,
    options: RestoreOptions,
    progress: Progress | None = None,
    settled: Settled | None = None,
) -> Outcome:
    """Restore the files of a plan; see `restore_path`."""
    if options.sigma is not None:
        check_takes_level(restorer.architecture, restorer.name)
    if options.compare is not None:
        check_one_image(options.compare, plan)
    return _Batch(restorer, plan, options, progress, settled).run()


class _Batch:
    """The files of one call: each is read while the one before it is restored, and written while the next one is."""

    def __init__(
        self,
        restorer: Restorer,
        plan: Plan,
        options: RestoreOptions,
        progress: Progress | None,
        settled: Settled | None,
    ) -> None:
        self.options = replace(options, levels=restorer.card.span)
        self.restorer, self.plan, self.progress, self.settled = restorer, plan, progress, settled
        self.suited = restorer  # in the precision of the file at hand
        self.channels = restorer.architecture.channels
        unread = [Failure(line.partition(": cannot")[0], line) for line in plan.unreadable]
        self.outcome = Outcome(failed=unread, notes=list(plan.notes))
        self.files: dict[Job, FileOutcome] = {}
        self.lock = threading.Lock()
        self.by_rows: set[Job] = set()
        self.levels = self._new_levels()
        self.fit_check = FitCheck.of(restorer) if options.check else None

    def run(self) -> Outcome:
        """Restore all files."""
        jobs = self.plan.jobs
        if self.options.skip_existing:
            self.outcome.skipped = [job.target for job in jobs if job.target is not None and job.target.exists()]
            jobs = [job for job in jobs if job.target is None or not job.target.exists()]
        with one_behind(self._write) as put:
            for job, image in one_ahead(self._read_each(jobs)):
                try:
                    restored = self._restored(job, image)
                except UserError as error:
                    self._settle(job, error)
                    continue
                if restored is None:
                    self._settle(job)
                else:
                    assert isinstance(image, ImageFile)
                    self._note_once(job, training_levels_note(image, self.options))
                    self._note(job, restored.notes)
                    put((job, restored))
        return self.outcome

    def _read_each(self, jobs: list[Job]) -> Iterator[tuple[Job, ImageFile | UserError | None]]:
        """Yield each job with its image; None stands for a file that is not read as a whole."""
        for job in jobs:
            try:
                if job.is_video or job.is_zarr:
                    yield job, None
                elif self._fits_by_rows(job):
                    self.by_rows.add(job)
                    yield job, None
                elif job.source is None:
                    yield job, read_file(sys.stdin.buffer.read(), job.name)
                else:
                    yield job, read_file(job.source)
            except UserError as error:
                yield job, error

    def _fits_by_rows(self, job: Job) -> bool:
        options = self.options
        if job.source is None or job.target is None or options.tile == "none" or options.compare is not None:
            return False
        to_tiff = format_of_suffix(job.target) == "TIFF" and job.format in (None, "TIFF")
        return to_tiff and is_large(job.source)

    def _restored(self, job: Job, image: ImageFile | UserError | None) -> ImageFile | None:
        """Return the image to be written; None if it was written already."""
        if isinstance(image, UserError):
            raise image
        self._note_once(job, self.options.color_note(self.channels))
        self.levels = self._new_levels(FRAMES_SMOOTHING if job.is_video else 0.0)
        if self.fit_check is not None:
            self.fit_check.seen = None  # of an image that failed
        restored: ImageFile | None = None
        if image is not None:
            restored = self._restored_image(job, image)
        elif job.is_video:
            self._restore_video(job)
        elif job.is_zarr:
            if job.format is not None:
                raise UserError(f"{job.name}: OME-Zarr is restored to OME-Zarr only; leave out --format")
            self._restore_by_parts(job, restore_zarr)
        else:
            self._restore_by_parts(job, restore_large)
        own = self._own(job)
        own.precision = self.outcome.precisions[job.name] = self.suited.precision
        own.level = self.levels.summary()
        if own.level is not None:
            self.outcome.levels[job.name] = own.level
        if self.levels.raised:
            self.outcome.raised.append(job.name)
        quality = image.pages[0].own.get("quality") if image is not None else None
        if self.fit_check is not None and (fit := self.fit_check.finish(job.name, quality)):
            own.fit = fit
            self.outcome.fits.append(fit)
        return restored

    def _own(self, job: Job) -> FileOutcome:
        """Return what is known of a file that is not done."""
        return self.files.setdefault(job, FileOutcome())

    def _note(self, job: Job, notes: Iterable[str]) -> None:
        """Add what is said of a file; the writing thread calls this, too."""
        with self.lock:
            for note in notes:
                self._own(job).notes.append(note)
                self.outcome.notes.append(f"{job.name}: {note}")

    def _suit(self, *depths: str) -> None:
        """Choose the precision for a file of these depths."""
        self.suited = self.restorer.at_depth(*depths)

    def _new_levels(self, smoothing: float = 0.0) -> ImageLevels:
        return ImageLevels(self.options.sigma, self.restorer.estimate, smoothing)

    def _restored_image(self, job: Job, image: ImageFile) -> ImageFile:
        try:
            format = job.format or image.format
            if format == "PNM":
                format = "PGM" if image.pages[0].color.shape[2] == GRAY else "PPM"
            check_pages(image, format)  # before the network runs
            depths = [depth_for(page, format, self.options.depth) for page in image.pages]
            self._suit(*depths, *(depth_of(page.color) for page in image.pages))
            restored = restore_file(image, self._run, self.channels, self.options, format)
            if self.options.compare is not None:
                before, after, span = image.pages[0], restored.pages[0], self.options.spans_of(image.pages)[0]
                if before.color.dtype != after.color.dtype and self.options.noticed(image.pages) is not None:
                    span = WHOLE  # as dim as the new file
                write_before_after(self.options.compare, before, after, span)
            chosen = self.options.format is not None or job.is_named
            return with_format_notes(restored, image.format, format, job.source, chosen=chosen)
        except UserError as error:  # raised without the file's name
            raise UserError(f"{job.name}: {str(error).removeprefix('image: ')}") from error
        except MemoryError:
            raise UserError(f"{job.name}: needs more memory than is free; cut it into smaller files") from None

    def _note_once(self, job: Job, note: str | None) -> None:
        """Add what is said of a file, and once for all files."""
        if note is None:
            return
        with self.lock:
            self._own(job).notes.append(note)
            if note not in self.outcome.notes:
                self.outcome.notes.append(note)

    def _note_quality(self, job: Job, format: str, *, lossy: bool) -> None:
        if self.options.quality is not None and not lossy:
            self._note_once(job, f"--quality: {format} files are written without loss; it changes nothing for them")

    def _restore_video(self, job: Job) -> None:
        from clearer.inference.video.restore import restore_video

        assert job.source is not None and job.target is not None
        if self.options.depth is not None:
            raise UserError(f"{job.name}: --depth is for images; leave it out for a video")
        if self.options.bands is not None:
            raise UserError(f"{job.name}: --bands is for images; leave it out for a video")
        options = replace(self.options, levels=None)  # frames have no levels of a camera
        found = restore_video(
            job.source,
            job.target,
            self._run,
            self.channels,
            options,
            self.progress,
            begin=self._begin_frame,
        )
        self._note(job, found.notes)
        if found.fault is not None:  # what could be read was written
            self._own(job).fault = f"{job.name}: {found.fault}"
            self.outcome.failed.append(Failure(job.name, f"{job.name}: {found.fault}"))

    def _restore_by_parts(self, job: Job, restore: Callable[..., object]) -> None:
        assert job.source is not None and job.target is not None
        progress = self.progress if len(self.plan.jobs) == 1 else None
        notes: list[str] = []
        restore(
            self.restorer,
            job.source,
            job.target,
            self.options,
            levels=self.levels,
            progress=progress,
            say=notes.append,
            begin=self._suit,
            look=None if self.fit_check is None else self.fit_check.see,
        )
        self._note(job, notes)
        self._note_quality(job, "OME-Zarr" if job.is_zarr else "TIFF", lossy=False)

    def _run(self, x: UnitPixels) -> UnitPixels:
        o, hidden = self.options, np.isnan(x)
        if hidden.any():  # black does not count as free of noise, and a filled area would
            level = self.levels.of(batch_view(np.where(hidden, np.float32(0), x)))
            x = filled(x, hidden)
        else:
            level = self.levels.of(batch_view(x))
        y = restore_unit(self.suited, x, Passes(o.ensemble, o.tile, o.overlap), level)
        if self.fit_check is not None:
            self.fit_check.see(x, y)
        return y

    def _begin_frame(self, bits: int) -> None:
        self.levels.begin_frame()
        self._suit("8" if bits <= 8 else "16")

    def _write(self, item: tuple[Job, ImageFile]) -> None:
        job, image = item
        try:
            if job.target is None:
                data = to_bytes(image, self.options.quality)
                notes = not_kept(image, data, job.name)
                _write_to_stdout(data)
            else:
                notes = write_file(job.target, image, self.options.quality)
            self._note(job, notes)
            self._note_quality(job, image.format, lossy=FORMATS[image.format].lossy)
        except UserError as error:
            self._settle(job, error)
        else:
            self._settle(job)

    def _settle(self, job: Job, error: UserError | None = None) -> None:
        """Record that a file is done; the writing thread calls this, too."""
        outcome, count = self.outcome, len(self.plan.jobs)
        with self.lock:
            if error is not None:
                if not self.plan.is_folder:
                    raise error
                outcome.failed.append(Failure(job.name, str(error)))
            elif job.target is not None:
                outcome.written.append(job.target)
            counts_parts = job.is_video or (count == 1 and (job in self.by_rows or job.is_zarr))
            if self.progress is not None and not counts_parts:
                self.progress(
                    len(outcome.written) + len(outcome.failed) - len(self.plan.unreadable) + len(outcome.skipped), count
                )
            if self.settled is not None:
                self.settled(job, error, self.files.pop(job, FileOutcome()))


def _write_to_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would try to write the rest again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise UserError(f"standard output: cannot be written ({error.strerror or error}); free some space") from error
