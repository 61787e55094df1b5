"""A verdict on a search within a budget: does its choice beat the default network and chance, at equal cost?

Three arms, at each latency: (i) the default architecture, scaled in width to the latency, whose training gets the
seconds of the search on top of its own; (ii) as many random networks within the budget as the seconds of the search
could train, and the best of them by the validation images; (iii) the choice of the search. (ii) and (iii) are trained
equally. Seeds are paired: trainings of one seed see the same patches and noise.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.core.text import duration
from clearer.data.items import Item
from clearer.evaluation.intervals import Difference, paired_difference
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields
from clearer.experiments.budget_results import Chosen, read_chosen
from clearer.experiments.macro_verdict_page import redraw
from clearer.experiments.macro_verdict_time import seconds_per_budget, seconds_per_step
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.experiments.search_candidates import precision_of_search
from clearer.experiments.search_records import Interval, MacroArm, MacroComparison, MacroVerdict
from clearer.experiments.short_training import STEPS_PER_EPOCH, fitting_patch
from clearer.experiments.verdict_images import measured_items, scores_of
from clearer.inference.budget import Budget, ImageSize
from clearer.inference.latency_table import device_name
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.latency import measure_latency
from clearer.recipe.load import recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.schema import TrainResult
from clearer.search.macro_space import sampled
from clearer.training.run_device import choose_device

DEFAULT, CHOSEN, RANDOM = "default", "chosen", "random"
ANOTHER_SEED = 1000
"""Added to the seed of the search for the random networks: they are not those that the search drew."""


@dataclass(frozen=True)
class MacroVerdictSettings:
    """The settings of a verdict on a search within budgets.

    Args:
        latencies: the budgets to judge; by default all of the search.
        minutes: length of a training of the default network on one thread; all others get as many steps.
        overrides: training settings to replace, dotted key to value.
        seeds: trainings of each network.
        random: number of random networks; by default as many as the seconds of the search could train.
        test: folder of test images; by default those of the run. No choice depends on them: networks are measured on
            them when all are trained. Images that the search or the trainings have seen are left out.
        jobs: number of trainings at a time; the default is one per core on a CPU and one on a GPU.

    Raises:
        UserError: a number is too small.
    """

    latencies: Sequence[str] = ()
    minutes: float = 20
    overrides: Mapping[str, Any] | None = None
    seeds: int = 3
    random: int | None = None
    test: str | None = None
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.minutes <= 0:
            raise UserError(f"verdict: minutes {self.minutes:g} is not above 0; give the minutes of each training")
        for name, value, least in (("seeds", self.seeds, 1), ("random", self.random, 1)):
            if value is not None and value < least:
                raise UserError(f"verdict: {name} {value} is too small; give at least {least}")


@dataclass(frozen=True)
class _Arm:
    """A network of a verdict and its trainings, one a seed."""

    kind: str
    architecture: Architecture
    plans: tuple[Plan, ...]


def macro_verdict(
    run: str | Path,
    out: str | Path | None = None,
    settings: MacroVerdictSettings = MacroVerdictSettings(),
    *,
    console: Console | None = None,
) -> MacroVerdict:
    """Judge a finished search within budgets; write macro-verdict.json, macro-verdict.md and a figure.

    Finished trainings are kept: a repeated call resumes.

    Args:
        run: a run folder whose search within a budget is finished.
        out: the folder of the verdict; the default is ``run``/verdict.
        settings: the settings of the verdict.
        console: where progress is printed; the default is standard error.

    Returns:
        The content of macro-verdict.json.

    Raises:
        UserError: the run has no such search, or a training fails.
        Interrupted: see `clearer.fit`.
    """
    folder, console = RunFolder(Path(run)), console or Console(stderr=True)
    out = folder.verdict if out is None else Path(out)
    found = read_chosen(folder, settings.latencies)
    base = _recipe_of(folder, found[0], settings)
    test = measured_items(base, settings.test, console)
    out.mkdir(parents=True, exist_ok=True)
    seconds = seconds_per_budget(folder)
    random = settings.random or max(2, round(seconds / (60 * settings.minutes)))
    jobs = settings.jobs or default_jobs(base.device, (2 + random) * settings.seeds * len(found))
    of_default = _of_default(base, found, jobs, out)
    step = seconds_per_step(folder, of_default, out, seconds=60 * settings.minutes, jobs=jobs, console=console)
    mean = sum(step.values()) / len(step)
    steps = max(1, round(60 * settings.minutes / mean / STEPS_PER_EPOCH)) * STEPS_PER_EPOCH
    protocols, precision = base.evaluate.protocols, precision_of_search(folder, base)
    # Random networks are drawn within the budget as the search understood it.
    timed = recipe_from_dict(base.to_dict() | {"precision": precision})
    arms = {
        one.budget: _arms(base, timed, one, steps, seconds / step[one.budget], random, settings.seeds, out, console)
        for one in found
    }
    plans = list({plan.folder: plan for each in arms.values() for plan in _in_turn(each)}.values())
    left = sum(plan.steps - plan.steps_done() for plan in plans) * mean / jobs
    say(f"verdict: {len(plans)} trainings, about {duration(left)} left, {jobs} at a time", console)
    carry_out(plans, jobs=jobs, console=console)
    result: MacroVerdict = {
        "run": str(run),
        "recipe": base.name,
        "seconds_of_search": seconds,
        "steps": steps,
        "seeds": settings.seeds,
        "test": settings.test or str(base.data.test or base.data.folder),
        "protocols": list(protocols),
        "latencies": [
            _compared(budget, _measured(each, base.device, budget, protocols, test, precision, out))
            for budget, each in arms.items()
        ],
        "written": time.strftime("%Y-%m-%d"),
    }
    write_json(out / "macro-verdict.json", result)
    redraw(out)
    return result


def _recipe_of(folder: RunFolder, chosen: Chosen, settings: MacroVerdictSettings) -> Recipe:
    """Return the recipe of the trainings: that of the run, or of several budgets that of the run of the first one."""
    if not folder.recipe.exists():
        folder = RunFolder(folder.path / Budget.parse(chosen.budget).folder)
    return folder.read_recipe(dict(settings.overrides or {}))


def _of_default(base: Recipe, found: Sequence[Chosen], jobs: int, out: Path) -> dict[str, list[Recipe]]:
    """Return, by budget, trainings of the default network, as many as run side by side."""
    of_each = {one.budget: Architecture.parse(one.default) for one in found}
    return {
        budget: [_plan(base, DEFAULT, network, seed, 1, out).recipe for seed in range(jobs)]
        for budget, network in of_each.items()
    }


def _arms(
    base: Recipe,
    timed: Recipe,
    chosen: Chosen,
    steps: int,
    steps_of_search: float,
    random: int,
    seeds: int,
    out: Path,
    console: Console,
) -> list[_Arm]:
    """Return the arms of one budget: the chosen network, the default one, and the random ones.

    ``timed`` is the recipe with the precision that networks are timed in.
    """

    def drawn() -> Iterator[Architecture]:
        cost, unit = cost_of_networks(Budget.parse(chosen.budget), timed, console)
        known = {chosen.architecture, chosen.default}
        every = sampled(cost, unit, base.seed + ANOTHER_SEED, **fixed_fields(base))
        return (network for network in every if network.text not in known)

    longer = steps + round(steps_of_search / STEPS_PER_EPOCH) * STEPS_PER_EPOCH
    networks = [
        (CHOSEN, Architecture.parse(chosen.architecture), steps),
        (DEFAULT, Architecture.parse(chosen.default), longer),
        *((RANDOM, network, steps) for network in _kept(out, chosen.budget, drawn, random)),
    ]
    return [
        _Arm(kind, network, tuple(_plan(base, kind, network, seed, count, out) for seed in range(seeds)))
        for kind, network, count in networks
    ]


def _kept(out: Path, budget: str, drawn: Callable[[], Iterator[Architecture]], count: int) -> list[Architecture]:
    """Return the random networks of a budget: those of an earlier call, whose latencies may have differed a little."""
    file = out / "random.json"
    kept = read_shaped(file, dict[str, list[str]]) if file.exists() else {}
    if len(kept.get(budget, ())) < count:
        first = kept.get(budget, [])
        more = (network.text for network in drawn() if network.text not in first)
        kept[budget] = [*first, *itertools.islice(more, count - len(first))]
        write_json(file, kept)
    return [Architecture.parse(text) for text in kept[budget][:count]]


def _plan(base: Recipe, kind: str, network: Architecture, seed: int, steps: int, out: Path) -> Plan:
    """Return a training by the run's own recipe, of so many steps."""
    values = base.to_dict()
    name = f"{kind}-{network.digest}-seed{seed}"
    values |= {"name": name, "architecture": network.text}
    values["train"] |= {
        "seed": seed,
        "start": None,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "epochs": max(1, steps // STEPS_PER_EPOCH),
        "validate_every": max(1, steps // STEPS_PER_EPOCH),
        "patch": fitting_patch(base.train.patch, network),
    }
    values["evaluate"] |= {"protocols": [], "samples": 0}  # test images are opened when everything is trained
    return Plan(name, recipe_from_dict(values), out / "trainings" / name, "train")


def _in_turn(arms: list[_Arm]) -> list[Plan]:
    """Return the trainings seed by seed, so that a verdict that is stopped early has all arms."""
    return [arm.plans[seed] for seed in range(len(arms[0].plans)) for arm in arms]


def _measured(
    arms: list[_Arm],
    device: str,
    budget: str,
    protocols: Sequence[str],
    test: Sequence[Item],
    precision: str,
    out: Path,
) -> list[MacroArm]:
    """Measure every training on the test images, and every network's latency."""
    rows = []
    for arm in arms:
        scores = [scores_of(plan, device, test, protocols, out) for plan in arm.plans]
        results = [plan.run.train.read_result("seconds") for plan in arm.plans]
        rows.append(
            MacroArm(
                kind=arm.kind,
                architecture=arm.architecture.text,
                milliseconds=_milliseconds(arm.architecture, Budget.parse(budget).size, device, precision, out),
                macs_per_pixel=macs_per_pixel(arm.architecture),
                steps=arm.plans[0].steps,
                seconds=[result["seconds"] for result in results],
                validation=[_validation(result) for result in results],
                test=[float(np.mean(each)) for each in scores],
                per_image=[each.tolist() for each in scores],
            )
        )
    return rows


def _validation(result: TrainResult) -> float:
    """Return the PSNR of the last validation, estimated where there is no ground truth."""
    return result["last_psnr"] if "last_psnr" in result else result["last_estimated_psnr"]


def _milliseconds(network: Architecture, size: ImageSize, device: str, precision: str, out: Path) -> float:
    """Measure the whole network on a device of this machine, once."""
    file, key = out / "latency.json", f"{network.text} at {size} on {device_name(choose_device(device))} {precision}"
    kept = read_shaped(file, dict[str, float]) if file.exists() else {}
    if key not in kept:
        kept[key] = measure_latency(network, at=size, device=device, precision=precision)["milliseconds"]
        write_json(file, kept)
    return kept[key]


def _compared(budget: str, arms: list[MacroArm]) -> MacroComparison:
    """Compare the choice with the default network, the mean of the random ones, and the best of these."""

    def scores(kind: str) -> list[NDArray[np.float64]]:
        return [np.array(arm["per_image"]) for arm in arms if arm["kind"] == kind]

    mine, random = scores(CHOSEN)[0], scores(RANDOM)
    drawn = [arm for arm in arms if arm["kind"] == RANDOM]
    best = max(range(len(drawn)), key=lambda k: float(np.mean(drawn[k]["validation"])))
    return {
        "budget": budget,
        "arms": arms,
        "best_random": drawn[best]["architecture"],
        "over_default": _interval(paired_difference(mine, scores(DEFAULT)[0])),
        "over_random_mean": _interval(paired_difference(mine, np.mean(random, axis=0))),
        "over_best_random": _interval(paired_difference(mine, random[best])),
    }


def _interval(found: Difference) -> Interval:
    return {"mean": found.mean, "low": found.low, "high": found.high}
