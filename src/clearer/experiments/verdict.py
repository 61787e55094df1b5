"""Is the search worth its cost? The question that the paper leaves open, put to a finished search.

(a) Where the chosen architecture ranks among all, by the shared weights. (b) What it and others reach
when each is trained anew, at one budget, over several seeds. (c) What is lost between the supernet and
the network derived from it. (d) What all of it cost.
"""

from __future__ import annotations

import hashlib
import math
import statistics as stats
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import progress_bar
from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.experiments.runner import carry_out, default_jobs
from clearer.experiments.supernet_gap import held_out_patches, supernet_gap
from clearer.experiments.verdict_candidates import BUDGETS, choose_candidates, finite, trained, training_plan
from clearer.experiments.verdict_page import redraw
from clearer.inference.restorer import load
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.supernet import Supernet
from clearer.runs.layout import RunFolder
from clearer.search.ranking import (
    costs_of_all,
    held_out_psnr,
    load_supernet,
    pareto_front,
    rank_correlation,
    score_architectures,
)
from clearer.training.run_device import choose_device, device_name


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
    folder, console = RunFolder(Path(run)), console or Console(stderr=True)
    out = folder.verdict if out is None else Path(out)
    if budget not in BUDGETS:
        raise UserError(f"budget: {budget!r} is not one of {', '.join(BUDGETS)}")
    if seeds < 1 or random < 0 or patches < 1:
        raise UserError(f"verdict: seeds {seeds}, random {random}, patches {patches}: too few; give at least 1, 0, 1")
    device = choose_device(folder.read_recipe().device) if folder.is_run else None
    recipe, supernet = load_supernet(run, device or torch.device("cpu"))
    if recipe.search.fusion_input != "same":
        raise UserError(f"{run}: its supernet chains the two candidates, so it holds no network of its space to judge")
    candidates = choose_candidates(supernet.derive(), random)
    base = folder.read_recipe({**BUDGETS[budget], **(overrides or {})})
    held_out, batches = held_out_patches(recipe, patches, next(supernet.parameters()).device, console)
    out.mkdir(parents=True, exist_ok=True)
    ranking = _ranking(supernet, held_out, out, sample, statistics, [a for _, a in candidates])
    result: dict[str, Any] = {
        "run": str(run),
        "recipe": recipe.name,
        "chosen": str(supernet.derive()),
        "search": folder.search.read_result(),
        "lambda_arch": recipe.search.lambda_arch,
        "patches": patches,
        "ranking": {**_places(ranking, supernet), **ranking},
        "gap": supernet_gap(supernet, held_out, batches),
    }
    if train:
        plans = [
            (name, a, seed, training_plan(base, a, seed, out)) for name, a in candidates for seed in range(seeds)
        ]
        carry_out([plan for *_, plan in plans], jobs=jobs or default_jobs(base.device, len(plans)), console=console)
        result["training"] = trained(plans, ranking["psnr"], base)
        result["gap"]["trained_anew"] = stats.mean(
            held_out_psnr(load(plan.run.last_weights, str(device), "fp32").network, *held_out)
            for name, _, _, plan in plans
            if name == "chosen"
        )
        result["cost"] = _cost(result)
    write_json(out / "verdict.json", result)
    redraw(out)
    return result


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
    asked = {
        "sample": sample,
        "statistics": statistics,
        "patches": len(held_out[0]),
        "architectures": sorted(map(str, named)),
        "supernet": _digest(supernet),
    }
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


def _digest(supernet: Supernet) -> str:
    """Return what tells one supernet's weights from another's."""
    total = hashlib.sha256()
    for name, value in supernet.state_dict().items():
        total.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


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
        "correlation_with_macs": finite(
            rank_correlation(values, [costs[word][1] for word in scores])
        ),
        "macs_per_pixel": {word: costs[word][1] for word in scores},
    }


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
