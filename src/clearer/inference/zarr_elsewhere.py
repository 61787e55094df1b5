"""Restore OME-Zarr images that lie elsewhere (s3://, gs://), or whose outputs do, without copies on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from clearer.core.addresses import is_remote
from clearer.core.errors import UserError, masked
from clearer.images.ome_zarr.place import place_of
from clearer.images.ome_zarr.tree import is_zarr, is_zarr_at
from clearer.images.types import SUFFIXES
from clearer.inference.fit_check import FitCheck
from clearer.inference.folder_files import VIDEO_SUFFIXES
from clearer.inference.jobs import ZARR
from clearer.inference.large_zarr import JOURNAL, restore_zarr
from clearer.inference.noise_level import ImageLevels, check_takes_level
from clearer.inference.options import RestoreOptions
from clearer.inference.outcome import Outcome
from clearer.inference.restorer import Restorer


def is_zarr_address(place: str) -> bool:
    """Return whether a place is the address of an OME-Zarr folder, by its name."""
    return is_remote(place) and place.rstrip("/").lower().endswith(ZARR)


def is_zarr_elsewhere(source: str, target: str) -> bool:
    """Return whether an OME-Zarr image is read or written elsewhere."""
    return is_zarr_address(source) or (is_remote(target) and not is_remote(source) and is_zarr(source))


def _is_folder(target: str) -> bool:
    """Return whether an output is, or looks like, a folder; a name elsewhere does unless it is that of a file."""
    suffix = PurePosixPath(target).suffix.lower()
    if target.endswith(("/", os.sep)) or not suffix:
        return True
    return suffix not in (*SUFFIXES, *VIDEO_SUFFIXES) if is_remote(target) else Path(target).is_dir()


def restore_zarr_elsewhere(
    restorer: Restorer,
    source: str,
    target: str,
    options: RestoreOptions,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Restore an OME-Zarr image between places of which one or both are elsewhere; see `restore_zarr`.

    Args:
        restorer: the model.
        source: a path or an address.
        target: a path or an address that ends in .zarr, or a folder to put it in under the name of the source.
        options: how it is restored.
        progress: called with (blocks done, blocks in all).

    Raises:
        UserError: see `restore_zarr`, or an option is not for OME-Zarr.
    """
    if options.format is not None or options.compare is not None:
        option = "--format" if options.format is not None else "--compare"
        raise UserError(f"{source}: {option} is not for OME-Zarr, which is restored to OME-Zarr; leave it out")
    if options.recursive or options.pattern is not None:
        raise UserError(f"{source}: --recursive and --pattern are for folders; leave them out or name a folder")
    if options.sigma is not None:
        check_takes_level(restorer.architecture, restorer.name)
    if not target.rstrip("/").lower().endswith(ZARR):
        if not _is_folder(target):
            raise UserError(f"{target}: {source} is restored to OME-Zarr only; end the output name in {ZARR}")
        target = f"{target.rstrip('/')}/{source.rstrip('/').rpartition('/')[2]}"
    outcome = Outcome()
    if options.skip_existing:
        there = place_of(target)
        if is_zarr_at(there) and not (there.path is None and (there / JOURNAL).exists()):
            outcome.skipped.append(target)
            return outcome
    used = restorer

    def begin(*depths: str) -> None:
        nonlocal used
        used = restorer.at_depth(*depths)

    levels = ImageLevels(options.sigma, restorer.estimate)
    notes: list[str] = []
    check = FitCheck.of(restorer) if options.check else None
    restore_zarr(
        restorer,
        source,
        target,
        options,
        levels=levels,
        progress=progress,
        say=notes.append,
        begin=begin,
        look=None if check is None else check.see,
    )
    fit = None if check is None else check.finish(source)
    if fit is not None:
        outcome.fits.append(fit)
    outcome.written.append(target)
    outcome.notes += [masked(f"{source}: {note}") for note in notes]
    outcome.precisions[source] = used.precision
    level = levels.summary()
    if level is not None:
        outcome.levels[source] = level
    if levels.raised:
        outcome.raised.append(source)
    return outcome
