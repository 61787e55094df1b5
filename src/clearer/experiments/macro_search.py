"""Search for the best network within a budget, over the whole macro space, by real short trainings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    recipe: Recipe, out: Path, budget: Budget, *, minutes: float = 60, jobs: int | None = None, console: Console
) -> Found:
    """Choose a network for the images of a recipe within a budget; a repeated call resumes.

    Args:
        recipe: its images, its settings of the training, and of the network channels, norm, residual and condition.
        out: folder of the search; each short training is a run folder in ``out``/trainings.
        budget: what the network may cost.
        minutes: about as long as the search may take.
        jobs: trainings at a time; by default one a core, each on one thread.
        console: where progress is printed.

    Raises:
        UserError: nothing in the space meets the budget, the minutes are too few, or a training fails.
        Interrupted: see `clearer.fit`.
    """
    cost, unit = cost_of_networks(budget, recipe, console)
    fields = fixed_fields(recipe)
    default = scaled_default(cost, unit, fields)
    jobs = jobs or default_jobs(recipe.device, NETWORKS)
    schedule = _schedule(recipe, default, out, minutes, jobs, console)
    candidates = [default, *itertools.islice(_others(cost, unit, recipe.seed, fields, default), schedule.networks - 1)]
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
        if number == 0:
            extra = _rung(recipe, out, number, rung, [(default, s) for s in range(1, SEEDS)], jobs, cost, console)
            lines += extra
        lines += (now := _rung(recipe, out, number, rung, pairs, jobs, cost, console))
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


def _others(
    cost: Cost, budget: float, seed: int, fields: dict[str, Any], default: Architecture
) -> Iterator[Architecture]:
    return (network for network in sampled(cost, budget, seed, **fields) if network != default)


def _schedule(
    recipe: Recipe, default: Architecture, out: Path, minutes: float, jobs: int, console: Console
) -> Schedule:
    """Return the schedule that fills the minutes; it is kept, so that a repeated call resumes the same search."""
    file = out / "schedule.json"
    if not file.exists():
        plan = Plan("time of a step", short(recipe, default, 0, TIMED_STEPS), out / "timing", "train")
        carry_out([plan], jobs=1, console=Console(quiet=True))
        step = plan.run.train.read_result()["seconds"] / TIMED_STEPS
        found = Schedule.within(int(60 * minutes * jobs / step), NETWORKS)
        write_json(file, {"networks": found.networks, "steps": found.steps, "rungs": found.rungs, "minutes": minutes})
    kept = json.loads(file.read_text())
    return Schedule(kept["networks"], kept["steps"], kept["rungs"])


def _rung(
    recipe: Recipe,
    out: Path,
    number: int,
    rung: Rung,
    pairs: list[tuple[Architecture, int]],
    jobs: int,
    cost: Callable[[Architecture], float],
    console: Console,
) -> list[Trained]:
    """Train networks to the end of a rung, and add a line each to the ledger; those that are there are not repeated."""
    ledger = out / "ledger.jsonl"
    known = {(line.rung, line.architecture, line.seed): line for line in read_ledger(ledger)}
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
            end, price = end_of(plan, rung.steps), cost(Architecture.parse(text))
            assert end is not None  # `carry_out` ends when all are trained
            line = Trained(number, text, seed, rung.steps, psnr_of(end), end["seconds"], price)
            add_to_ledger(ledger, line)
        lines.append(line)
    return lines
