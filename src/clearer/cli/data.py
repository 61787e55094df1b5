"""Verb that examines images before training: doctor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from clearer.cli.options import ImageOptions, Json, Layout
from clearer.cli.verb import argument, option, verb
from clearer.core.console import console_for_people, print_json, progress_bar
from clearer.core.errors import UserError

if TYPE_CHECKING:
    from clearer.data.doctor_report import Findings


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(ImageOptions):
    """Options of doctor."""

    data: Annotated[
        str | None, argument("FOLDER", "Images, or sub-folders of pairs or of train, val and test images.")
    ] = None
    layout: Layout = "auto"
    clean_side: Annotated[
        str,
        option(
            "Data",
            "Clean half of side-by-side images: left or right.",
            metavar="SIDE",
            complete=lambda: ["left", "right"],
        ),
    ] = "left"
    figure: Annotated[
        Path | None,
        option("Output", "Draw the noise to this .svg, .png or .html file.", "--figure", metavar="FILE"),
    ] = None
    system: Annotated[
        bool, option("Output", "Describe this machine and installation, as a report of a fault needs it.", "--system")
    ] = False
    as_json: Json = False


@verb(
    "doctor",
    "clearer doctor photos",
    "clearer doctor noisy --figure noise.html",
    "clearer doctor --clean pairs/clean --degraded pairs/degraded",
    "clearer doctor --system",
)
def doctor(options: DoctorOptions) -> None:
    """Check a folder of images and propose how to split it.

    The report covers counts, sizes, unreadable files, duplicates, leaks between training and test images, images
    without a partner, and the noise: its level against brightness, its correlation, and the training that fits it.

    With --system, it describes the machine and the installation instead: versions, devices, threads, extras, models.
    """
    if options.system:
        _show_system(options)
        return
    from clearer.data.doctor import examine
    from clearer.data.doctor_report import print_findings

    images = options.images()
    if options.figure is not None:
        from clearer.report.noise_figure import check_figure_name

        check_figure_name(options.figure)
    with progress_bar("read") as progress:
        findings = examine(images, options.layout, options.clean_side, progress)
    print_findings(findings, console_for_people(options.as_json))
    if options.figure is not None:
        _draw(findings, options.figure)
    if options.as_json:
        print_json(findings.to_dict())


def _show_system(options: DoctorOptions) -> None:
    from clearer.cli.system import show_system

    of_images = {
        "FOLDER": options.data,
        "--clean": options.clean,
        "--degraded": options.degraded,
        "--clean-pattern": options.clean_pattern,
        "--degraded-pattern": options.degraded_pattern,
        "--figure": options.figure,
        "--layout": None if options.layout == "auto" else options.layout,
        "--clean-side": None if options.clean_side == "left" else options.clean_side,
    }
    given = [name for name, value in of_images.items() if value is not None]
    if given:
        raise UserError(f"--system: looks at no images; leave {', '.join(given)} out")
    show_system(options.as_json)


def _draw(findings: Findings, path: Path) -> None:
    from clearer.report.noise_figure import save_noise_figure

    profiles = {part.name: part.noise for part in findings.parts if part.noise is not None}
    if not profiles:
        raise UserError(
            f"--figure {path}: no image has 8x8 pixels with values, which measuring noise needs; leave it out"
        )
    save_noise_figure(profiles, path)
