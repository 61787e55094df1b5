"""Verb that restores images: restore."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearer.cli.options import Device, Ensemble, Json, Model, Precision, bands_of, span_of
from clearer.cli.verb import argument, option, real, verb, whole
from clearer.core.console import console_for_people, print_json, progress_bar, say
from clearer.core.errors import UserError
from clearer.core.signals import terminable
from clearer.core.text import shortened, terminal_safe

if TYPE_CHECKING:
    from clearer.inference.files import Outcome, Progress
    from clearer.inference.options import RestoreOptions as Options

STREAM = "-"
AUTO = "auto"


def _formats() -> list[str]:
    from clearer.images.types import FORMATS

    return list(FORMATS)


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Options of restore."""

    model: Model
    source: Annotated[str, argument("INPUT", "Image, folder, video, OME-Zarr, or - for stdin.")]
    recursive: Annotated[bool, option("Input", "Include sub-folders.", "--recursive", "-r")] = False
    pattern: Annotated[
        str | None, option("Input", "Files to take from a folder, such as '*.png' or 'day?/*.png'.", metavar="GLOB")
    ] = None
    span: Annotated[
        str | None,
        option(
            "Input",
            "Black and white of float images; also gray levels, such as 0,4095 (default: the model's, or 0,1).",
            "--range",
            metavar="LOW,HIGH",
        ),
    ] = None
    bands: Annotated[
        str | None,
        option("Input", "Bands to restore, such as 1,3 or 2-4; others stay (default: all).", metavar="LIST"),
    ] = None
    ensemble: Ensemble = False
    color: Annotated[
        str,
        option(
            "Restoration",
            "How a gray model treats color images: luma (keeps the color) or channels (R, G and B one by one).",
            metavar="MODE",
            complete=lambda: ["luma", "channels"],
        ),
    ] = "luma"
    strength: Annotated[
        float, option("Restoration", "Blend: 0 gives the input, 1 the model's output.", metavar="X", parser=real(0, 1))
    ] = 1
    sigma: Annotated[
        str | None,
        option(
            "Restoration",
            "Noise level for a model that takes it: sigma in gray levels of 255, or a map (.png, .tif, .npy) "
            "(default: estimated).",
            metavar="LEVEL",
        ),
    ] = None
    tile: Annotated[
        str,
        option(
            "Restoration",
            "Tile side in pixels, auto (by free memory) or none.",
            metavar="PIXELS",
            complete=lambda: ["auto", "none"],
        ),
    ] = "auto"
    overlap: Annotated[
        str,
        option(
            "Restoration",
            "Tile overlap in pixels, auto (no visible difference) or full (no difference).",
            metavar="PIXELS",
            complete=lambda: ["auto", "full"],
        ),
    ] = "auto"
    out: Annotated[
        str,
        option("Output", "Restored image, folder, video, or - for stdout.", "--out", "-o", metavar="OUTPUT"),
    ]
    format: Annotated[
        str | None,
        option(
            "Output",
            "Output format: png, jpeg, tiff, webp, bmp, avif, heif, jxl, pgm, ppm, pbm, pfm, pam (default: the same).",
            metavar="FORMAT",
            complete=lambda: [name.lower() for name in _formats()],
        ),
    ] = None
    depth: Annotated[
        str | None,
        option(
            "Output",
            "Bits per channel: 1, 8, 16 or float (default: same as input).",
            metavar="BITS",
            complete=lambda: ["1", "8", "16", "float"],
        ),
    ] = None
    quality: Annotated[
        int | None,
        option(
            "Output",
            "Quality of JPEG, AVIF, HEIF (default: 95), WebP, JPEG XL (default: lossless) and video, 1 to 100.",
            metavar="N",
            parser=whole(1, 100),
        ),
    ] = None
    compare: Annotated[
        Path | None,
        option("Output", "PNG to write with the image before and after, side by side.", metavar="FILE.png"),
    ] = None
    skip_existing: Annotated[bool, option("Output", "Leave existing output files as they are.", "--skip-existing")] = (
        False
    )
    quiet: Annotated[
        bool, option("Output", "Do not check whether the model fits, and print no summary.", "--quiet", "-q")
    ] = False
    as_json: Json = False
    device: Device = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.to_stdout and self.as_json:
            raise UserError("--json, -o -: both write to stdout; leave out one of them")

    @property
    def to_stdout(self) -> bool:
        """Whether the restored image goes to standard output."""
        return self.out == STREAM

    def chosen(self) -> Options:
        """Return the options of the restoration itself.

        Raises:
            UserError: a value is out of range.
        """
        from clearer.inference.noise_level import read_level
        from clearer.inference.options import RestoreOptions as Options
        from clearer.inference.tiling import as_tiling, parse_overlap

        return Options(
            color=self.color,
            strength=self.strength,
            sigma=None if self.sigma is None else read_level(self.sigma),
            span=None if self.span is None else span_of(self.span),
            bands=None if self.bands is None else bands_of(self.bands),
            ensemble=self.ensemble,
            tile=as_tiling(self.tile),
            overlap=parse_overlap(self.overlap),
            format=self.format,
            depth=self.depth,
            quality=self.quality,
            skip_existing=self.skip_existing,
            recursive=self.recursive,
            pattern=self.pattern,
            compare=self.compare,
            check=not self.quiet,
        )


@verb(
    "restore",
    "clearer restore denoise-gray noisy.png -o restored.png",
    "clearer restore denoise-color noisy -o restored --recursive",
    "clearer restore auto photo.jpg -o restored.jpg",
)
def restore(options: RestoreOptions) -> None:
    """Restore images, folders and videos with a model.

    With auto as the MODEL, each image is looked at, and the pretrained model that fits restores it.

    Bit depth, alpha, color profile, EXIF and file format are kept; anything that cannot be preserved is reported. In a
    folder, files that fail are reported, the others are restored, and the exit status is 1.
    """
    if options.to_stdout and sys.stdout.isatty():
        raise UserError("-o -: stdout is a terminal; send it to a file or a program")
    chosen = options.chosen()
    with (
        terminable("stopped; files restored so far are complete"),
        progress_bar("restore", _unit(options.source)) as progress,
    ):
        how = _restore_auto if str(options.model) == AUTO and not options.model.exists() else _restore_with
        outcome, facts = how(options, chosen, progress)
    _print_outcome(outcome, options)
    if options.as_json:
        settings = {"ensemble": options.ensemble, "color": options.color, "strength": options.strength}
        print_json({**facts, **settings, "sigma": options.sigma, "tile": chosen.tile, **_files(outcome)})
    if outcome.failed:
        raise typer.Exit(1)


def _restore_with(options: RestoreOptions, chosen: Options, progress: Progress) -> tuple[Outcome, dict[str, Any]]:
    """Restore with the model that was named; return also the facts of the call."""
    from clearer.inference.files import restore_path
    from clearer.inference.noise_level import check_takes_level
    from clearer.inference.restorer import load
    from clearer.inference.tiling import as_overlap

    restorer = load(options.model, options.device, options.precision)
    if options.sigma is not None:
        check_takes_level(restorer.architecture, str(options.model))
    outcome = restore_path(restorer, options.source, options.out, chosen, progress)
    facts = {"model": str(options.model), "architecture": str(restorer.architecture)}
    used = set(outcome.precisions.values()) or {restorer.precision}
    facts |= {"device": str(restorer.device), "precision": " and ".join(sorted(used))}
    return outcome, {**facts, "overlap": as_overlap(chosen.overlap, restorer.architecture)}


def _restore_auto(options: RestoreOptions, chosen: Options, progress: Progress) -> tuple[Outcome, dict[str, Any]]:
    """Restore each image with the model that fits it, and say which and why; return also the choices."""
    from clearer.inference.auto import restore_auto
    from clearer.inference.restorer import load

    found = restore_auto(
        lambda model: load(model, options.device, options.precision), options.source, options.out, chosen, progress
    )
    if not options.quiet:
        groups: dict[str | None, list[str]] = {}
        for one in found.chosen:
            groups.setdefault(one.choice.model, []).append(f"{one.file}: {one.choice.line()}")
        for same in groups.values():
            others = "" if len(same) == 1 else f" (as for {len(same) - 1} more)"
            print(f"clearer: {terminal_safe(same[0])}{others}", file=sys.stderr)
    return found.outcome, {"model": AUTO, "chosen": [one.to_dict() for one in found.chosen]}


def _unit(source: str) -> str:
    """Return what is counted: files, frames of a video, blocks of OME-Zarr, rows of a TIFF file too large to hold."""
    from clearer.images.ome_zarr.tree import is_zarr
    from clearer.inference.jobs import VIDEO_SUFFIXES

    if source != STREAM and is_zarr(source):
        return "blocks"
    if Path(source).is_dir() or source == STREAM:
        return "images"
    return "frames" if Path(source).suffix.lower() in VIDEO_SUFFIXES else "rows"


def _print_outcome(outcome: Outcome, options: RestoreOptions) -> None:
    from clearer.inference.fit_check import lines

    for note in [*outcome.notes, *lines(outcome.fits)]:
        print(f"clearer: note: {shortened(terminal_safe(note))}", file=sys.stderr)
    for _, fault in outcome.failed:
        print(f"clearer: {shortened(terminal_safe(' '.join(str(fault).splitlines())))}", file=sys.stderr)
    if options.quiet:
        return
    count = "1 image" if options.to_stdout else f"{len(outcome.written)} image(s)"
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
    console = console_for_people(options.as_json or options.to_stdout)
    say(f"{count} restored{skipped}{failed}: {options.out}", console)
    if outcome.levels:
        least, most = (f"{choose(outcome.levels.values()):.1f}" for choose in (min, max))
        say(f"noise level (estimated): {least if least == most else f'{least} to {most}'} gray levels", console)


def _files(outcome: Outcome) -> dict[str, Any]:
    return {
        "written": [str(path) for path in outcome.written],
        "skipped": [str(path) for path in outcome.skipped],
        "failed": [{"file": name, "error": fault} for name, fault in outcome.failed],
        "notes": outcome.notes,
        "fits": [fit.to_dict() for fit in outcome.fits],
        "estimated_levels": {name: round(level, 2) for name, level in outcome.levels.items()},
    }
