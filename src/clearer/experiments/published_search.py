"""The published search within a budget: it chooses the genotype of a network whose width the budget sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.experiments.budget_checks import check_before_search
from clearer.experiments.budget_cost import (
    cost_of_networks,
    fixed_fields,
    refuse_network_settings,
    scaled_default,
    timed_precision,
)
from clearer.experiments.search_candidates import GENOTYPES, Candidates, device_here, on_all_threads
from clearer.experiments.search_claims import once
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.data_mode import choose
from clearer.pipeline.fit import STAGES
from clearer.pipeline.latency import measure_latency
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed

CLEARER, HALVING, SLIMMABLE = "clearer", "halving", "slimmable"
"""Ways to search: the published one, successive halving over the macro space, and one network slimmed to a budget."""


def check_search(way: str | None, budgets: Sequence[str], architecture: object) -> None:
    """Refuse contradictory settings of a search.

    Args:
        way: `CLEARER`, `HALVING` or `SLIMMABLE`; None is the second where there is a budget.
        budgets: of the networks.
        architecture: whether one is given.

    Raises:
        UserError: the way is unknown, or does not fit the others.
    """
    if way not in (None, CLEARER, HALVING, SLIMMABLE):
        raise UserError(f"--search: {way!r} is not one of {CLEARER}, {HALVING}, {SLIMMABLE}")
    if way is not None and architecture:
        raise UserError(f"--search {way}: an architecture or a model to start from is given too; leave out one of them")
    if way in (HALVING, SLIMMABLE) and not budgets:
        raise UserError(f"--search {way}: needs --budget, such as --budget 100ms@1mp")
    if way in (CLEARER, SLIMMABLE) and len(budgets) > 1:
        raise UserError(f"--search {way}: takes one --budget, {len(budgets)} are given; use --search {HALVING}")


def published_within(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budget: str,
    *,
    stages: Sequence[str] = STAGES,
    console: Console,
) -> tuple[Path, dict[str, Any]]:
    """Return the run folder and the overrides with which `clearer.fit` searches at the width that a budget allows.

    The width is that of the default network, scaled to the budget; it is kept in the sub-folder ``budget``.

    Args:
        recipe, out, overrides, stages: see `clearer.fit`.
        budget: such as ``100ms@1mp``; see `Budget.parse`.
        console: where progress is printed.

    Raises:
        UserError: the budget cannot be met, settings are given that it decides, or the folder holds a search of
            another budget, space or recipe.
    """
    wanted = Budget.parse(budget)
    refuse_network_settings(overrides, str(wanted))
    if distributed.launched()[0]:
        console = Console(quiet=True)
    chosen = choose(recipe, overrides)
    for remark in chosen.remarks:
        say(remark, console)
    resolved = load_recipe(chosen.recipe, {**chosen.overrides, "architecture": None})
    folder = RunFolder(Path(out) if out is not None else Path("runs") / resolved.name)
    check_before_search(resolved, folder, [wanted], stages)
    file = folder.budget / "candidates.json"
    with on_all_threads():
        once(file, lambda: _scaled(resolved, wanted, console).write(file, resolved), console)
    (default,) = Candidates.read(file, resolved, wanted, GENOTYPES).networks
    say(f"search: the genotype of {default.text}, the default network within {wanted}", console)
    return folder.path, {**overrides, **_network_settings(resolved, default)}


def _scaled(recipe: Recipe, budget: Budget, console: Console) -> Candidates:
    cost, amount = cost_of_networks(budget, recipe, console)
    default = scaled_default(cost, amount, fixed_fields(recipe))
    return Candidates(str(budget), device_here(recipe, budget), {default: cost(default)}, GENOTYPES)


def _network_settings(recipe: Recipe, default: Architecture) -> dict[str, Any]:
    """Return the settings of a supernet of the default network's form."""
    fields = {field.name for field in dataclasses.fields(recipe.network)}
    space = {key: value for key, value in dataclasses.asdict(default.space).items() if key in fields}
    space = {key: list(value) if isinstance(value, tuple) else value for key, value in space.items()}
    patches = {f"{part}.patch": getattr(recipe, part).patch for part in ("search", "train")}
    rounded = {key: -(-patch // default.multiple) * default.multiple for key, patch in patches.items()}
    return {"architecture": None, **{f"network.{key}": value for key, value in space.items()}, **rounded}


def say_cost(architecture: Architecture, budget: str, overrides: Mapping[str, Any], console: Console) -> None:
    """Print what the network found costs beside the budget: its genotype changes that."""
    wanted = Budget.parse(budget)
    if wanted.milliseconds is None:
        found = f"{macs_per_pixel(architecture) / 1000:.4g} kMAC/pixel"
    else:
        device, precision = (str(overrides.get(key, "auto")) for key in ("device", "precision"))
        timed = measure_latency(architecture, at=wanted.size, device=device, precision=timed_precision(precision))
        milliseconds = timed["milliseconds"]
        found = f"{milliseconds:.4g} ms"
    say(f"search: {architecture} costs {found}; the budget was {wanted}", console)
