"""The time that a verdict on a search within budgets gives: what the search took, and what a step of training takes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.files import read_shaped, write_json
from clearer.experiments.budget_results import read_chosen
from clearer.experiments.search_cost import PlannedSearch
from clearer.experiments.step_timing import BUSY, timed_steps
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import read_ledger


def search_seconds(folder: RunFolder) -> float:
    """Return the seconds of all trainings of a search, each on one thread; a training that went on counts once.

    What each costs besides its steps (starting a process, reading the images) is counted as the search estimated it.
    """
    lines = read_ledger(folder.budget / "ledger.jsonl")
    last = {(line.architecture, line.seed): line.seconds for line in lines}
    around = PlannedSearch.read(folder.budget / "schedule.json").timing.around
    return sum(last.values()) + around * len(lines)


def seconds_per_budget(folder: RunFolder) -> float:
    """Return the share of one budget in the seconds of a search."""
    return search_seconds(folder) / len(read_chosen(folder))


def seconds_per_step(
    folder: RunFolder,
    trainings: Mapping[str, Sequence[Recipe]],
    out: Path,
    *,
    seconds: float,
    jobs: int,
    console: Console,
) -> dict[str, float]:
    """Return, by budget, the seconds of a step of a training of the default network, as the verdict trains it.

    A search whose short trainings had the patches of the recipe has measured it. Another one trains on smaller patches:
    there, trainings are timed, once.

    Args:
        folder: of the run.
        trainings: by budget, those of the default network, to be timed side by side.
        out: the folder of the verdict, which keeps what was timed.
        seconds: of a training, about.
        jobs: trainings at a time.
        console: where progress is printed.
    """
    file = out / "timing.json"
    kept = read_shaped(file, dict[str, float]) if file.exists() else {}
    if not PlannedSearch.read(folder.budget / "schedule.json").schedule.small_patches:
        kept |= _in_search(folder)
    for budget, recipes in trainings.items():
        if budget not in kept:
            by_name = {str(number): recipe for number, recipe in enumerate(recipes)}
            found, unsure = timed_steps(by_name, out / "timing", seconds, jobs, console)
            kept[budget] = statistics.mean(found.values())
            write_json(file, kept)
            if unsure:
                say(
                    f"verdict: {BUSY}, so the trainings may take less time than was asked for; else stop the programs, "
                    f"remove {file} and rerun the command",
                    console,
                )
    return {budget: kept[budget] for budget in trainings}


def _in_search(folder: RunFolder) -> dict[str, float]:
    """Return the seconds of a step of the default network of each budget in the search, as far as it was trained."""
    lines = read_ledger(folder.budget / "ledger.jsonl")
    found = {}
    for chosen in read_chosen(folder):
        of_default = [line.seconds / line.steps for line in lines if line.architecture == chosen.default]
        if of_default:
            found[chosen.budget] = sum(of_default) / len(of_default)
    return found
