"""Verb that measures a model: evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from clearer.cli.options import (
    ROBUSTNESS,
    Channel,
    Device,
    Ensemble,
    ImageOptions,
    Json,
    Limit,
    Model,
    Precision,
    Range,
    Seed,
    protocol_names,
    span_of,
)
from clearer.cli.verb import option, verb
from clearer.core.console import console_for_people, print_json, print_table, progress_bar, say
from clearer.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ImageOptions):
    """Options of evaluate."""

    model: Model
    protocol: Annotated[
        str,
        option(
            "Evaluation",
            "gray-awgn-S, color-awgn-S, clearer-gray-S (S: noise level), "
            "camera-I, camera-gray-I, camera-processed-I (I: ISO), "
            "jpeg-Q, jpeg-gray-Q, jpeg-444-Q, jpeg-twice-Q, jpeg-gray-twice-Q (Q: quality), "
            "rain-rgb, rain-y, rain-synthetic, pairs-gray, pairs-color, robustness (many rows), "
            "or another one of docs/degradations.md.",
            metavar="PROTOCOL",
            complete=protocol_names,
        ),
    ]
    data: Annotated[
        str | None,
        option("Data", "Test images: clean ones for noise and synthetic rain, pairs otherwise.", metavar="FOLDER"),
    ] = None
    clean_side: Annotated[
        str | None,
        option(
            "Data",
            "Clean half of side-by-side images: left or right (default: the run's, or left).",
            metavar="SIDE",
            complete=lambda: ["left", "right"],
        ),
    ] = None
    span: Range = None
    channel: Channel = None
    limit: Limit = None
    ensemble: Ensemble = False
    seed: Seed = 0
    out: Annotated[
        Path | None,
        option(
            "Output",
            "Result file (default: in the run's evaluation/); a .csv goes beside it.",
            "--out",
            "-o",
            metavar="FILE.json",
        ),
    ] = None
    precision: Precision = "fp32"
    device: Device = "auto"
    as_json: Json = False


@verb(
    "evaluate",
    "clearer evaluate denoise-gray --protocol gray-awgn-50 --data bsd68",
    "clearer evaluate runs/mine --protocol rain-y --clean test/clean \\\n    --degraded test/degraded",
)
def evaluate(options: EvaluateOptions) -> None:
    """Measure a model's PSNR and SSIM by a named protocol.

    The table shows the means over the degraded images (input) and over the restored ones; the values of each image
    are saved.
    """
    from clearer.cli.robustness import evaluate_robustness
    from clearer.data.folders import matching_note
    from clearer.evaluation.protocols import parse_protocol
    from clearer.pipeline import evaluate as measure
    from clearer.report.facts import seen_line
    from clearer.report.intensity import intensity_line, intensity_of

    how: dict[str, Any] = {
        "limit": options.limit,
        "ensemble": options.ensemble,
        "seed": options.seed,
        "precision": options.precision,
    }
    if options.protocol == ROBUSTNESS:
        _refuse_for_robustness(options)
        return evaluate_robustness(
            options.model, options.one_folder(), options.out, options.as_json, device=options.device, **how
        )
    how |= {"clean_side": options.clean_side, "channel": options.channel}
    images = options.images()
    if images is not None and (note := matching_note(images)) is not None:
        say(f"note: {note}", console_for_people(True))
    how["span"] = None if options.span is None else span_of(options.span)
    place = options.out or measure.default_place(options.model, images, options.protocol, **how)
    with progress_bar("evaluate") as progress:
        result = measure.evaluate(
            options.model, images, options.protocol, **how, device=options.device, out=place, progress=progress
        )
    rows = [
        ("input", f"{result['input_psnr']:.2f}", f"{result['input_ssim']:.4f}"),
        ("restored", f"{result['psnr']:.2f}", f"{result['ssim']:.4f}"),
    ]
    console = console_for_people(options.as_json)
    title = f"{options.protocol}, {result['images']} image(s){', x8 self-ensemble' if options.ensemble else ''}"
    print_table(title, ("", "PSNR dB", "SSIM"), rows, console)
    if (intensity := intensity_of(result)) is not None:
        say(f"intensity: {intensity_line(intensity)}", console)
    if options.seed and parse_protocol(options.protocol).needs_pairs:
        say(f"note: --seed: {options.protocol} takes pairs as they are; it changes nothing", console)
    if "scales" in result:
        say(f"note: {result['scales']}", console)
    if (line := seen_line(result)) is not None:
        say(f"note: {line}", console)
    say(f"result: {place}", console)
    say(f"values of each image: {place.with_suffix('.csv')}", console)
    if options.as_json:
        print_json({**result, "saved": str(place)})
    return None


def _refuse_for_robustness(options: EvaluateOptions) -> None:
    """Refuse options that change nothing where images of 8 bits are degraded anew."""
    given = {"--range": options.span, "--clean-side": options.clean_side, "--channel": options.channel}
    if named := [name for name, value in given.items() if value is not None]:
        raise UserError(f"{named[0]}: {ROBUSTNESS} degrades its own images of 8 bits; leave it out")
