"""Search for the best network within a budget, over the whole macro space, by real short trainings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.experiments.asked_networks import SOBOL, TPE, check_sampler
from clearer.experiments.budget_cost import smallest_default
from clearer.experiments.search_candidates import Candidates, device_here, on_all_threads, ranking
from clearer.experiments.search_choice import Choice, Stopwatch, choose
from clearer.experiments.search_claims import WAIT, is_anyone_present, once, present
from clearer.experiments.search_cost import PlannedSearch, minutes_begin, plan_search, probe
from clearer.experiments.search_workers import Workers
from clearer.experiments.trained_rungs import TrainedRungs
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.ledger import Trained
from clearer.search.halving import UNGUIDED, Gate

NETWORKS = 27
"""Networks of the first rung, if there is time."""


@dataclass(frozen=True)
class Found:
    """The outcome of a search.

    Args:
        architecture: the choice.
        default: the default network, scaled to the budget.
        gate: spread over networks and over seeds.
        trained: all lines of the ledger.
        milliseconds: of the finalists, each measured as a whole.
    """

    architecture: Architecture
    default: Architecture
    gate: Gate
    trained: tuple[Trained, ...]
    milliseconds: Mapping[str, float] = field(default_factory=dict)


def macro_search(
    recipe: Recipe,
    out: Path,
    budget: Budget,
    *,
    minutes: float = 60,
    jobs: int | None = None,
    networks: Sequence[Architecture] = (),
    sampler: str | None = None,
    console: Console,
) -> Found:
    """Choose a network for the images of a recipe within a budget; a repeated call resumes.

    The same call in other processes, on this machine or on others that share the folder, takes part in the search.

    Args:
        recipe: its images, its settings of the training, and of the network channels and condition; all networks
            are residual and have no norm.
        out: folder of the search; each short training is a run folder in ``out``/trainings.
        budget: what the network may cost.
        minutes: about as long as the search may take, once the pieces of networks are timed on this machine.
        jobs: trainings at a time; by default one a core, each on one thread.
        networks: what to compare, the scaled default first; by default as many of the space as the minutes allow.
            Searches of several budgets can then share ``out``.
        sampler: of the first rung, `SOBOL` or `TPE`, where ``networks`` are not given; by default as the search was
            begun, or the first.
        console: where progress is printed.

    Raises:
        UserError: nothing in the space meets the budget, the minutes are too few, a training fails, the sampler is
            not installed, or the folder holds a search of another budget, recipe or sampler.
        Interrupted: see `clearer.fit`.
    """
    begun = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    count = _count(out / "schedule.json")
    file = out / f"candidates{_suffix(budget, networks)}.json"

    if not (out / "schedule.json").exists():
        check_sampler(sampler)

    def draw() -> None:
        if not (networks or (out / "schedule.json").exists()):
            probe(recipe, smallest_default(recipe), out, minutes, Workers.here(recipe.device, jobs), 1, console)
        with on_all_threads():
            Candidates.drawn(recipe, budget, count, console, networks).write(file, recipe)

    once(file, draw, console)
    begun = minutes_begin(begun, budget, console)
    candidates = Candidates.read(file, recipe, budget)
    default = candidates.networks[0]

    def plan() -> None:
        left = 60 * minutes - (time.monotonic() - begun)
        asking = None if networks else sampler
        _planned(recipe, candidates, out, jobs, asking, left, minutes, console).write(out / "schedule.json")

    once(out / "schedule.json", plan, console)
    planned = PlannedSearch.read(out / "schedule.json")
    _refuse_other_sampler(planned, sampler, out)
    if planned.minutes != minutes:
        say(f"search: goes on as it was planned, for {planned.minutes:g} minutes instead of {minutes:g}", console)
    compared = candidates if networks else candidates.first(planned.schedule.networks)
    _refuse_unknown_forms(planned, compared, file)
    workers = Workers.here(recipe.device, jobs, planned.threads)
    rungs = TrainedRungs(recipe, out, budget, planned, workers, console)
    with _present(out, candidates, recipe, budget):
        lines, judged = rungs.halved(compared)
        if not judged.open:
            taken = _without_choice(lines, default, judged, console)
            return Found(taken, default, judged, tuple(lines))
        choice = _choice(lines, recipe, out / f"choice{_suffix(budget, networks)}.json", budget, candidates, console)
    return Found(Architecture.parse(choice.architecture), default, judged, tuple(lines), choice.milliseconds)


def _without_choice(lines: list[Trained], default: Architecture, judged: Gate, console: Console) -> Architecture:
    """Return the default network where there is nothing to choose, or the only one whose training did not diverge."""
    left = ranking(lines)
    if default.text not in left:
        say(f"search: the training of the default network diverged; {left[0]} is taken", console)
        return Architecture.parse(left[0])
    differ = f"networks of equal cost differ by {judged.spread:.3f} dB, seeds by {judged.chance:.3f} dB"
    why = differ if len(left) > 1 else "all other trainings diverged"
    say(f"search: {why}: nothing to choose; the default network is taken", console)
    return default


@contextmanager
def _present(out: Path, candidates: Candidates, recipe: Recipe, budget: Budget) -> Iterator[None]:
    """Let others know that a process is at work on the device whose time counts; it will measure the finalists."""
    same = device_here(recipe, budget) == candidates.measured_on
    with present(out) if same else nullcontext():
        yield


def _suffix(budget: Budget, networks: Sequence[Architecture]) -> str:
    return f"-{budget.folder}" if networks else ""


def _count(schedule: Path) -> int:
    return PlannedSearch.read(schedule).schedule.networks if schedule.exists() else NETWORKS


def _planned(
    recipe: Recipe,
    candidates: Candidates,
    out: Path,
    jobs: int | None,
    sampler: str | None,
    left: float,
    minutes: float,
    console: Console,
) -> PlannedSearch:
    """Make the schedule of the seconds that are left of the minutes."""
    here = Workers.here(recipe.device, jobs)
    asked = here.of_all if sampler == TPE else 0
    found = plan_search(recipe, [candidates.networks], out, here, left, minutes, console, asked=asked)
    if asked and found.schedule.networks <= UNGUIDED:
        say(
            f"search: --sampler {TPE} asks for networks beyond the first {UNGUIDED}, and {minutes:g} minutes allow "
            f"{found.schedule.networks}, which are all quasi-random; to use it, allow more minutes with another --out",
            console,
        )
    return found


def _refuse_unknown_forms(planned: PlannedSearch, compared: Candidates, file: Path) -> None:
    """Refuse networks of which nothing can be told to a sampler."""
    if planned.schedule.asked and set(compared.forms) != set(compared.networks[1:]):
        raise UserError(
            f"{file}: was drawn by an earlier version, or for several budgets, from which --sampler {TPE} cannot go "
            "on; choose another folder with --out"
        )


def _refuse_other_sampler(planned: PlannedSearch, sampler: str | None, out: Path) -> None:
    before = TPE if planned.schedule.asked else SOBOL
    if sampler not in (None, before):
        raise UserError(
            f"--sampler {sampler}: {out} holds a search with {before}; leave the option out, or choose another folder "
            "with --out"
        )


def _choice(
    lines: list[Trained], recipe: Recipe, file: Path, budget: Budget, candidates: Candidates, console: Console
) -> Choice:
    """Choose among the finalists in one process, on the device whose time counts, and keep the choice."""
    ranked = ranking(lines)
    last = {line.architecture: line.psnr for line in lines if line.rung == lines[-1].rung and not line.failed}
    here = device_here(recipe, budget)
    if here != candidates.measured_on:
        while not file.exists() and is_anyone_present(file.parent):
            time.sleep(WAIT)  # a process on that device is at work, and will measure them
        if not file.exists():
            say(f"search: measured on {candidates.measured_on}, the finalists on {here}", console)
    default = candidates.networks[0]
    watch = Stopwatch(budget, recipe.device, candidates.precision, default, candidates.costs[default], console)
    with on_all_threads():
        once(file, lambda: replace(choose(ranked, len(last), watch), psnr=last).write(file), console)
    return Choice.read(file)
