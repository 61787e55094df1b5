"""Verb that examines images before training: doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from clearer.cli.options import ImageOptions, Json, Layout
from clearer.cli.verb import argument, option, verb
from clearer.core.console import console_for_people, print_json, progress_bar


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
    as_json: Json = False


@verb("doctor", "clearer doctor photos", "clearer doctor --clean pairs/clean --degraded pairs/degraded")
def doctor(options: DoctorOptions) -> None:
    """Check a folder of images and propose how to split it.

    The report covers counts, sizes, unreadable files, duplicates, leaks between training and test images, and images
    without a partner.
    """
    from clearer.data.doctor import examine
    from clearer.data.doctor_report import print_findings

    images = options.images()
    with progress_bar("read") as progress:
        findings = examine(images, options.layout, options.clean_side, progress)
    print_findings(findings, console_for_people(options.as_json))
    if options.as_json:
        print_json(findings.to_dict())
