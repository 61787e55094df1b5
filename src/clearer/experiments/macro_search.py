"""Search for the best network within a budget, over the whole macro space, by real short trainings."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.core.text import duration
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.inference.budget import Budget
from clearer.inference.latency_table import LatencyTable, cache_folder
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.data_mode import choose
from clearer.recipe.load import load_recipe, recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import EpochLine
from clearer.search.halving import SEEDS, Gate, Rung, Schedule, best, gate
from clearer.search.macro_space import Cost, sampled
from clearer.training import distributed

DEFAULT = "FPFF-FFFF"
"""The genotype that is scaled in width where nothing is searched; with a pixel unshuffle of 2."""
NEVER = 10**6
"""Epochs between validations: only the last epoch of a rung is validated, as of every training."""
NETWORKS, TIMED_STEPS, STEPS_PER_EPOCH = 27, 20, 100
"""Networks of the first rung, if there is time; steps that time a training; steps of an epoch."""


@dataclass(frozen=True)
class Trained:
    """A line of the ledger: a network after a rung."""

    rung: int
    architecture: str
    seed: int
    steps: int
    psnr: float
    seconds: float
    cost: float


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
    cost, unit = _cost(budget, recipe, console)
    fields = _fields(recipe)
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


def settings_for(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budget: str,
    *,
    minutes: float = 60,
    jobs: int | None = None,
    console: Console,
) -> tuple[Path, dict[str, Any]]:
    """Search within a budget for what `clearer.fit` trains next; return its run folder and all its overrides.

    The search is in the sub-folder ``budget`` of the run folder.

    Args:
        recipe, out, overrides, console: see `clearer.fit`.
        budget: such as ``100ms@1mp``; see `Budget.parse`.
        minutes, jobs: see `macro_search`.

    Raises:
        UserError: the architecture is given too, or the budget cannot be met; see `macro_search`.
    """
    wanted = Budget.parse(budget)
    if overrides.get("architecture") or overrides.get("train.start"):
        raise UserError(f"budget: {budget} searches for an architecture, and one is given too; leave out one of them")
    if distributed.launched()[1] > 1:
        raise UserError(f"budget: {budget} needs a single process, which runs several trainings; leave torchrun out")
    chosen = choose(recipe, overrides)
    for remark in chosen.remarks:
        say(remark, console)
    resolved = load_recipe(chosen.recipe, chosen.overrides)
    folder = Path(out) if out is not None else Path("runs") / resolved.name
    place = RunFolder(folder).budget
    place.mkdir(parents=True, exist_ok=True)
    found = macro_search(resolved, place, wanted, minutes=minutes, jobs=jobs, console=console)
    write_json(
        place / "result.json",
        {
            "budget": budget,
            "architecture": found.architecture.text,
            "default": found.default.text,
            "spread": found.gate.spread,
            "chance": found.gate.chance,
            "trained": [dataclasses.asdict(line) for line in found.trained],
        },
    )
    say(f"search: {found.architecture.text}", console)
    multiple = found.architecture.multiple
    patches = {f"{part}.patch": getattr(resolved, part).patch for part in ("search", "train")}
    rounded = {key: -(-patch // multiple) * multiple for key, patch in patches.items()}
    return folder, {**overrides, **rounded, "architecture": found.architecture.text}


def scaled_default(cost: Cost, budget: float, fields: dict[str, Any]) -> Architecture:
    """Return the widest default network within a budget.

    Raises:
        UserError: a network of 4 channels costs more.
    """
    widths = [Architecture.parse(DEFAULT, width=w, unshuffle=2, **fields) for w in range(4, 129)]
    fitting = list(itertools.takewhile(lambda a: cost(a) <= budget, widths))
    if not fitting:
        raise UserError(f"budget: the smallest default network costs {cost(widths[0]):.4g}, more than {budget:.4g}")
    return fitting[-1]


def _others(
    cost: Cost, budget: float, seed: int, fields: dict[str, Any], default: Architecture
) -> Iterator[Architecture]:
    return (network for network in sampled(cost, budget, seed, **fields) if network != default)


def _cost(budget: Budget, recipe: Recipe, console: Console) -> tuple[Cost, float]:
    """Return the cost of a network and the budget in its unit: milliseconds here, or multiply-adds per pixel."""
    if budget.milliseconds is None:
        say(
            f"search: {budget} counts multiply-adds, which do not rank the time of networks; see docs/search.md",
            console,
        )
        return macs_per_pixel, float(budget.macs_per_pixel or 0)
    file = cache_folder() / f"latency-{budget.size}.json"
    table = LatencyTable(budget.size, recipe.device, "auto", file)
    if table.measured_elsewhere is not None:
        known = table.measured_elsewhere.get("device")
        say(f"{file}: measured on {known}; measured again on {table.valid_for['device']}", console)
    return table.milliseconds, budget.milliseconds


def _fields(recipe: Recipe) -> dict[str, Any]:
    network = recipe.network
    return {"channels": network.channels, "norm": "none", "residual": True, "condition": network.condition}


def short(recipe: Recipe, architecture: Architecture, seed: int, steps: int) -> Recipe:
    """Return the recipe of a short training: a constant learning rate after the warm-up, and averaged weights.

    It can go on at any time, because the rate does not depend on the number of steps.
    """
    rate = recipe.train.optimizer.lr / 2
    multiple = architecture.multiple
    values = recipe.to_dict()
    values |= {"name": f"{recipe.name}-search", "architecture": architecture.text}
    values["train"] |= {
        "seed": seed,
        "start": None,
        "epochs": max(1, steps // STEPS_PER_EPOCH),
        "steps_per_epoch": min(steps, STEPS_PER_EPOCH),
        "patch": -(-recipe.train.patch // multiple) * multiple,
        "average": 0.998,
        "validate_every": NEVER,
        "optimizer": values["train"]["optimizer"] | {"lr": rate, "lr_final": rate, "warmup_epochs": 1},
    }
    values["evaluate"] |= {"protocols": [], "samples": 0}
    return recipe_from_dict(values)


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
    carry_out([plan for plan in plans.values() if _end(plan, rung.steps) is None], jobs=jobs, console=console)
    lines = []
    for (text, seed), plan in plans.items():
        line = known.get((number, text, seed))
        if line is None:
            end, price = _end(plan, rung.steps), cost(Architecture.parse(text))
            assert end is not None  # `carry_out` ends when all are trained
            line = Trained(number, text, seed, rung.steps, _psnr(end), end["seconds"], price)
            with ledger.open("a") as file:
                file.write(json.dumps(dataclasses.asdict(line)) + "\n")
        lines.append(line)
    return lines


def _end(plan: Plan, steps: int) -> EpochLine | None:
    """Return the validation of a training after this many steps; it may have gone on since."""
    lines = plan.run.train.read_metrics(strict=False)
    validated = ("psnr", "estimated_psnr")
    return next((line for line in lines if line["step"] == steps and any(key in line for key in validated)), None)


def _psnr(line: EpochLine) -> float:
    return line["psnr"] if "psnr" in line else line["estimated_psnr"]


def read_ledger(path: Path) -> list[Trained]:
    """Return the lines of a ledger; one that a crash cut short does not count."""
    found = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(Trained(**json.loads(text)))
        except (ValueError, TypeError):
            continue
    return found
