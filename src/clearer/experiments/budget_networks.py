"""The networks that are compared for each of several budgets, which share one ledger and one schedule."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from rich.console import Console

from clearer.core.console import say
from clearer.core.files import read_shaped, write_json
from clearer.core.text import duration
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields, refuse_unmet, scaled_default
from clearer.experiments.macro_search import NETWORKS
from clearer.experiments.search_candidates import networks_within
from clearer.experiments.search_claims import CLAIMS, claimed
from clearer.experiments.search_cost import PlannedSearch, time_trainings
from clearer.experiments.search_workers import Workers
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.search.halving import Schedule, Timing
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
    costs: dict[str, Cost] = {}
    for budget in budgets:
        if budget.unit in costs:  # budgets of a unit share a table of times
            refuse_unmet(costs[budget.unit], budget, recipe)
        else:
            costs[budget.unit], _ = cost_of_networks(budget, recipe, console)
    drawn = {}
    for budget in budgets:
        cost = costs[budget.unit]
        default = scaled_default(cost, budget.amount, fixed_fields(recipe))
        drawn[budget] = cost, networks_within(cost, budget.amount, recipe, default, NETWORKS)
    file = folder.budget / "schedule.json"
    if file.exists():
        schedule = PlannedSearch.read(file).schedule
    else:
        place = folder.budget / "timing"
        timings = [time_trainings(recipe, networks, place, workers, console) for _, networks in drawn.values()]
        around, step = (statistics.mean(getattr(t, name) for t in timings) for name in ("around", "step"))
        timing = Timing(around, step)
        schedule = Schedule.within(60 * minutes / len(budgets), timing, workers.jobs, NETWORKS)
        PlannedSearch(schedule, timing, minutes, workers.threads).write(file)
        seconds = len(budgets) * sum(timing.of_rungs(schedule, workers.jobs))
        say(
            f"search: {len(budgets)} x {sum(schedule.trainings())} trainings within "
            f"{', '.join(budget.text for budget in budgets)}, about {duration(seconds)} together; all networks train "
            "for the same steps",
            console,
        )
    return {budget: (cost, networks[: schedule.networks]) for budget, (cost, networks) in drawn.items()}
