"""Search for the best network within a budget, over the whole macro space, by real short trainings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.files import write_json
from clearer.core.text import duration
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields, scaled_default
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.experiments.search_ledger import Trained, add_to_ledger, read_ledger
from clearer.experiments.short_training import end_of, psnr_of, short
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.search.halving import SEEDS, Gate, Rung, Schedule, best, gate
from clearer.search.macro_space import Cost, sampled

NETWORKS, TIMED_STEPS = 27, 20
"""Networks of the first rung, if there is time; steps that time a training."""


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Args:
        architecture: the choice.
        default: the default network, scaled to the budget.
        gate: spread over networks and over seeds.
        trained: all lines of the ledger.
    """

    architecture: Architecture
    default: Architecture
    gate: Gate
    trained: tuple[Trained, ...]


def macro_search(
    recipe: Recipe,
    out: Path,
    budget: Budget,
    *,
    minutes: float = 60,
    jobs: int | None = None,
    networks: Sequence[Architecture] = (),
    console: Console,
) -> Found:
    """Choose a network for the images of a recipe within a budget; a repeated call resumes.

    Args:
        recipe: its images, its settings of the training, and of the network channels, norm, residual and condition.
        out: folder of the search; each short training is a run folder in ``out``/trainings.
        budget: what the network may cost.
        minutes: about as long as the search may take.
        jobs: trainings at a time; by default one a core, each on one thread.
        networks: what to compare, the scaled default first; by default as many of the space as the minutes allow.
        console: where progress is printed.

    Raises:
        UserError: nothing in the space meets the budget, the minutes are too few, or a training fails.
        Interrupted: see `clearer.fit`.
    """
    cost, amount = cost_of_networks(budget, recipe, console)
    default = networks[0] if networks else scaled_default(cost, amount, fixed_fields(recipe))
    jobs = jobs or default_jobs(recipe.device, NETWORKS)
    schedule = kept_schedule(out, minutes, jobs, lambda: seconds_of_step(recipe, default, out / "timing"))
    candidates = list(networks) or networks_within(cost, amount, recipe, default, schedule.networks)
    say(
        f"search: {len(candidates)} networks within {budget}, {schedule.total_steps:,} steps in all, about "
        f"{duration(60 * minutes)}, {jobs} at a time",
        console,
    )
    by_text = {a.text: a for a in candidates}
    lines: list[Trained] = []
    alive, judged = [a.text for a in candidates], Gate(float("nan"), 0.0)
    for number, rung in enumerate(schedule):
        alive = alive if number == 0 else best({x.architecture: x.psnr for x in lines[-len(alive) :]}, rung.networks)
        pairs = [(by_text[text], 0) for text in alive]
        trained = partial(_rung, recipe, out, number, rung, jobs=jobs, price=(cost, budget.unit), console=console)
        if number == 0:
            lines += (extra := trained([(default, seed) for seed in range(1, SEEDS)]))
        lines += (now := trained(pairs))
        if number == 0:
            own = [x.psnr for x in now if x.architecture == default.text] + [x.psnr for x in extra]
            judged = gate([x.psnr for x in now], own)
            if not judged.open:
                say(
                    f"search: networks of equal cost differ by {judged.spread:.3f} dB, seeds by "
                    f"{judged.chance:.3f} dB: nothing to choose; the default network is taken",
                    console,
                )
                return Found(default, default, judged, tuple(lines))
    last = {x.architecture: x.psnr for x in lines[-len(alive) :]}
    return Found(by_text[best(last, 1)[0]], default, judged, tuple(lines))


def networks_within(cost: Cost, amount: float, recipe: Recipe, default: Architecture, count: int) -> list[Architecture]:
    """Return the default network and others of 90 to 100 % of a budget, ``count`` in all."""
    sample = sampled(cost, amount, recipe.seed, **fixed_fields(recipe))
    return [default, *itertools.islice((network for network in sample if network != default), count - 1)]


def kept_schedule(out: Path, minutes: float, jobs: int, seconds_of_all: Callable[[], float]) -> Schedule:
    """Return the schedule that fills the minutes; it is kept, so that a repeated call resumes the same search.

    ``seconds_of_all`` returns the time of a step; where a schedule serves several budgets, the sum of theirs.
    """
    file = out / "schedule.json"
    if not file.exists():
        found = Schedule.within(int(60 * minutes * jobs / seconds_of_all()), NETWORKS)
        write_json(file, {"networks": found.networks, "steps": found.steps, "rungs": found.rungs, "minutes": minutes})
    kept = json.loads(file.read_text())
    return Schedule(kept["networks"], kept["steps"], kept["rungs"])


def seconds_of_step(recipe: Recipe, network: Architecture, folder: Path) -> float:
    """Return the time of a step of a training here, from a run of a few steps in ``folder``."""
    plan = Plan("time of a step", short(recipe, network, 0, TIMED_STEPS), folder, "train")
    carry_out([plan], jobs=1, console=Console(quiet=True))
    return plan.run.train.read_result()["seconds"] / TIMED_STEPS


def _rung(
    recipe: Recipe,
    out: Path,
    number: int,
    rung: Rung,
    pairs: list[tuple[Architecture, int]],
    *,
    jobs: int,
    price: tuple[Cost, str],
    console: Console,
) -> list[Trained]:
    """Train networks to the end of a rung, and add a line each to the ledger; those that are there are not repeated.

    ``price`` is the cost of a network and its unit.
    """
    ledger, (cost, unit) = out / "ledger.jsonl", price
    lines_before = [line for line in read_ledger(ledger) if line.unit in ("", unit)]  # "": an early ledger
    known = {(line.rung, line.architecture, line.seed): line for line in lines_before}
    plans = {
        (a.text, seed): Plan(
            f"{a} {a.digest}", short(recipe, a, seed, rung.steps), out / "trainings" / f"{a.digest}-seed{seed}", "train"
        )
        for a, seed in pairs
    }
    carry_out([plan for plan in plans.values() if end_of(plan, rung.steps) is None], jobs=jobs, console=console)
    lines = []
    for (text, seed), plan in plans.items():
        line = known.get((number, text, seed))
        if line is None:
            end = end_of(plan, rung.steps)
            assert end is not None  # `carry_out` ends when all are trained
            costs = cost(Architecture.parse(text))
            line = Trained(number, text, seed, rung.steps, psnr_of(end), end["seconds"], costs, unit)
            add_to_ledger(ledger, line)
        lines.append(line)
    return lines
