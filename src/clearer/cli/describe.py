"""Verb that describes a network: describe."""

from __future__ import annotations

from dataclasses import dataclass
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
        Path | None, option("Output", "Draw the architecture to an .svg or .png file.", "--out", "-o", metavar="FILE")
    ] = None
    as_json: Json = False


@verb("describe", "clearer describe denoise-gray", "clearer describe FPPF-FFFF-PFFP --width 16 -o drawing.svg")
def describe(options: DescribeOptions) -> None:
    """Show the parts of a network and their cost; draw it."""
    from clearer.pipeline.describe import describe as run_describe

    found = run_describe(options.target, **options.fields())
    if options.out is not None:
        found.draw(options.out)
    a = found.architecture
    title = f"{a}: {a.operations} operations, {a.channels} channel(s), width {a.width}, norm {a.norm}"
    title += f", unshuffle {a.unshuffle}" if a.unshuffle > 1 else ""
    title += ", noise level as an optional input" if a.takes_level else ""
    rows = [(part.module, f"{part.parameters:,}", f"{part.macs_per_pixel:,.0f}") for part in found.parts]
    total = ("whole network", f"{found.parameters:,}", f"{found.macs_per_pixel:,.0f}")
    console = console_for_people(options.as_json)
    print_table(title, ("part", "parameters", "MAC/pixel"), rows, console, total=total)
    if options.out is not None:
        say(f"drawing: {options.out}", console)
    if options.as_json:
        print_json({**found.to_dict(), "drawing": None if options.out is None else str(options.out)})
