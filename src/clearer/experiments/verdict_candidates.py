"""The same training for the architecture that a search chose, for others, and for chance."""

from __future__ import annotations

import dataclasses
import math
import statistics as stats
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearer.experiments import published
from clearer.experiments.runner import Plan
from clearer.network.architecture import Architecture
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
"""What every network is trained for: the run's own settings, or 2,500 steps of small batches."""

def choose_candidates(chosen: Architecture, random: int) -> list[tuple[str, Architecture]]:
    """Return what is trained, by name: the chosen one, both extremes, the published one, and random ones.

    The random ones have as large a share of fusion modules as the published architecture, 8 of 12, and
    are drawn with seeds 0, 1, 2, ...; none is named twice.
    """
    space = chosen.space
    found = [("chosen", chosen)]

    def add(name: str, architecture: Architecture) -> bool:
        if architecture in [a for _, a in found]:
            return False
        found.append((name, architecture))
        return True

    add("all parallel", space.architecture("P" * space.modules))
    add("all fusion", space.architecture("F" * space.modules))
    if published.ARCHITECTURE.count("-") + 1 == space.cells and space.modules == 12:
        add("published", space.architecture(published.ARCHITECTURE.replace("-", "")))
    fusions = round(space.modules * 8 / 12)
    drawn, seed = 0, 0
    while drawn < random and seed < 100 * random:  # a tiny space may hold fewer
        drawn += add(f"random {drawn + 1}", space.random_architecture(seed, fusions))
        seed += 1
    return found


def training_plan(base: Recipe, architecture: Architecture, seed: int, out: Path) -> Plan:
    """Return the training of one architecture with one seed, a run folder in ``out``/trainings."""
    settings = dataclasses.replace(base.train, seed=seed)
    evaluate = dataclasses.replace(base.evaluate, protocols=[], samples=0)  # validation images decide here
    name = f"{architecture}-seed{seed}"
    recipe = dataclasses.replace(base, name=name, architecture=str(architecture), train=settings, evaluate=evaluate)
    return Plan(name, recipe, out / "trainings" / name, "train")


def trained(
    plans: Sequence[tuple[str, Architecture, int, Plan]], scores: dict[str, float], base: Recipe
) -> dict[str, Any]:
    """Gather what the trainings reached, and set it against the supernet's opinion and against chance."""
    rows: list[dict[str, Any]] = []
    for name, architecture, _, plan in plans:
        found = plan.run.train.read_result()
        cost = plan.run.read_cost()
        if not rows or rows[-1]["name"] != name:
            facts: dict[str, Any] = {"parameters": cost["parameters"], "macs_per_pixel": cost["macs_per_pixel"]}
            row = {"name": name, "architecture": str(architecture), **facts, "score": scores[str(architecture)]}
            rows.append({**row, "psnr": [], "seconds": [], "input_psnr": found["input_psnr"]})
        rows[-1]["psnr"].append(found["last_psnr"])
        rows[-1]["seconds"].append(found["seconds"])
    for row in rows:
        row["mean"] = stats.mean(row["psnr"])
        row["spread"] = stats.stdev(row["psnr"]) if len(row["psnr"]) > 1 else None
    anyone = plans[0][-1].run.train.read_result()
    means = [row["mean"] for row in rows]
    return {
        "rows": rows,
        "budget": {**dataclasses.asdict(base.train), "steps": anyone["steps"]},
        "device": anyone["device"],
        "precision": anyone["precision"],
        "correlation_with_score": finite(rank_correlation([row["score"] for row in rows], means)),
        "correlation_with_macs": finite(rank_correlation([row["macs_per_pixel"] for row in rows], means)),
        "against_chance": _against_chance(rows),
    }


def _against_chance(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The chosen architecture against the random ones, in units of what seeds alone do."""
    chosen = next(row for row in rows if row["name"] == "chosen")
    others = [row["mean"] for row in rows if row["name"].startswith("random")]
    spreads = [row["spread"] for row in rows if row["spread"] is not None]
    seed_spread = math.sqrt(stats.mean(s**2 for s in spreads)) if spreads else None
    result: dict[str, Any] = {"seed_spread": seed_spread, "random": len(others)}
    if others:
        result |= {
            "random_mean": stats.mean(others),
            "random_spread": stats.stdev(others) if len(others) > 1 else None,
            "difference": chosen["mean"] - stats.mean(others),
            "random_better": sum(value > chosen["mean"] for value in others),
        }
        if seed_spread is not None:
            seeds = len(chosen["psnr"])
            # Of a difference of two means, if all architectures were equal and only seeds made them differ.
            result["standard_error"] = seed_spread * math.sqrt(1 / seeds + 1 / (seeds * len(others)))
    return result


def finite(value: float) -> float | None:
    """Return the value, or None for what JSON cannot hold."""
    return value if math.isfinite(value) else None
