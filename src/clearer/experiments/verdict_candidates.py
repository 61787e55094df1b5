"""The architectures that a verdict trains besides the chosen one, and the comparison with chance."""

from __future__ import annotations

import dataclasses
import math
import statistics as stats
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from clearer.experiments import published
from clearer.experiments.runner import Plan
from clearer.experiments.search_records import AgainstChance, Budget, Trained, Trainings
from clearer.network.architecture import FUSION, PARALLEL, Architecture
from clearer.recipe.schema import Recipe
from clearer.search.ranking import rank_correlation

BUDGETS: dict[str, dict[str, Any]] = {
    "full": {},
    "laptop": {
        "train.epochs": 25,
        "train.steps_per_epoch": 100,
        "train.batch": 16,
        "train.patch": 40,
        "train.validate_every": 25,
        "train.validation_images": None,
        "train.validation_crop": 128,
    },
}
"""Settings of each training: the run's own, or 2,500 steps of small batches."""


def choose_candidates(chosen: Architecture, random: int) -> list[tuple[str, Architecture]]:
    """Return the architectures to train, by name: the chosen, both extremes, the published, and random ones.

    Random architectures have the share of fusion modules of the published one, 8 of 12. They are drawn
    with seeds 0, 1, 2 and so on. No architecture has two names. Of a space without parallel or fusion modules, the
    random ones are of any of its candidates, and what it lacks is left out.
    """
    space = chosen.space
    found = [("chosen", chosen)]

    def add(name: str, architecture: Architecture) -> bool:
        if architecture in [a for _, a in found]:
            return False
        found.append((name, architecture))
        return True

    for name, letter in (("all parallel", PARALLEL), ("all fusion", FUSION)):
        if letter in space.candidates:
            add(name, space.architecture(letter * space.modules))
    has_both = {PARALLEL, FUSION} <= set(space.candidates)
    if has_both and published.ARCHITECTURE.count("-") + 1 == space.cells and space.modules == 12:
        add("published", space.architecture(published.ARCHITECTURE.replace("-", "")))
    fusions = round(space.modules * 8 / 12) if has_both else None
    drawn, seed = 0, 0
    while drawn < random and seed < 100 * random:  # a tiny space may hold fewer
        drawn += add(f"random {drawn + 1}", space.random_architecture(seed, fusions))
        seed += 1
    return found


def training_plan(base: Recipe, architecture: Architecture, seed: int, out: Path) -> Plan:
    """Return the training of one architecture with one seed; its run folder is in ``out``/trainings."""
    settings = dataclasses.replace(base.train, seed=seed)
    evaluate = dataclasses.replace(base.evaluate, protocols=[], samples=0)  # the verdict compares on validation images
    name = f"{architecture}-seed{seed}"
    recipe = dataclasses.replace(base, name=name, architecture=str(architecture), train=settings, evaluate=evaluate)
    return Plan(name, recipe, out / "trainings" / name, "train")


def trained(
    plans: Sequence[tuple[str, Architecture, int, Plan]],
    scores: dict[str, float],
    base: Recipe,
    measure: Callable[[Plan], float],
    input_psnr: float,
) -> Trainings:
    """Gather the results of finished trainings and compare them with the supernet's scores and with chance.

    Args:
        plans: name, architecture, seed and run of each training, the seeds of one name in a row.
        scores: the supernet's score of each architecture, in dB.
        base: the recipe of all trainings.
        measure: returns the PSNR of the last weights of a training, in dB.
        input_psnr: that of the degraded images.
    """
    rows: list[Trained] = []
    for name, architecture, _, plan in plans:
        found = plan.run.train.read_result("seconds")
        cost = plan.run.read_cost()
        if not rows or rows[-1]["name"] != name:
            rows.append({
                "name": name, "architecture": str(architecture),
                "parameters": cost["parameters"], "macs_per_pixel": cost["macs_per_pixel"],
                "score": scores[str(architecture)], "psnr": [], "seconds": [], "input_psnr": input_psnr,
                "mean": math.nan, "spread": None,  # follow when all seeds are gathered
            })  # fmt: skip
        rows[-1]["psnr"].append(measure(plan))
        rows[-1]["seconds"].append(found["seconds"])
    for row in rows:
        row["mean"] = stats.mean(row["psnr"])
        row["spread"] = stats.stdev(row["psnr"]) if len(row["psnr"]) > 1 else None
    anyone = plans[0][-1].run.train.read_result("steps", "device", "precision")
    means = [row["mean"] for row in rows]
    return {
        "rows": rows,
        "budget": cast(Budget, {**dataclasses.asdict(base.train), "steps": anyone["steps"]}),
        "device": anyone["device"],
        "precision": anyone["precision"],
        "correlation_with_score": finite(rank_correlation([row["score"] for row in rows], means)),
        "correlation_with_macs": finite(rank_correlation([row["macs_per_pixel"] for row in rows], means)),
        "against_chance": _against_chance(rows),
    }


def _against_chance(rows: list[Trained]) -> AgainstChance:
    """Compare the chosen architecture with the random ones, beside the spread over seeds."""
    chosen = next(row for row in rows if row["name"] == "chosen")
    others = [row["mean"] for row in rows if row["name"].startswith("random")]
    spreads = [row["spread"] for row in rows if row["spread"] is not None]
    seed_spread = math.sqrt(stats.mean(s**2 for s in spreads)) if spreads else None
    result: AgainstChance = {"seed_spread": seed_spread, "random": len(others)}
    if others:
        result["random_mean"] = stats.mean(others)
        result["random_spread"] = stats.stdev(others) if len(others) > 1 else None
        result["difference"] = chosen["mean"] - stats.mean(others)
        result["random_better"] = sum(value > chosen["mean"] for value in others)
        if seed_spread is not None:
            seeds = len(chosen["psnr"])
            # The standard error of a difference of two means if only the seed made architectures differ.
            result["standard_error"] = seed_spread * math.sqrt(1 / seeds + 1 / (seeds * len(others)))
    return result


def finite(value: float) -> float | None:
    """Return the value, or None if JSON cannot hold it."""
    return value if math.isfinite(value) else None
