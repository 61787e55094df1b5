"""The Typer app: all verbs, under the headings of ``clearer --help``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from clearer.cli import (
    catalog,
    data,
    describe,
    evaluate,
    export,
    fit,
    latency,
    methods,
    reproduce,
    reproduce_methods,
    restore,
    verdict,
    web,
)
from clearer.cli.help import HELP_OPTIONS, VerbGroup
from clearer.cli.verb import Verb
from clearer.core.errors import UserError
from clearer.core.version import __version__

SHARED_VERBS = ("fit", "search", "train")
"""Verbs that several processes of torchrun can run together."""

VERBS: dict[str, tuple[Verb[Any], ...]] = {
    "Use": (restore.restore, web.web, catalog.models, export.export, describe.describe, latency.latency),
    "Train": (
        fit.quickstart,
        data.doctor,
        catalog.recipes,
        fit.fit,
        fit.search,
        fit.train,
        evaluate.evaluate,
    ),
    "Study": (methods.methods, verdict.verdict, verdict.compare_protocols),
}
"""All verbs by heading; the group ``reproduce`` stands before those of "Study"."""

REPRODUCE: tuple[Verb[Any], ...] = (
    reproduce.table1,
    reproduce.figures34,
    reproduce_methods.figures5_7,
    reproduce_methods.figure8,
    reproduce_methods.tables,
    reproduce_methods.baselines,
    reproduce.ablations,
    reproduce.redraw,
)
"""Verbs of the group ``reproduce``."""

CONTEXT = {"help_option_names": HELP_OPTIONS}

app = typer.Typer(
    name="clearer",
    cls=VerbGroup,
    help="Search for, train and use small image-restoration networks (CLEARER, NeurIPS 2020).",
    epilog="clearer restore denoise-gray noisy.png -o restored.png\nclearer fit --help",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)
paper = typer.Typer(
    cls=VerbGroup,
    help="Reproduce the tables and figures of the paper.",
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"clearer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    from clearer.training import distributed as processes

    name = context.invoked_subcommand
    if processes.launched()[1] > 1 and name not in SHARED_VERBS:
        raise UserError(f"torchrun: {name} runs in one process; start only {', '.join(SHARED_VERBS)} in several")


for _verb in REPRODUCE:
    _verb.add_to(paper)
for _heading, _verbs in VERBS.items():
    if _heading == "Study":
        app.add_typer(paper, name="reproduce", rich_help_panel=_heading)
    for _verb in _verbs:
        _verb.add_to(app, _heading)
