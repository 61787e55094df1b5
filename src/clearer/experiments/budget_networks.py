"""The networks that are compared for each of several budgets, which share one ledger and one schedule."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.console import Console

from clearer.core.console import say
from clearer.core.files import read_json, write_json
from clearer.core.text import duration
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields, scaled_default
from clearer.experiments.macro_search import NETWORKS, kept_schedule, networks_within, seconds_of_step
from clearer.experiments.runner import default_jobs
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.search.macro_space import LEAST_SHARE, Cost


def shared_networks(
    recipe: Recipe, folder: RunFolder, budgets: Sequence[Budget], *, minutes: float, jobs: int | None, console: Console
) -> dict[Budget, list[Architecture]]:
    """Return the networks to compare for each budget, the scaled default first; a repeated call returns the same.

    All budgets train for the same steps, so that their networks can be compared: the minutes are divided in
    proportion to what a step of each takes. A network of one budget that costs 90 to 100 % of another counts for both.

    Args:
        recipe, minutes, jobs, console: see `macro_search`.
        folder: of the search; the networks are kept there.
        budgets: those of a call. Budgets of earlier calls keep their networks.

    Raises:
        UserError: nothing in the space meets a budget, or the minutes are too few.
    """
    kept: dict[str, list[str]] = read_json(folder.budgeted_networks) if folder.has_several_budgets else {}
    new = [budget for budget in budgets if budget.folder not in kept]
    if not new:
        return {budget: [Architecture.parse(text) for text in kept[budget.folder]] for budget in budgets}
    jobs = jobs or default_jobs(recipe.device, NETWORKS)
    units: dict[str, Cost] = {}
    for budget in new:
        if budget.unit not in units:
            units[budget.unit], _ = cost_of_networks(budget, recipe, console)
    fields = fixed_fields(recipe)
    defaults = {budget: scaled_default(units[budget.unit], budget.amount, fields) for budget in new}
    seconds = {
        budget: seconds_of_step(recipe, default, folder.budget / f"timing-{budget.folder}")
        for budget, default in defaults.items()
    }
    schedule = kept_schedule(folder.budget, minutes, jobs, lambda: sum(seconds.values()))
    own = {
        budget: networks_within(units[budget.unit], budget.amount, recipe, default, schedule.networks)
        for budget, default in defaults.items()
    }
    earlier = (Architecture.parse(text) for texts in kept.values() for text in texts)
    others = dict.fromkeys([*earlier, *itertools.chain.from_iterable(own.values())])
    for budget, networks in own.items():
        cost, least = units[budget.unit], LEAST_SHARE * budget.amount
        more = [a for a in others if a not in networks and least <= cost(a) <= budget.amount]
        kept[budget.folder] = [network.text for network in (*networks, *more)]
        time = duration(seconds[budget] * schedule.total_steps / jobs)
        say(f"search within {budget.text}: {len(kept[budget.folder])} networks, about {time}", console)
    write_json(folder.budgeted_networks, kept)
    return shared_networks(recipe, folder, budgets, minutes=minutes, jobs=jobs, console=console)
