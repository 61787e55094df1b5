"""The part of restore that restores many files with workers."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from clearer.core.console import console_for_people, print_json, progress_bar, say
from clearer.core.errors import UserError, masked
from clearer.core.signals import terminable
from clearer.core.text import shortened, terminal_safe

if TYPE_CHECKING:
    from clearer.bulk.run import BulkRequest, BulkResult
    from clearer.cli.restore_options import RestoreOptions

STOPPED = "stopped; files restored so far are recorded; rerun the command to resume"


def restore_bulk(options: RestoreOptions) -> None:
    """Restore the files of a folder or a list; print how many, and what failed."""
    from clearer.bulk import run

    request = _request(options)
    with terminable(STOPPED), progress_bar("restore", "files") as progress:
        result = run.restore_bulk(request, progress)
    _print(result, options)
    if options.as_json:
        facts = {"model": request.model, "precision": request.precision, "options": request.options}
        print_json({**facts, **result.to_json()})
    if result.tally.failed:
        raise typer.Exit(1)


def _request(options: RestoreOptions) -> BulkRequest:
    from clearer.bulk.local import Local
    from clearer.bulk.run import BulkRequest

    if options.compare is not None:
        raise UserError("--compare: is for one image; leave it out for many files")
    if options.to_stdout:
        raise UserError("-o -: many files cannot go to stdout; name an output folder")
    if options.source == "-":
        raise UserError("-: one image, where workers share many; give a list of files with --manifest -")
    if options.source is not None and Path(options.source).is_file():
        raise UserError(f"{options.source}: one file, where workers share many; give a list of files with --manifest")
    return BulkRequest(
        model=str(options.model),
        source=str(options.manifest if options.source is None else options.source),
        out=options.out,
        options=_values(options),
        precision=options.precision,
        shards=options.shards,
        shard=options.shard,
        distributor=options.distributor or "local",
        workers=Local(options.workers, device=options.device),
        state=options.state,
    )


def _values(options: RestoreOptions) -> dict[str, Any]:
    """Return the options of the restoration that are not the default, ready for JSON."""
    from clearer.inference.options import RestoreOptions as Options

    chosen, default = options.chosen(), Options()
    values = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
    differ = {
        name: list(value) if isinstance(value, tuple) else value  # as they are read back, to be compared
        for name, value in values.items()
        if name != "sigma" and value != getattr(default, name)
    }
    return differ if options.sigma is None else {**differ, "sigma": options.sigma}


def _print(result: BulkResult, options: RestoreOptions) -> None:
    tally = result.tally
    for note in result.plan.notes:
        print(f"clearer: note: {shortened(terminal_safe(note))}", file=sys.stderr)
    for note, count in tally.notes.items():
        print(f"clearer: note: {count} file(s): {shortened(terminal_safe(note))}", file=sys.stderr)
    for error in tally.errors:
        print(f"clearer: {shortened(terminal_safe(error))}", file=sys.stderr)
    if tally.failed > len(tally.errors):
        print(f"clearer: {tally.failed - len(tally.errors)} more failed; see the records", file=sys.stderr)
    if options.quiet:
        return
    console = console_for_people(options.as_json)
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    failed = f", {tally.failed} failed" if tally.failed else ""
    already = f", {tally.already} done before" if tally.already else ""
    rate = f" in {result.seconds:.1f} s" if tally.restored else ""
    say(
        f"{tally.restored} file(s) restored{rate}{already}{skipped}{failed}: {masked(options.out or 'as listed')}",
        console,
    )
    say(f"records: {result.folder.part(result.plan)}", console)
