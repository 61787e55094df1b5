"""Restore each image with the model that fits it, chosen by looking at the image."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from clearer.core.errors import UserError
from clearer.core.files import paths_checked, written_whole
from clearer.images.io import read_file
from clearer.images.ome_zarr.tree import is_zarr
from clearer.images.pixels import depth_of
from clearer.images.types import HEAD, WIDE, format_of_bytes
from clearer.inference.choice import AUTO, Candidate, Choice, candidates
from clearer.inference.files import Progress, Settled, restore_jobs
from clearer.inference.image_facts import ImageFacts, seen_of_file
from clearer.inference.jobs import STREAM, Job, Plan, plan_jobs, prepare_outputs
from clearer.inference.large_tiff import center_of, is_large
from clearer.inference.options import RestoreOptions
from clearer.inference.outcome import Failure, FileOutcome, Outcome
from clearer.inference.output_format import written_format
from clearer.inference.restorer import Restorer, load
from clearer.inference.trial import chosen_for
from clearer.inference.zarr_elsewhere import is_zarr_elsewhere


@dataclass(frozen=True)
class Chosen:
    """A file, what it shows, and the model chosen for it; of a video, what the first frame with this choice shows."""

    file: str
    facts: ImageFacts
    choice: Choice

    def to_dict(self) -> dict[str, Any]:
        """Return the choice with the facts, ready for JSON."""
        return {"file": self.file, "model": self.choice.model, "reason": self.choice.reason, **self.facts.to_dict()}


@dataclass
class AutoOutcome:
    """The result of one call: that of `restore_path`, and the model chosen for each file that could be read."""

    outcome: Outcome = field(default_factory=Outcome)
    chosen: list[Chosen] = field(default_factory=list)


def look(
    path: Path,
    options: RestoreOptions | None = None,
    among: list[Candidate] | None = None,
    load: Callable[[str], Restorer] = load,
) -> Chosen:
    """Look at an image file or at frames of a video, and choose a model for it.

    Args:
        path: an image file, or a video by its suffix.
        options: the ``span`` of its values.
        among: the models; by default all pretrained ones.
        load: returns the restorer of a model's name, for a trial.

    Raises:
        UserError: it cannot be read, or is no file.
    """
    if not path.is_file() and str(path) == STREAM:
        raise UserError("standard input: cannot be looked at before it is restored; name one image")
    if is_zarr(path):
        raise UserError(f"{path}: {AUTO} is for image files; name a model for OME-Zarr")
    if path.is_dir():
        raise UserError(f"{path}: a folder; name one image")
    job = Job(path, None, None)
    if not path.is_file():
        exists = path.exists()
        raise UserError(
            f"{path}: no regular file; name one image" if exists else f"{path}: no such file; check the path"
        )
    if job.is_video:
        return look_at_video(path, among, load)
    among = list(candidates()) if among is None else among
    by_rows = is_large(path)
    image = center_of(path) if by_rows else read_file(path, first_page=True)
    if not by_rows and depth_of(image.pages[0].color) in WIDE:
        image = read_file(path)  # black and white are the extremes of all pages
    try:
        seen = seen_of_file(image, options)
    except UserError as error:  # raised without the file's name
        raise UserError(f"{path}: {error}") from error
    return Chosen(str(path), *chosen_for(seen, image.pages[0].own.get("quality"), load, among))


def look_at_video(path: Path, among: list[Candidate] | None = None, load: Callable[[str], Restorer] = load) -> Chosen:
    """Look at some frames of a video, and choose the model that fits most of them; of equals, that of the first frame.

    Raises:
        UserError: PyAV is not installed, or no frame can be decoded.
    """
    from clearer.inference.video.glance import some_frames

    among = list(candidates()) if among is None else among
    seen = [chosen_for(frame, None, load, among) for frame in some_frames(path)]
    # most_common keeps the order of the first counts, hence that of the frames.
    ((model, count),) = Counter(choice.model for _, choice in seen).most_common(1)
    facts, choice = next((facts, choice) for facts, choice in seen if choice.model == model)
    share = "" if len(seen) == 1 else f", as in {count} of {len(seen)} frames looked at"
    return Chosen(str(path), facts, replace(choice, reason=f"{choice.reason}{share}"))


def restore_auto(
    load: Callable[[str], Restorer],
    source: str | Path,
    target: str | Path,
    options: RestoreOptions | None = None,
    progress: Progress | None = None,
) -> AutoOutcome:
    """Restore a file, or the images of a folder, each with the model that fits it.

    A file in which there is nothing to remove, or for which no model is known, is copied as it is, unless the output
    has another format, depth or container, or a quality is asked for: it is then written anew, a video encoded anew.
    A note says so of a video whose container alone changes. Of a video, some frames are looked at.

    Args:
        load: returns the restorer of a model's name.
        source, target, options, progress: see `clearer.inference.files.restore_path`; no standard input.

    Raises:
        UserError: see `clearer.inference.files.restore_path` and `look`.
    """
    options = options or RestoreOptions()
    if is_zarr_elsewhere(str(source), str(target)):
        raise UserError(f"{source}: {AUTO} is for image files; name a model for OME-Zarr")
    plan = plan_jobs(source, target, options)
    if not plan.is_folder and plan.jobs[0].source is None:
        raise UserError(f"standard input: {AUTO} looks at a file before it restores it; name a model or a file")
    prepare_outputs(plan)
    return restore_auto_jobs(load, plan, options, progress)


def restore_auto_jobs(
    load: Callable[[str], Restorer],
    plan: Plan,
    options: RestoreOptions,
    progress: Progress | None = None,
    settled: Settled | None = None,
    chosen: Callable[[Job, str | None], None] | None = None,
) -> AutoOutcome:
    """Restore the files of a plan, each with the model that fits it; see `restore_auto`.

    A noise level that is stated counts for the models that take one; of other files, a note says that it does not.

    ``chosen``: called for each file with its model, before it is restored; None: it is copied.
    """
    unread = [Failure(line.partition(": cannot")[0], line) for line in plan.unreadable]
    found = AutoOutcome(Outcome(failed=unread, notes=list(plan.notes)))
    models, load = list(candidates()), cache(load)
    groups: dict[str | None, list[Job]] = {}
    for job in plan.jobs:
        assert job.source is not None
        if options.skip_existing and job.target is not None and job.target.exists():
            found.outcome.skipped.append(job.target)
            continue
        try:
            if job.is_video:
                seen = look_at_video(job.source, models, load)
            else:
                seen = look(job.source, options, models, load)
        except UserError as error:
            if not plan.is_folder:
                raise
            found.outcome.failed.append(Failure(job.name, str(error)))
            if settled is not None:
                settled(job, error, FileOutcome())
            continue
        found.chosen.append(seen)
        if chosen is not None:
            chosen(job, seen.choice.model)
        groups.setdefault(seen.choice.model, []).append(job)
    for model in groups:
        if model is not None:
            load(model)  # one that cannot be loaded ends the call before anything is written
    for model, jobs in groups.items():
        part = _Part(found.outcome, len(plan.jobs), progress, settled)
        if model is None:
            _copy(load, models, Plan(jobs, plan.is_folder, []), options, part)
        else:
            how, note = _how(load(model), model, options)
            notes = [f"{job.name}: {note}" for job in jobs if note]
            told = settled if settled is None or not note else partial(_settled_with, settled, note)
            part.add(restore_jobs(load(model), Plan(jobs, plan.is_folder, notes), how, part.progress, told))
    return found


def _settled_with(settled: Settled, note: str, job: Job, error: UserError | None, own: FileOutcome) -> None:
    """Settle a file with one more note."""
    settled(job, error, replace(own, notes=[note, *own.notes]))


def _how(restorer: Restorer, model: str, options: RestoreOptions) -> tuple[RestoreOptions, str]:
    """Return the options as a model can take them, and a note on its files if it takes no noise level.

    A noise level is stated for all files, and the model of each is not known before it is looked at.
    """
    if options.sigma is None or restorer.architecture.takes_level:
        return options, ""
    stated = "--sigma" if isinstance(options.sigma, np.ndarray) else f"--sigma {options.sigma:g}"
    return replace(options, sigma=None), f"{stated} not used: {model} takes no noise level"


@dataclass
class _Part:
    """The files of one model among all."""

    whole: Outcome
    count: int
    tell: Progress | None
    settled: Settled | None = None

    def progress(self, done: int, of: int) -> None:
        """Count the files done before."""
        before = len(self.whole.written) + len(self.whole.failed) + len(self.whole.skipped)
        if self.tell is not None:
            self.tell(*((done, of) if self.count == 1 else (before + done, self.count)))

    def add(self, part: Outcome) -> None:
        """Add the result of these files."""
        self.whole.written += part.written
        self.whole.failed += part.failed
        self.whole.notes += part.notes
        self.whole.fits += part.fits
        self.whole.levels |= part.levels
        self.whole.raised += part.raised
        self.whole.precisions |= part.precisions


def _copy(
    load: Callable[[str], Restorer], models: list[Candidate], plan: Plan, options: RestoreOptions, part: _Part
) -> None:
    """Copy files; those that change format, depth or container are written anew, a video with its codec's loss."""
    anew: list[Job] = []
    for job in plan.jobs:
        assert job.source is not None
        if (
            job.target is None
            or options.depth
            or options.quality
            or options.compare
            or _other_format(job)
            or _other_container(job)
        ):
            anew.append(job)
            continue
        try:
            with paths_checked(), written_whole(job.target) as temporary:
                shutil.copyfile(job.source, temporary)
        except UserError as error:
            if not plan.is_folder:
                raise
            part.add(Outcome(failed=[Failure(job.name, str(error))]))
            fault: UserError | None = error
        else:
            part.add(Outcome(written=[job.target]))
            fault = None
        if part.settled is not None:
            part.settled(job, fault, FileOutcome())

    def told(job: Job, fault: UserError | None, own: FileOutcome) -> None:
        if fault is None and _other_container(job) and not options.quality:
            assert job.source is not None and job.target is not None
            before, after = job.source.suffix, job.target.suffix
            note = f"encoded anew, for another container ({after}); {before} gives a copy"
            own.notes.append(note)
            part.whole.notes.append(f"{job.name}: {note}")
        if part.settled is not None:
            part.settled(job, fault, own)

    if anew:
        unchanged = replace(options, strength=0.0, sigma=None, check=False)
        again = Plan(anew, plan.is_folder, [])
        part.add(restore_jobs(load(models[0].name), again, unchanged, part.progress, told))


def _other_format(job: Job) -> bool:
    """Return whether a job writes an image in another format than its own, which may be one that is only read."""
    assert job.source is not None
    if job.is_video:
        return job.format not in (None, _format(job.source))
    return (job.format or written_format(job.source)) != _format(job.source)


def _other_container(job: Job) -> bool:
    """Return whether a job writes a video into another container."""
    if not job.is_video or job.source is None or job.target is None:
        return False
    return job.target.suffix.lower() != job.source.suffix.lower()


def _format(path: Path) -> str | None:
    """Return the format of a file, by its content."""
    with path.open("rb") as file:
        return format_of_bytes(file.read(HEAD))
