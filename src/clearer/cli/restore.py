"""Verb that restores images: restore."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clearer.cli.restore_options import AUTO, STREAM, RestoreOptions
from clearer.cli.verb import verb
from clearer.core.console import console_for_people, print_json, progress_bar, say
from clearer.core.errors import UserError, masked
from clearer.core.signals import terminable
from clearer.core.text import shortened, terminal_safe

if TYPE_CHECKING:
    from clearer.bulk.staged import Places
    from clearer.inference.files import Progress
    from clearer.inference.options import RestoreOptions as Options
    from clearer.inference.outcome import Outcome


@verb(
    "restore",
    "clearer restore denoise-gray noisy.png -o restored.png",
    "clearer restore denoise-color noisy -o restored --recursive",
    "clearer restore auto photo.jpg -o restored.jpg",
)
def restore(options: RestoreOptions) -> None:
    """Restore images, folders and videos with a model.

    With auto as the MODEL, each image or video is looked at, and the pretrained model that fits restores it.

    Bit depth, alpha, color profile, EXIF and file format are kept; anything that cannot be preserved is reported. In a
    folder, files that fail are reported, the others are restored, and the exit status is 1.
    """
    if options.to_stdout and sys.stdout.isatty():
        raise UserError("-o -: stdout is a terminal; send it to a file or a program")
    if options.is_bulk:
        from clearer.cli.restore_bulk import restore_bulk

        restore_bulk(options)
        return
    from clearer.bulk.staged import staged

    chosen = options.chosen()
    with (
        terminable("stopped; files restored so far are complete"),
        staged(str(options.source), str(options.out), chosen) as places,
        progress_bar("restore", _unit(places.source)) as progress,
    ):
        how = _restore_auto if str(options.model) == AUTO and not options.model.exists() else _restore_with
        outcome, facts = how(options, places, chosen, progress)
    _print_outcome(outcome, options, places)
    if options.as_json:
        settings = {"ensemble": options.ensemble, "color": options.color, "strength": options.strength}
        found = {**facts, **settings, "sigma": options.sigma, "tile": chosen.tile, **_files(outcome)}
        print_json(places.named(found))
    if outcome.failed:
        raise typer.Exit(1)


def _restore_with(
    options: RestoreOptions, places: Places, chosen: Options, progress: Progress
) -> tuple[Outcome, dict[str, Any]]:
    """Restore with the model that was named; return also the facts of the call."""
    from clearer.inference.files import restore_path
    from clearer.inference.noise_level import check_takes_level
    from clearer.inference.restorer import load
    from clearer.inference.tiling import as_overlap

    restorer = load(options.model, options.device, options.precision)
    if options.sigma is not None:
        check_takes_level(restorer.architecture, str(options.model))
    outcome = restore_path(restorer, places.source, places.out, chosen, progress)
    facts = {"model": str(options.model), "architecture": str(restorer.architecture)}
    used = set(outcome.precisions.values()) or {restorer.precision}
    facts |= {"device": str(restorer.device), "precision": " and ".join(sorted(used))}
    return outcome, {**facts, "overlap": as_overlap(chosen.overlap, restorer.architecture)}


def _restore_auto(
    options: RestoreOptions, places: Places, chosen: Options, progress: Progress
) -> tuple[Outcome, dict[str, Any]]:
    """Restore each image with the model that fits it, and say which and why; return also the choices."""
    from clearer.inference.auto import restore_auto
    from clearer.inference.restorer import load

    loaded = partial(load, device=options.device, precision=options.precision)
    found = restore_auto(loaded, places.source, places.out, chosen, progress)
    if not options.quiet:
        groups: dict[str | None, list[str]] = {}
        for one in found.chosen:
            groups.setdefault(one.choice.model, []).append(f"{one.file}: {one.choice.line()}")
        for same in groups.values():
            others = "" if len(same) == 1 else f" (as for {len(same) - 1} more)"
            print(f"clearer: {terminal_safe(places.named(same[0]))}{others}", file=sys.stderr)
    return found.outcome, {"model": AUTO, "chosen": [one.to_dict() for one in found.chosen]}


def _unit(source: str) -> str:
    """Return what is counted: files, frames of a video, blocks of OME-Zarr, rows of a TIFF file too large to hold."""
    from clearer.images.ome_zarr.tree import is_zarr
    from clearer.inference.folder_files import VIDEO_SUFFIXES
    from clearer.inference.zarr_elsewhere import is_zarr_address

    if source != STREAM and (is_zarr(source) or is_zarr_address(source)):
        return "blocks"
    if Path(source).is_dir() or source == STREAM:
        return "images"
    return "frames" if Path(source).suffix.lower() in VIDEO_SUFFIXES else "rows"


def _print_outcome(outcome: Outcome, options: RestoreOptions, places: Places) -> None:
    from clearer.inference.fit_check import lines

    for note in [*outcome.notes, *lines(outcome.fits)]:
        print(f"clearer: note: {shortened(terminal_safe(places.named(note)))}", file=sys.stderr)
    for _, fault in outcome.failed:
        text = " ".join(places.named(str(fault)).splitlines())
        print(f"clearer: {shortened(terminal_safe(text))}", file=sys.stderr)
    if options.quiet:
        return
    count = "1 image" if options.to_stdout else f"{len(outcome.written)} image(s)"
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
    console = console_for_people(options.as_json or options.to_stdout)
    say(f"{count} restored{skipped}{failed}: {masked(str(options.out))}", console)
    if outcome.levels:
        least, most = (f"{choose(outcome.levels.values()):.1f}" for choose in (min, max))
        raised = f", {_raised_words(outcome)}" if outcome.raised else ""
        say(f"noise level (estimated): {least if least == most else f'{least} to {most}'} gray levels{raised}", console)


def _raised_words(outcome: Outcome) -> str:
    """Return that the network was told more than the noise level, and in how many of several files."""
    number, whole = len(outcome.raised), len(outcome.levels)
    return "raised since the noise is not white" + (f" in {number} of {whole} images" if whole > 1 else "")


def _files(outcome: Outcome) -> dict[str, Any]:
    return {
        "written": [str(path) for path in outcome.written],
        "skipped": [str(path) for path in outcome.skipped],
        "failed": [{"file": name, "error": fault} for name, fault in outcome.failed],
        "notes": outcome.notes,
        "fits": [fit.to_dict() for fit in outcome.fits],
        "estimated_levels": {name: round(level, 2) for name, level in outcome.levels.items()},
        "raised_levels": outcome.raised,
    }
