"""The verb that lists all methods of the tables and figures: methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearer.cli.options import Json
from clearer.cli.verb import verb
from clearer.core.console import console_for_people, print_json, print_table, say

if TYPE_CHECKING:
    from clearer.methods.listing import MethodEntry


@dataclass(frozen=True, kw_only=True)
class MethodsOptions:
    """Options of methods."""

    as_json: Json = False


@verb("methods", "clearer methods", "clearer reproduce tables --classical all --bsd500 bsds500/test")
def methods(options: MethodsOptions) -> None:
    """List the methods that tables and figures compare.

    'reproduce tables' and 'figures5-7' take classical ones with --classical, pretrained models and runs with --models.

    kMAC/px: thousands of multiply-adds per pixel.
    """
    from clearer.methods.listing import list_methods

    found = list_methods()
    console = console_for_people(options.as_json)
    print_table("", ("method", "task", "kind", "kMAC/px", "needs"), [_row(method) for method in found], console, left=3)
    for method in found:
        if method["install"]:
            say(f"{method['name']}: not installed; {method['install']}", console)
        elif method["license"]:
            say(f"{method['name']}: {method['license']}", console)
    say("learned: networks of other systems, without weights here; clearer train baselines/NAME", console)
    if options.as_json:
        print_json({"methods": found})


def _row(method: MethodEntry) -> tuple[str, ...]:
    macs = method["macs_per_pixel"]
    cost = "" if macs is None else f"{macs / 1e3:,.0f}"
    needs = "training" if method["kind"] == "learned" and not method["ours"] else method["needs"]
    return method["name"], method["task"], "clearer" if method["ours"] else method["kind"], cost, needs
