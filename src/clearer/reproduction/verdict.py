"""Is the search worth its cost? The question that the paper leaves open, put to a finished search.

(a) Where the chosen architecture ranks among all, by the shared weights. (b) What it and others reach
when each is trained anew, at one budget, over several seeds. (c) What is lost between the supernet and
the network derived from it. (d) What all of it cost.
"""

from __future__ import annotations

import dataclasses
import math
import statistics as stats
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.architecture import Architecture, SearchSpace
from clearer.data.patches import PatchSampler
from clearer.data.splits import resolve_splits
from clearer.errors import UserError
from clearer.files import read_json, write_json
from clearer.fitting import read_pictures
from clearer.inference.restorer import load
from clearer.network.supernet import Supernet
from clearer.recipe import Recipe, load_recipe
from clearer.reproduction import published
from clearer.reproduction.plans import Plan, carry_out, default_jobs
from clearer.reproduction.verdict_page import redraw
from clearer.search.ranking import (
    costs_of_all,
    held_out_psnr,
    load_supernet,
    pareto_front,
    rank_correlation,
    reestimate,
    score_architectures,
)
from clearer.terminal import progress_bar
from clearer.training.devices import choose_device, device_name
from clearer.training.train import degradation_of

BUDGETS: dict[str, dict[str, Any]] = {
    "full": {},
    "laptop": {
        "train.epochs": 25,
        "train.steps_per_epoch": 100,
        "train.batch": 16,
        "train.patch": 40,
        "train.validate_every": 25,
        "train.validation_pictures": None,
        "train.validation_crop": 128,
    },
}
"""What every network is trained for: the run's own settings, or 2,500 steps of small batches."""

HELD_OUT_SEED = 30  # added to the recipe's; search itself adds 10 and 20
STATISTICS_BATCHES = 16  # training batches from which batch norms of a derived network are measured again


def verdict(
    run: str | Path,
    out: str | Path | None = None,
    *,
    budget: str = "full",
    overrides: dict[str, Any] | None = None,
    seeds: int = 2,
    random: int = 4,
    sample: int | None = None,
    patches: int = 128,
    statistics: str = "batch",
    jobs: int | None = None,
    train: bool = True,
    console: Console | None = None,
) -> dict[str, Any]:
    """Judge a finished search; write verdict.json, verdict.md and its figures.

    What is measured is kept: the same call again goes on where it stopped.

    Args:
        run: a run folder whose search is finished.
        out: where to; by default ``run``/verdict.
        budget: ``full`` (the run's own training settings) or ``laptop``.
        overrides: dotted key to value, replacing settings of the trainings.
        seeds: trainings of each architecture.
        random: how many random architectures with two thirds of fusion modules (8 of 12).
        sample: score only so many architectures, drawn with seed 0, besides those that are trained.
        patches: held-out patches on which architectures are scored.
        statistics: as of `clearer.search.ranking.score_architectures`.
        jobs: trainings side by side; by default one a core on a CPU, else one.
        train: whether to do (b); without, all else is.

    Returns:
        What verdict.json holds.

    Raises:
        UserError: the run has no finished search, a budget or setting is not known.
        Interrupted: as of `clearer.fit`.
    """
    run, console = Path(run), console or Console(stderr=True)
    out = run / "verdict" if out is None else Path(out)
    if budget not in BUDGETS:
        raise UserError(f"budget: {budget!r} is not one of {', '.join(BUDGETS)}")
    if seeds < 1 or random < 0 or patches < 1:
        raise UserError(f"verdict: seeds {seeds}, random {random}, patches {patches}: too few; give at least 1, 0, 1")
    device = choose_device(load_recipe(run / "recipe.yaml").device) if (run / "recipe.yaml").exists() else None
    recipe, supernet = load_supernet(run, device or torch.device("cpu"))
    if recipe.search.fusion_input != "same":
        raise UserError(f"{run}: its supernet chains the two candidates, so it holds no network of its space to judge")
    candidates = choose_candidates(supernet.derive(), random)
    base = load_recipe(run / "recipe.yaml", {**BUDGETS[budget], **(overrides or {})})
    held_out, batches = _patches(recipe, patches, next(supernet.parameters()).device, console)
    out.mkdir(parents=True, exist_ok=True)
    ranking = _ranking(supernet, held_out, out, sample, statistics, [a for _, a in candidates])
    result: dict[str, Any] = {
        "run": str(run),
        "recipe": recipe.name,
        "chosen": str(supernet.derive()),
        "search": read_json(run / "search" / "result.json"),
        "lambda_arch": recipe.search.lambda_arch,
        "patches": patches,
        "ranking": {**_places(ranking, supernet), **ranking},
        "gap": _gap(supernet, held_out, batches),
    }
    if train:
        plans = [
            (name, a, seed, _plan(base, a, seed, out)) for name, a in candidates for seed in range(seeds)
        ]
        carry_out([plan for *_, plan in plans], jobs=jobs or default_jobs(base.device, len(plans)), console=console)
        result["training"] = _trained(plans, ranking["psnr"], base)
        result["gap"]["trained_anew"] = stats.mean(
            held_out_psnr(load(plan.folder / "last.safetensors", str(device), "fp32").network, *held_out)
            for name, _, _, plan in plans
            if name == "chosen"
        )
        result["cost"] = _cost(result)
    write_json(out / "verdict.json", result)
    redraw(out)
    return result


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


def _patches(
    recipe: Recipe, count: int, device: torch.device, console: Console
) -> tuple[tuple[Tensor, Tensor], list[Tensor]]:
    """Return held-out patches (degraded, clean) and degraded training batches, from seeds of their own."""
    settings = recipe.search
    splits = resolve_splits(
        recipe.data,
        channels=recipe.network.channels,
        patch=settings.patch,
        seed=recipe.seed,
        say=lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False),
    )

    def sampler(part: str, batch: int) -> PatchSampler:
        return PatchSampler(
            read_pictures(getattr(splits, part), recipe),
            patch=settings.patch,
            batch=batch,
            degradation=degradation_of(recipe),
            augment=False,
            seed=recipe.seed + HELD_OUT_SEED,
            device=device,
        )

    training = sampler("train", settings.batch)
    return sampler("validation", count).draw(), [training.draw()[0] for _ in range(STATISTICS_BATCHES)]


def _ranking(
    supernet: Supernet,
    held_out: tuple[Tensor, Tensor],
    out: Path,
    sample: int | None,
    statistics: str,
    named: Sequence[Architecture],
) -> dict[str, Any]:
    """Return the scores of all or of a sample; kept in ranking.json, and measured again if asked otherwise."""
    space, path = supernet.space, out / "ranking.json"
    asked = {"sample": sample, "statistics": statistics, "patches": len(held_out[0])}
    if path.exists() and (kept := read_json(path))["asked"] == asked:
        return dict(kept)
    wanted = list(space.all_architectures()) if sample is None else _sampled(space, sample, named)
    began = time.monotonic()
    with progress_bar("rank") as progress:
        scores = score_architectures(supernet, *held_out, wanted, statistics=statistics, progress=progress)
    seconds = time.monotonic() - began
    device = device_name(next(supernet.parameters()).device)
    value = {"asked": asked, "psnr": scores, "seconds": round(seconds, 1), "device": device}
    write_json(path, value)
    return value


def _sampled(space: SearchSpace, count: int, named: Sequence[Architecture]) -> list[Architecture]:
    drawn = {space.random_architecture(seed) for seed in range(max(0, count))}
    return sorted({*drawn, *named}, key=str)


def _places(ranking: dict[str, Any], supernet: Supernet) -> dict[str, Any]:
    """Where the chosen architecture stands: among all, among those with as many fusions, and on the front."""
    scores: dict[str, float] = ranking["psnr"]
    costs = costs_of_all(supernet.space)
    chosen = str(supernet.derive())
    values = list(scores.values())
    alike = [value for word, value in scores.items() if word.count("F") == chosen.count("F")]
    front = pareto_front({word: (costs[word][1], value) for word, value in scores.items()})
    mine = scores[chosen]
    beaten_by = [word for word, value in scores.items() if value > mine and costs[word][1] <= costs[chosen][1]]
    return {
        "scored": len(values),
        "chosen_psnr": mine,
        "chosen_macs_per_pixel": costs[chosen][1],
        "rank": 1 + sum(value > mine for value in values),
        "alike": len(alike),
        "rank_alike": 1 + sum(value > mine for value in alike),
        "best": max(scores, key=scores.__getitem__),
        "best_psnr": max(values),
        "median_psnr": stats.median(values),
        "worst_psnr": min(values),
        "spread": stats.pstdev(values),
        "on_front": chosen in front,
        "better_and_no_dearer": len(beaten_by),
        "front": [[word, costs[word][1], scores[word]] for word in front],
        "correlation_with_macs": _finite(
            rank_correlation(values, [costs[word][1] for word in scores])
        ),
        "macs_per_pixel": {word: costs[word][1] for word in scores},
    }


def _gap(supernet: Supernet, held_out: tuple[Tensor, Tensor], batches: list[Tensor]) -> dict[str, Any]:
    """PSNR on the held-out patches of the mixture, and of the derived network with the same weights."""
    derived = supernet.extract().eval()
    before = held_out_psnr(derived, *held_out)
    reestimate(derived, batches)
    return {
        "input": held_out_psnr(lambda x: x, *held_out),
        "supernet": held_out_psnr(supernet.eval(), *held_out),
        "derived": before,
        "derived_new_statistics": held_out_psnr(derived.eval(), *held_out),
    }


def _plan(base: Recipe, architecture: Architecture, seed: int, out: Path) -> Plan:
    settings = dataclasses.replace(base.train, seed=seed)
    evaluate = dataclasses.replace(base.evaluate, protocols=[], samples=0)  # validation pictures decide here
    name = f"{architecture}-seed{seed}"
    recipe = dataclasses.replace(base, name=name, architecture=str(architecture), train=settings, evaluate=evaluate)
    return Plan(name, recipe, out / "trainings" / name, "train")


def _trained(
    plans: Sequence[tuple[str, Architecture, int, Plan]], scores: dict[str, float], base: Recipe
) -> dict[str, Any]:
    """Gather what the trainings reached, and set it against the supernet's opinion and against chance."""
    rows: list[dict[str, Any]] = []
    for name, architecture, _, plan in plans:
        found = read_json(plan.folder / "train" / "result.json")
        cost = read_json(plan.folder / "cost.json")
        if not rows or rows[-1]["name"] != name:
            facts = {"parameters": cost["parameters"], "macs_per_pixel": cost["macs_per_pixel"]}
            row = {"name": name, "architecture": str(architecture), **facts, "score": scores[str(architecture)]}
            rows.append({**row, "psnr": [], "seconds": [], "input_psnr": found["input_psnr"]})
        rows[-1]["psnr"].append(found["last_psnr"])
        rows[-1]["seconds"].append(found["seconds"])
    for row in rows:
        row["mean"] = stats.mean(row["psnr"])
        row["spread"] = stats.stdev(row["psnr"]) if len(row["psnr"]) > 1 else None
    anyone = read_json(plans[0][-1].folder / "train" / "result.json")
    means = [row["mean"] for row in rows]
    return {
        "rows": rows,
        "budget": {**dataclasses.asdict(base.train), "steps": anyone["steps"]},
        "device": anyone["device"],
        "precision": anyone["precision"],
        "correlation_with_score": _finite(rank_correlation([row["score"] for row in rows], means)),
        "correlation_with_macs": _finite(rank_correlation([row["macs_per_pixel"] for row in rows], means)),
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


def _cost(result: dict[str, Any]) -> dict[str, Any]:
    seconds = [s for row in result["training"]["rows"] for s in row["seconds"]]
    search = result["search"]["seconds"]
    return {
        "search_seconds": search,
        "ranking_seconds": result["ranking"]["seconds"],
        "training_seconds": stats.mean(seconds),
        "all_trainings_seconds": math.fsum(seconds),
        "trainings_for_one_search": search / stats.mean(seconds),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
