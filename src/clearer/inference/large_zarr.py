"""Restore OME-Zarr images plane by plane in blocks of chunks, from folder to folder, never holding a whole plane."""

from __future__ import annotations

import hashlib
import pickle
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clearer.core.errors import UserError
from clearer.core.unfinished import WHOLE, unfinished_folder
from clearer.core.version import __version__
from clearer.images.ome_zarr.journal import Journal
from clearer.images.ome_zarr.place import Place, place_of
from clearer.images.ome_zarr.pyramid import Smaller, make_smaller, way_of
from clearer.images.ome_zarr.store import Block, copy_metadata, copy_without_chunks, digest_of_files, open_array
from clearer.images.ome_zarr.tree import ZarrImage, is_zarr_at, tree_of
from clearer.images.pixels import depth_of
from clearer.images.types import AnyPixels
from clearer.inference.large_tiff import SEEN_AT_ONCE
from clearer.inference.memory import pixels_that_fit
from clearer.inference.noise_level import ImageLevels
from clearer.inference.options import RestoreOptions
from clearer.inference.processes import packed
from clearer.inference.restorer import Restorer
from clearer.inference.window import Look, restore_soundly
from clearer.inference.zarr_blocks import ZarrWork, blocks_of, steps_of
from clearer.inference.zarr_outline import ZarrOutline, outline_notes, outline_of

JOURNAL = ".clearer-journal.json"
"""The journal in an output elsewhere, as long as that is not complete."""
_HERE = "journal.json"
"""That of an output on this machine, beside it."""
_OF_CALL = ("sigma", "skip_existing", "check", "recursive", "pattern", "format", "quality", "compare", "depth")
"""Options on which the pixels do not depend; the noise level is counted as it is used."""

Say = Callable[[str], None]


def restore_zarr(
    restorer: Restorer,
    source: str | Path,
    target: str | Path,
    options: RestoreOptions | None = None,
    *,
    levels: ImageLevels | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Say | None = None,
    begin: Callable[..., None] | None = None,
    look: Look | None = None,
) -> str | Path:
    """Restore an OME-Zarr folder to an OME-Zarr folder, plane by plane; return ``target``.

    Each plane (y, x) of every image is restored as a gray image, with the result of restoring it in memory; a color
    network restores three channels of 8 bits that are shown in red, green and blue as one RGB image. Chunks, codecs,
    type, metadata and everything beside the images stay as they are. Smaller levels are made anew. In memory are
    blocks of whole chunks and what the network sees around one tile; memory does not grow with the image.

    If the process is killed or interrupted, the same call goes on: blocks that are written are not restored again, and
    the result is that of one call, byte for byte, on the same device with as much free memory. Until it is complete,
    an output on this machine is a hidden folder, and one elsewhere has no metadata.

    Args:
        restorer: the model.
        source: an OME-Zarr folder of version 0.1 to 0.5, in Zarr 2 or 3: a path, or an address (``s3://...``).
        target: where to write it, a path or an address. On this machine, a former OME-Zarr folder is replaced.
        options: strength, span, bands (the channels), ensemble, tile and overlap. A tile of "none" means "auto".
        levels: gives the noise level, if the network takes one; by default it is estimated for each plane, of a plane
            of more than 4 million pixels from five parts.
        progress: called with (blocks of planes done, blocks in all).
        say: takes a line on what is noticed.
        begin: called with the depths that are read and written.
        look: see `WindowRestorer`; called with the middle plane of each image if this call restores its center.

    Raises:
        UserError: zarr or the library of an address is not installed, the source is no OME-Zarr image or is damaged,
            its values are beyond black and white, the target cannot be written or another process writes it, or even
            small tiles need more memory than is free.
    """
    start, goal = place_of(source), place_of(target, write=True)
    _check_place(start, goal)
    options = replace(options or RestoreOptions(), levels=restorer.card.span)
    levels, say = levels or ImageLevels(options.sigma, restorer.estimate), say or (lambda line: None)
    tree = tree_of(start)
    channels = restorer.architecture.channels
    images = [outline_of(start, image, channels, options) for image in tree.images]
    for note in outline_notes(tree, images, channels, options):
        say(note)
    depths = {depth_of(facts.pages[0].color) for facts in images}
    restorer = restorer.at_depth(*depths)
    if begin is not None:
        begin(*depths)
    ways = {facts.image: [_way(start, facts.image, level, say) for level in _smaller(facts.image)] for facts in images}
    arrays = [image.path(level) for image in tree.images for level in range(len(image.levels))]
    key = _key(restorer, options, levels, images, digest_of_files(start, arrays))
    with _unfinished(goal, key, restorer) as (whole, journal):
        if journal.precision == "fp32" and restorer.can_be_exact:  # bf16 failed before
            restorer = restorer.in_fp32()
        copy_without_chunks(start, whole, arrays)

        def write(restorer: Restorer) -> None:
            journal.begin(restorer.precision)
            work = ZarrWork(restorer, options, levels, journal, progress, images, look)
            for facts in images:
                work.restore(facts, open_array(whole / facts.image.path(0), write=True))

        try:
            restore_soundly(restorer, str(start), write)
        finally:
            journal.save_if_possible()
        if journal.reused:
            say(f"{journal.reused} of {blocks_of(images)} blocks were restored before by a run that broke off")
        for facts in images:
            for level, how in zip(_smaller(facts.image), ways[facts.image], strict=True):
                larger = open_array(whole / facts.image.path(level - 1))
                smaller = open_array(whole / facts.image.path(level), write=True)
                make_smaller(larger, smaller, how, _kept(start, facts, level))
        copy_metadata(start, whole, arrays)
    return target


@contextmanager
def _unfinished(goal: Place, key: str, restorer: Restorer) -> Iterator[tuple[Place, Journal]]:
    """Yield where the folder is written, and its journal; see `restore_zarr`.

    What a run of another key has left is removed: its chunks and files would pass for those of this one.
    """
    fit = min(SEEN_AT_ONCE, pixels_that_fit(restorer.architecture, restorer.device))
    with nullcontext() if goal.path is None else unfinished_folder(goal.path) as part:
        # Elsewhere nothing can be renamed as a whole.
        whole, place = (goal, goal / JOURNAL) if part is None else (place_of(part / WHOLE), place_of(part / _HERE))
        journal = Journal(place, key, restorer.precision, fit)
        if journal.is_new:
            whole.clear(but=JOURNAL)
            journal.save()  # before anything else: elsewhere, it tells that what is there is unfinished
        yield whole, journal
        if part is None:
            place.remove()


def _check_place(source: Place, target: Place) -> None:
    """Refuse a target that would be lost, or that lies in the source, or the reverse."""
    if target.path is None:
        if not (target.is_free() or (target / JOURNAL).exists()):
            raise UserError(f"{target}: exists; outputs elsewhere are not replaced, so remove it or name another")
    elif target.path.exists() and not is_zarr_at(target):
        raise UserError(f"{target}: exists and is no Zarr folder, so it is not replaced; choose another output")
    if source.lies_in(target) or target.lies_in(source):
        raise UserError(f"{target}: is the source, lies in it or holds it; choose another output")


def _key(
    restorer: Restorer, options: RestoreOptions, levels: ImageLevels, images: list[ZarrOutline], files: str
) -> str:
    """Return a digest of all that the output depends on but the source's pixels; ``files`` is that of its files."""
    try:
        found = hashlib.sha256(pickle.dumps(packed(restorer.network)))  # a digest alone: no pickle is kept
    except (pickle.PicklingError, AttributeError, TypeError):  # a network of one's own: nothing tells it again
        found = hashlib.sha256(secrets.token_bytes())
    given = levels.given
    found.update(given.tobytes() if isinstance(given, np.ndarray) else repr(given).encode())
    found.update(repr((__version__, torch.__version__, str(restorer.device), restorer.precision)).encode())
    stated = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in _OF_CALL}
    found.update(repr((sorted(stated.items()), files)).encode())
    for facts in images:
        array = facts.array
        known = (facts.image, array.shape, str(array.dtype), steps_of(facts), facts.spans, sorted(facts.chosen))
        found.update(repr((*known, facts.is_rgb)).encode())
    return found.hexdigest()


def _smaller(image: ZarrImage) -> range:
    return range(1, len(image.levels))


def _way(source: Place, image: ZarrImage, level: int, say: Say) -> Smaller:
    larger, smaller = (open_array(source / image.path(k)) for k in (level - 1, level))
    how = way_of(larger, smaller) if larger.ndim == smaller.ndim else None
    if how is None:
        sides = " and ".join("x".join(map(str, one.shape)) for one in (larger, smaller))
        raise UserError(f"{source / image.path(level)}: levels of {sides} differ by no whole factor; make them again")
    if not how.is_exact:
        say(f"{image.path(level)} is made anew by {how.way}; in the source it was made in another way")
    return how


def _kept(source: Place, facts: ZarrOutline, level: int) -> Callable[[Block], Any] | None:
    """Return what stays in a smaller level: the channels that are not restored."""
    if "c" not in facts.image.axes or len(facts.chosen) == len(facts.pages):
        return None
    old, axis = open_array(source / facts.image.path(level)), facts.image.axes.index("c")

    def keep(place: Block) -> tuple[Any, AnyPixels]:
        channels = range(place[axis].start, place[axis].stop)
        shape = [-1 if k == axis else 1 for k in range(old.ndim)]
        return np.array([c not in facts.chosen for c in channels]).reshape(shape), np.asarray(old[place])

    return keep
