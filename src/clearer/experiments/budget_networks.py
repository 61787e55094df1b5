"""The networks that are compared for each of several budgets, which share one ledger and one schedule."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.core.text import duration
from clearer.experiments.budget_cost import (
    cost_of_networks,
    fixed_fields,
    refuse_unmet,
    scaled_default,
    smallest_default,
)
from clearer.experiments.macro_search import NETWORKS
from clearer.experiments.search_candidates import forms_within
from clearer.experiments.search_claims import CLAIMS, claimed
from clearer.experiments.search_cost import PlannedSearch, minutes_begin, plan_search, probe
from clearer.experiments.search_workers import Workers
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.search.macro_space import LEAST_SHARE, Cost


def shared_networks(
    recipe: Recipe, folder: RunFolder, budgets: Sequence[Budget], *, minutes: float, jobs: int | None, console: Console
) -> dict[Budget, list[Architecture]]:
    """Return the networks to compare for each budget, the scaled default first; a repeated call returns the same.

    All budgets train for the same steps, so that their networks can be compared. A network of one budget that costs
    90 to 100 % of another counts for both.

    Args:
        recipe, minutes, jobs, console: see `macro_search`.
        folder: of the search; the networks are kept there.
        budgets: those of a call. Budgets of earlier calls keep their networks.

    Raises:
        UserError: nothing in the space meets a budget, or the minutes are too few.
    """
    with claimed(folder.budget / CLAIMS / "networks"):
        kept = read_shaped(folder.budgeted_networks, dict[str, list[str]]) if folder.has_several_budgets else {}
        new = [budget for budget in budgets if budget.folder not in kept]
        if new:
            drawn = _drawn(recipe, folder, new, Workers.here(recipe.device, jobs), minutes, console)
            costs = {budget.unit: cost for budget, (cost, _) in drawn.items()}
            own = {budget: networks for budget, (_, networks) in drawn.items()}
            earlier = (Architecture.parse(text) for texts in kept.values() for text in texts)
            others = list(dict.fromkeys([*earlier, *itertools.chain.from_iterable(own.values())]))
            for budget, networks in own.items():
                cost, least = costs[budget.unit], LEAST_SHARE * budget.amount
                more = [a for a in others if a not in networks and least <= cost(a) <= budget.amount]
                kept[budget.folder] = [network.text for network in (*networks, *more)]
            write_json(folder.budgeted_networks, kept)
    return {budget: [Architecture.parse(text) for text in kept[budget.folder]] for budget in budgets}


def _drawn(
    recipe: Recipe, folder: RunFolder, budgets: Sequence[Budget], workers: Workers, minutes: float, console: Console
) -> dict[Budget, tuple[Cost, list[Architecture]]]:
    """Draw the networks of each budget, and make the schedule that fills the minutes with all of them."""
    begun, file = time.monotonic(), folder.budget / "schedule.json"
    if file.exists():
        # A damaged one is refused before networks are timed.
        if PlannedSearch.read(file).schedule.asked:
            raise UserError(f"{folder}: holds a search with --sampler tpe for one budget; choose another with --out")
    else:
        probe(recipe, smallest_default(recipe), folder.budget, minutes, workers, len(budgets), console)
    costs: dict[str, Cost] = {}
    for budget in budgets:
        if budget.unit in costs:  # budgets of a unit share a table of times
            refuse_unmet(costs[budget.unit], budget, recipe)
        else:
            costs[budget.unit], _ = cost_of_networks(budget, recipe, console)
    begun = minutes_begin(begun, budgets[0], console)
    drawn = {}
    for budget in budgets:
        cost = costs[budget.unit]
        default = scaled_default(cost, budget.amount, fixed_fields(recipe))
        drawn[budget] = cost, [default, *forms_within(cost, budget.amount, recipe, default, NETWORKS)]
    if not file.exists():
        left = 60 * minutes - (time.monotonic() - begun)
        compared = [networks for _, networks in drawn.values()]
        planned = plan_search(recipe, compared, folder.budget, workers, left, minutes, console)
        planned.write(file)
        seconds = len(budgets) * planned.schedule.seconds(planned.timing, workers.jobs)
        say(
            f"search: {len(budgets)} x {sum(planned.schedule.trainings())} trainings within "
            f"{', '.join(budget.text for budget in budgets)}, about {duration(seconds)} together; all networks train "
            "for the same steps",
            console,
        )
    count = PlannedSearch.read(file).schedule.networks
    return {budget: (cost, networks[:count]) for budget, (cost, networks) in drawn.items()}
