"""A verdict on a finished search: is it worth its cost? The paper leaves this question open.

(a) The rank of the chosen architecture among all, by the shared weights. (b) Its PSNR and that of others, each trained
from scratch with one budget and several seeds. (c) The gap between the supernet and the network discretized from it.
(d) The cost of all of it.
"""

from __future__ import annotations

import hashlib
import math
import statistics as stats
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import progress_bar
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.experiments.search_records import Ranking, Scores, ScoresAsked, Trainings, Verdict, VerdictCost
from clearer.experiments.supernet_gap import held_out_patches, supernet_gap
from clearer.experiments.verdict_candidates import BUDGETS, choose_candidates, finite, trained, training_plan
from clearer.experiments.verdict_page import redraw
from clearer.images.pixels import WHOLE
from clearer.inference.restorer import load
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.search.one_shot import held_out_psnr, load_supernet, score_architectures
from clearer.search.ranking import costs_of_all, pareto_front, rank_correlation
from clearer.training.run_device import choose_device, device_name


@dataclass(frozen=True)
class VerdictSettings:
    """The settings of a verdict.

    Args:
        budget: settings of each training: ``full`` (the run's own) or ``laptop``.
        overrides: training settings to replace, dotted key to value.
        seeds: trainings of each architecture.
        random: number of random architectures, two thirds of their modules fusion (8 of 12).
        sample: score only this many random architectures and those of `choose_candidates`; None scores all.
        patches: number of held-out patches for scoring.
        statistics: see `clearer.search.one_shot.score_architectures`.
        jobs: number of trainings at a time; the default is one per core on a CPU and one on a GPU.
        train: whether to train; without trainings, the verdict has no part (b).
        test: folder of test images; the default is that of the run. Networks are scored on patches of them.

    Raises:
        UserError: the budget is unknown, or a number is too small.
    """

    budget: str = "full"
    overrides: Mapping[str, Any] | None = None
    seeds: int = 2
    random: int = 4
    sample: int | None = None
    patches: int = 128
    statistics: str = "batch"
    jobs: int | None = None
    train: bool = True
    test: str | None = None

    def __post_init__(self) -> None:
        if self.budget not in BUDGETS:
            raise UserError(f"scale of the trainings: {self.budget!r} is not one of {', '.join(BUDGETS)}")
        for name, value, least in (("seeds", self.seeds, 1), ("random", self.random, 0), ("patches", self.patches, 1)):
            if value < least:
                raise UserError(f"verdict: {name} {value} is too small; give at least {least}")


def verdict(
    run: str | Path,
    out: str | Path | None = None,
    settings: VerdictSettings = VerdictSettings(),
    *,
    console: Console | None = None,
    **changes: Any,
) -> Verdict:
    """Judge a finished search; write verdict.json, verdict.md and its figures.

    Finished measurements are kept: a repeated call resumes.

    Args:
        run: a run folder with a finished search.
        out: the folder of the verdict; the default is ``run``/verdict.
        settings: the settings of the verdict.
        console: where progress is printed; the default is standard error.
        changes: single settings, such as ``seeds=4``, in place of those of ``settings``.

    Returns:
        The content of verdict.json.

    Raises:
        UserError: the run has no finished search, or a setting is unknown.
        Interrupted: see `clearer.fit`.
    """
    settings = replace(settings, **changes)
    folder, console = RunFolder(Path(run)), console or Console(stderr=True)
    out = folder.verdict if out is None else Path(out)
    device = choose_device(folder.read_recipe().device) if folder.is_run else None
    recipe, supernet = load_supernet(run, device or torch.device("cpu"))
    if recipe.search.fusion_input != "same":
        raise UserError(
            f"{run}: search.fusion_input is {recipe.search.fusion_input}, so the supernet shares weights with no "
            "single network; give a run with search.fusion_input same"
        )
    candidates = choose_candidates(supernet.discretize(), settings.random)
    base = folder.read_recipe({**BUDGETS[settings.budget], **(settings.overrides or {})})
    plans = _plans(candidates, base, settings, out)
    moved = base.data != recipe.data
    recipe = replace(recipe, data=base.data)  # whose folders may have moved since the search
    device_of_supernet = next(supernet.parameters()).device
    held_out, batches, part = held_out_patches(recipe, settings.patches, device_of_supernet, console, settings.test)
    out.mkdir(parents=True, exist_ok=True)
    named = [architecture for _, architecture in candidates]
    more: dict[str, Any] = {} if recipe.data.span == WHOLE else {"range": list(recipe.data.span)}
    if moved:
        more["patches_of"] = _digest_of(held_out)
    scores = _scores(supernet, (*held_out, part), out, settings, named, more)
    result: Verdict = {
        "run": str(run),
        "recipe": recipe.name,
        "chosen": str(supernet.discretize()),
        "search": folder.search.read_result("seconds"),
        "lambda_arch": recipe.search.lambda_arch,
        "patches": settings.patches,
        "scored_on": part,
        "patch": recipe.search.patch,
        "test": settings.test,
        "ranking": _ranking(scores, supernet),
        "gap": supernet_gap(supernet, held_out, batches),
    }
    if settings.train:
        jobs = settings.jobs or default_jobs(base.device, len(plans))
        carry_out([plan for *_, plan in plans], jobs=jobs, console=console)

        def measure(plan: Plan) -> float:
            return held_out_psnr(load(plan.run.last_weights, str(device), "fp32").network, *held_out)

        training = trained(plans, scores["psnr"], base, measure, result["gap"]["input"])
        result["training"] = {**training, "measured_on": part}
        result["gap"]["trained_anew"] = training["rows"][0]["mean"]
        result["cost"] = _cost(result["search"]["seconds"], scores["seconds"], training)
    write_json(out / "verdict.json", result)
    redraw(out)
    return result


def _plans(
    candidates: Sequence[tuple[str, Architecture]], base: Recipe, settings: VerdictSettings, out: Path
) -> list[tuple[str, Architecture, int, Plan]]:
    """Return the trainings with the name, the architecture and the seed of each; none where none are wanted."""
    if not settings.train:
        return []
    seeds = range(settings.seeds)
    plans = [(name, a, seed, training_plan(base, a, seed, out)) for name, a in candidates for seed in seeds]
    _refuse_other_length([plan for *_, plan in plans])
    return plans


def _refuse_other_length(plans: Sequence[Plan]) -> None:
    """Refuse trainings of another length than asked for: one that goes on is no equal of one that began anew."""
    for plan in plans:
        if plan.run.is_run and (before := plan.run.read_recipe().train.epochs) != plan.recipe.train.epochs:
            raise UserError(
                f"{plan.folder}: was begun with train.epochs={before}, and {plan.recipe.train.epochs} are asked for; "
                "choose another folder with --out"
            )


def _scores(
    supernet: Supernet,
    held_out: tuple[Tensor, Tensor, str],
    out: Path,
    settings: VerdictSettings,
    named: Sequence[Architecture],
    more: Mapping[str, Any],
) -> Scores:
    """Return the scores of all architectures or of a sample: those of ranking.json if they answer the same question.

    ``more``: that they depend on, where it is not as usual; see `ScoresAsked`.
    """
    space, path = supernet.space, out / "ranking.json"
    asked: ScoresAsked = {
        "sample": settings.sample,
        "statistics": settings.statistics,
        "patches": len(held_out[0]),
        "architectures": sorted(map(str, named)),
        "supernet": _digest(supernet),
        "images": held_out[2],
    }
    if settings.test is not None:
        asked["test"] = settings.test
    asked |= more  # type: ignore[typeddict-item]
    if path.exists() and (kept := read_shaped(path, Scores))["asked"] == asked:
        return kept
    wanted = list(space.all_architectures()) if settings.sample is None else _sampled(space, settings.sample, named)
    began = time.monotonic()
    with progress_bar("rank", "architectures") as progress:
        psnr = score_architectures(supernet, *held_out[:2], wanted, statistics=settings.statistics, progress=progress)
    seconds = time.monotonic() - began
    device = device_name(next(supernet.parameters()).device)
    scores: Scores = {"asked": asked, "psnr": psnr, "seconds": round(seconds, 1), "device": device}
    write_json(path, scores)
    return scores


def _digest_of(patches: tuple[Tensor, Tensor]) -> str:
    """Return a digest of held-out patches."""
    return hashlib.sha256(b"".join(part.cpu().numpy().tobytes() for part in patches)).hexdigest()


def _digest(supernet: Supernet) -> str:
    """Return a digest of a supernet's weights."""
    total = hashlib.sha256()
    for name, value in supernet.state_dict().items():
        name = "logits" if name == "alpha" else name  # its name in 0.1, whose scores stay valid
        total.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def _sampled(space: SearchSpace, count: int, named: Sequence[Architecture]) -> list[Architecture]:
    drawn = {space.random_architecture(seed) for seed in range(max(0, count))}
    return sorted({*drawn, *named}, key=str)


def _ranking(scores: Scores, supernet: Supernet) -> Ranking:
    """Rank the chosen architecture among all, among those with as many fusions, and against the Pareto front."""
    psnr = scores["psnr"]
    costs = costs_of_all(supernet.space)
    chosen = str(supernet.discretize())
    values = list(psnr.values())
    alike = [value for genotype, value in psnr.items() if genotype.count("F") == chosen.count("F")]
    front = pareto_front({genotype: (costs[genotype][1], value) for genotype, value in psnr.items()})
    mine = psnr[chosen]
    better = [g for g, value in psnr.items() if value > mine and costs[g][1] <= costs[chosen][1]]
    return {
        "scored": len(values),
        "chosen_psnr": mine,
        "chosen_macs_per_pixel": costs[chosen][1],
        "rank": 1 + sum(value > mine for value in values),
        "alike": len(alike),
        "rank_alike": 1 + sum(value > mine for value in alike),
        "best": max(psnr, key=psnr.__getitem__),
        "best_psnr": max(values),
        "median_psnr": stats.median(values),
        "worst_psnr": min(values),
        "spread": stats.pstdev(values),
        "on_front": chosen in front,
        "better_and_no_dearer": len(better),
        "front": [(genotype, costs[genotype][1], psnr[genotype]) for genotype in front],
        "correlation_with_macs": finite(rank_correlation(values, [costs[genotype][1] for genotype in psnr])),
        "macs_per_pixel": {genotype: costs[genotype][1] for genotype in psnr},
        **scores,
    }


def _cost(search: float, ranking: float, training: Trainings) -> VerdictCost:
    seconds = [s for row in training["rows"] for s in row["seconds"]]
    return {
        "search_seconds": search,
        "ranking_seconds": ranking,
        "training_seconds": stats.mean(seconds),
        "all_trainings_seconds": math.fsum(seconds),
        "trainings_for_one_search": search / stats.mean(seconds),
    }
