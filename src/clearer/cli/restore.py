"""The verb that restores images: parse, call and print."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from clearer.cli.options import Device, Ensemble, Json, Model, Overlap, Precision, Tile
from clearer.core.console import console_for_people, print_json, progress_bar, say
from clearer.core.errors import UserError
from clearer.core.signals import terminable


def add_verbs(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command("restore")(restore)


def restore(
    model: Model,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="An image, a folder, a video, or - (stdin).")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="OUTPUT", help="The restored image, a folder, or - (stdout).")
    ],
    ensemble: Ensemble = False,
    color: Annotated[
        str,
        typer.Option(
            help="What a gray model works on in color images: luma (the color is kept), or channels (R, G, B "
            "one by one). A color model sees gray images as color; they come back gray."
        ),
    ] = "luma",
    strength: Annotated[float, typer.Option(help="0 gives the input, 1 what the network made; between: a blend.")] = 1,
    span: Annotated[
        str, typer.Option("--range", metavar="LOW,HIGH", help="Black and white: floats, or levels of 8 or 16 bits.")
    ] = "0,1",
    format: Annotated[
        str | None, typer.Option(help="png, jpeg, tiff, webp, bmp, avif, heif, pgm or ppm; else as it came.")
    ] = None,
    depth: Annotated[str | None, typer.Option(help="1, 8, 16 (bits a channel) or float; else as it came.")] = None,
    quality: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of JPEG, AVIF, HEIF (95 if not given), WebP (lossless) and video."),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Go into sub-folders.")] = False,
    pattern: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Of a folder, only files like '*.png' or 'day?/*.png'.")
    ] = None,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave outputs that exist as they are.")
    ] = False,
    tile: Tile = "auto",
    overlap: Overlap = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Restore an image, a folder or a video. Depth, alpha, profile, EXIF and kind of file are kept.

    A file of a folder that cannot be restored is reported, the others are restored, and the exit status is 1.
    """
    from clearer.inference.color import How
    from clearer.inference.files import Output, Tiles, restore_path
    from clearer.inference.restorer import load
    from clearer.inference.tiling import as_overlap, as_tiling

    to_stdout = out == "-"
    if to_stdout and as_json:
        raise UserError("--json, -o -: both are for standard output; leave one out")
    if to_stdout and sys.stdout.isatty():
        raise UserError("-o -: standard output is a terminal; send it to a file or a program")
    how = How(color, strength, _span(span))
    output = Output(format, depth, quality, skip_existing)
    restorer = load(model, device, precision)
    tiles = Tiles(as_tiling(tile), as_overlap(overlap, restorer.architecture))
    which: dict[str, Any] = {"recursive": recursive, "pattern": pattern}
    stopped = terminable("stopped; what was restored before is whole, and nothing is half-written")
    with stopped, progress_bar("restore") as progress:
        outcome = restore_path(restorer, source, out, ensemble, progress, tiles=tiles, how=how, output=output, **which)
    console = console_for_people(as_json or to_stdout)
    for note in outcome.notes:
        print(f"clearer: note: {note}", file=sys.stderr)
    for _, fault in outcome.failed:
        print(f"clearer: {fault}", file=sys.stderr)
    count = "1 image" if to_stdout else f"{len(outcome.written)} image(s)"
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
    say(f"{count} restored{skipped}{failed}: {out}", console)
    if as_json:
        facts = {"model": str(model), "architecture": str(restorer.architecture), "ensemble": ensemble}
        facts |= {"color": color, "strength": strength, "tile": tiles.side, "overlap": tiles.overlap}
        where = {"device": str(restorer.device), "precision": restorer.precision}
        written, passed = ([str(path) for path in paths] for paths in (outcome.written, outcome.skipped))
        faults = [{"file": name, "error": fault} for name, fault in outcome.failed]
        print_json({**facts, **where, "written": written, "skipped": passed, "failed": faults, "notes": outcome.notes})
    if outcome.failed:
        raise typer.Exit(1)


def _span(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UserError(f"--range {text}: not of the form LOW,HIGH, two numbers") from None
    return low, high
