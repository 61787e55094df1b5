"""Verb that describes a network: describe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from clearer.cli.network_options import NetworkOptions
from clearer.cli.options import Json, model_names
from clearer.cli.verb import argument, option, verb
from clearer.core.console import console_for_people, print_json, print_table, say


@dataclass(frozen=True, kw_only=True)
class DescribeOptions(NetworkOptions):
    """Options of describe; the network's own are for an architecture given as text."""

    target: Annotated[
        str,
        argument(
            "ARCHITECTURE",
            "Genotype such as FPPF-FFFF-PFFP (or the text form, GENOTYPE@width=48,...), name of a pretrained model, "
            "weight file or run folder.",
            complete=model_names,
        ),
    ]
    out: Annotated[
        Path | None, option("Output", "Draw the network to an .svg or .png file.", "--out", "-o", metavar="FILE")
    ] = None
    supernet: Annotated[
        bool,
        option(
            "Output",
            "Count, and with --out draw, the supernet that a search of its space trains, instead of the network.",
            "--supernet",
        ),
    ] = False
    as_json: Json = False


@verb("describe", "clearer describe denoise-gray", "clearer describe FPPF-FFFF-PFFP --width 16 -o drawing.svg")
def describe(options: DescribeOptions) -> None:
    """Show the parts of a network and their cost; draw it."""
    from clearer.pipeline.describe import describe as run_describe
    from clearer.pipeline.describe import describe_supernet, draw_supernet

    found = run_describe(options.target, **options.fields())
    a = found.architecture
    if options.out is not None and options.supernet:
        draw_supernet(a, options.out)
    elif options.out is not None:
        found.draw(options.out)
    parts = describe_supernet(a) if options.supernet else found.parts
    title = "supernet of " if options.supernet else ""
    title += f"{a}: {a.operations} operations, {a.channels} channel(s), width {a.width}, norm {a.norm}"
    title += f", unshuffle {a.unshuffle}" if a.unshuffle > 1 else ""
    title += ", noise level as an optional input" if a.takes_level else ""
    rows = [(part.module, f"{part.parameters:,}", f"{part.macs_per_pixel:,.0f}") for part in parts]
    parameters, macs = sum(part.parameters for part in parts), sum(part.macs_per_pixel for part in parts)
    total = ("whole supernet" if options.supernet else "whole network", f"{parameters:,}", f"{macs:,.0f}")
    console = console_for_people(options.as_json)
    print_table(title, ("part", "parameters", "MAC/pixel"), rows, console, total=total)
    if options.out is not None:
        say(f"drawing: {options.out}", console)
    if options.as_json:
        counts = {"parameters": parameters, "macs_per_pixel": macs, "cells": [asdict(part) for part in parts]}
        more = {"supernet": counts} if options.supernet else {}
        print_json({**found.to_dict(), **more, "drawing": None if options.out is None else str(options.out)})
