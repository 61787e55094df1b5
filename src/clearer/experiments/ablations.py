"""Ablations with one budget: the operations, the input of fusion, lambda_2, and the norm."""

from __future__ import annotations

import dataclasses
import statistics as stats
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.errors import UserError, nearest
from clearer.core.files import write_json
from clearer.experiments import published
from clearer.experiments.ablations_page import redraw
from clearer.experiments.runner import Plan, carry_out, default_jobs, scaled
from clearer.experiments.search_records import AblationRow, Ablations, SharedWeightScores, TermsAlone
from clearer.experiments.supernet_gap import held_out_patches, supernet_gap
from clearer.experiments.verdict_candidates import finite
from clearer.network.architecture import FUSION, Architecture, SearchSpace
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.costs.registry import COSTS
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe, SearchSettings
from clearer.search.alphas import mean_gap
from clearer.search.objectives import architecture_loss, complexity_loss
from clearer.search.one_shot import load_supernet, score_architectures
from clearer.search.ranking import costs_of_all, rank_correlation
from clearer.training.optimizers import make_optimizer

QUESTIONS = ("operations", "fusion-input", "lambda-comp", "norm")
LAMBDAS = (0.0, 0.001, 0.01, 0.1)
PATCHES = 128  # held-out patches for the gap between a supernet and its discretized network
SCORED = 128  # random architectures scored with the supernet's weights

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "operations": {
        "supplement": {"network.operations": "supplement"},
        "released": {"network.operations": "released"},
    },
    "fusion-input": {
        "same": {"search.fusion_input": "same"},
        "parallel": {"search.fusion_input": "parallel"},
    },
    "lambda-comp": {f"{value:g}": {"search.lambda_comp": value} for value in LAMBDAS},
    # A network without norm needs the global residual: nothing else brings its output to the range of images.
    "norm": {
        "as in the recipe": {},
        "residual": {"network.residual": True, "network.norm": "batch", "search.norm": None},
        "residual, no norm": {"network.residual": True, "network.norm": "none", "search.norm": None},
    },
}
"""The settings that each variant of a question changes. The first variant of each is the recipe as it is."""

SCALES: dict[str, dict[str, Any]] = {
    "full": {},
    # 1,500 architecture steps instead of 9,500, each longer in proportion: Adam moves alpha by about its
    # learning rate a step.
    "laptop": {
        "precision": "fp32",
        "network.width": 8,
        "search.patch": 32,
        "search.batch": 8,
        "search.epochs": 32,
        "search.warmup_epochs": 2,
        "search.alpha.lr": 0.0019,
        "search.alpha.lr_final": 0.0019,
        "train.epochs": 10,
        "train.batch": 16,
        "train.patch": 40,
        "train.validate_every": 10,
        "train.validation_images": None,
        "train.validation_crop": 128,
    },
}


def run_ablations(
    out: str | Path,
    data: dict[str, Any],
    *,
    scale: str = "full",
    seeds: int = 2,
    only: Sequence[str] = QUESTIONS,
    recipe: str = "paper-denoise-50",
    overrides: dict[str, Any] | None = None,
    jobs: int | None = None,
    console: Console | None = None,
) -> Ablations:
    """Search with each variant, train where a question needs it, and write ablations.json, .md and a figure.

    Each search and each training has a run folder below ``out``; finished ones are kept.

    Args:
        out: the folder of the experiment.
        data: settings of the images, see `clearer.experiments.runner.data_settings`.
        scale: ``full`` (the published schedules) or ``laptop``.
        seeds: searches and trainings of each variant, with seeds 0, 1 and so on.
        only: the questions to answer, of `QUESTIONS`.
        recipe: the base of all variants, a shipped recipe or a YAML file.
        overrides: settings of the base to replace, dotted key to value.
        jobs: number of runs at a time; the default is one per core on a CPU and one on a GPU.
        console: where progress is printed; the default is standard error.

    Returns:
        The content of ablations.json.

    Raises:
        UserError: an unknown question or setting.
        Interrupted: see `clearer.fit`.
    """
    out, console = Path(out), console or Console(stderr=True)
    for question in only:
        if question not in QUESTIONS:
            known = ", ".join(QUESTIONS)
            raise UserError(f"question: {question!r} is not one of {known}{nearest(question, QUESTIONS)}")
    asked = [question for question in QUESTIONS if question in only]
    base = scaled(recipe, scale, SCALES, {**data, **(overrides or {})})
    searches = {
        (question, variant, seed): _search_plan(recipe, scale, {**data, **(overrides or {}), **settings}, seed, out)
        for question in asked
        for variant, settings in VARIANTS[question].items()
        for seed in range(seeds)
    }
    _make(list(searches.values()), base, jobs, console)
    rows = [_row(*key, plan, console) for key, plan in searches.items()]
    trainings: list[tuple[AblationRow, Plan]] = []
    for row in rows:
        if row["question"] in ("operations", "fusion-input"):
            key = (row["question"], row["variant"], row["seed"])
            trainings.append((row, _training_plan(searches[key].recipe, row["architecture"], row["seed"], out)))
    given = [row for question in asked if question == "operations" for row in _published_rows(base, seeds)]
    for row in given:
        plan = searches[("operations", row["variant"], row["seed"])]
        trainings.append((row, _training_plan(plan.recipe, row["architecture"], row["seed"], out)))
    _make([plan for _, plan in trainings], base, jobs, console)
    for row, plan in trainings:
        found = plan.run.train.read_result("last_psnr", "input_psnr", "seconds")
        row["psnr"], row["input_psnr"] = found["last_psnr"], found["input_psnr"]
        row["train_seconds"] = found["seconds"]
    result: Ablations = {
        "scale": scale,
        "recipe": base.to_dict(),
        "seeds": seeds,
        "rows": rows + given,
        "terms_alone": [terms_alone(base.search, base.space, value) for value in LAMBDAS]
        if "lambda-comp" in asked
        else [],
    }
    write_json(out / "ablations.json", result)
    redraw(out)
    return result


def terms_alone(settings: SearchSettings, space: SearchSpace, lambda_comp: float) -> TermsAlone:
    """Update alpha from near zero by L_Arch and L_Comp alone, with the search's Adam and number of steps.

    No network and no images are involved. The pulls are the first gradients of the two terms: the largest minus
    the smallest among a module's candidates, a mean over modules.
    """
    torch.manual_seed(0)
    alpha = torch.nn.Parameter(1e-3 * torch.randn(space.modules, len(space.candidates)))
    optimizer = make_optimizer(settings.alpha, [alpha])
    costs = COSTS.get(settings.costs)(space)
    pulls: list[float] = []
    for term in (settings.lambda_arch * architecture_loss(alpha.softmax(1)),
                 lambda_comp * complexity_loss(alpha.softmax(1), costs)):  # fmt: skip
        (gradient,) = torch.autograd.grad(term, alpha)
        pulls.append(float((gradient.amax(dim=1) - gradient.amin(dim=1)).mean()))
    for _ in range((settings.epochs - settings.warmup_epochs) * settings.steps_per_epoch):
        mixing = alpha.softmax(1)
        loss = settings.lambda_arch * architecture_loss(mixing) + lambda_comp * complexity_loss(mixing, costs)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    mixing = alpha.detach().softmax(1)
    return {
        "lambda_comp": lambda_comp,
        "gap": mean_gap(mixing),
        "fusions": int((mixing.argmax(dim=1) == space.candidates.index(FUSION)).sum()),
        "pull_arch": pulls[0],
        "pull_comp": pulls[1],
    }


def _make(plans: Sequence[Plan], base: Recipe, jobs: int | None, console: Console) -> None:
    """Run each search and training once: variants share the base recipe, and searches may find equal architectures."""
    different = list({plan.folder: plan for plan in plans}.values())
    carry_out(different, jobs=jobs or default_jobs(base.device, len(different)), console=console)


def _search_plan(recipe: str, scale: str, overrides: dict[str, Any], seed: int, out: Path) -> Plan:
    found = scaled(recipe, scale, SCALES, {**overrides, "seed": seed})
    network, settings = found.network, found.search
    norm = found.search_space.norm
    kind = network.operations + f"-{norm}" * (norm != "batch") + "-residual" * network.residual
    name = f"{kind}-{settings.fusion_input}-{settings.lambda_comp:g}-seed{seed}"
    return Plan(name, dataclasses.replace(found, name=name), out / "searches" / name, "search")


def _training_plan(search: Recipe, architecture: str, seed: int, out: Path) -> Plan:
    name = f"{search.network.operations}-{architecture}-seed{seed}"
    recipe = dataclasses.replace(
        search,
        name=name,
        architecture=architecture,
        # Equal for all searches that found this architecture, so that they share its training.
        search=dataclasses.replace(search.search, fusion_input="same", lambda_comp=0.0),
        evaluate=dataclasses.replace(search.evaluate, protocols=[], samples=0),
    )
    return Plan(name, recipe, out / "trainings" / name, "train")


def _row(question: str, variant: str, seed: int, plan: Plan, console: Console) -> AblationRow:
    """Return the result of a search; for questions on the shared weights, also their quality."""
    found = plan.run.search.read_result("gap", "seconds", "arch_steps", "device", "precision")
    last = plan.run.search.read_metrics()[-1]
    architecture = plan.run.read_architecture()
    row = _architecture_row(question, variant, seed, architecture)
    row["gap"], row["search_seconds"], row["arch_steps"] = found["gap"], found["seconds"], found["arch_steps"]
    row["held_out_loss"] = last.get("loss_res")
    row["device"], row["precision"] = found["device"], found["precision"]
    if question in ("fusion-input", "norm"):
        recipe, supernet = load_supernet(plan.folder, torch.device("cpu"))
        held_out, batches, _ = held_out_patches(recipe, PATCHES, torch.device("cpu"), console)
        row["supernet_gap"] = supernet_gap(supernet, held_out, batches)
        if question == "norm":
            row["scores"] = _scores(supernet, held_out)
    return row


def _scores(supernet: Supernet, held_out: tuple[Tensor, Tensor]) -> SharedWeightScores:
    """Score random architectures with the shared weights: which ones the weights favor, independent of alpha."""
    space = supernet.space
    drawn = {space.random_architecture(seed) for seed in range(SCORED)}
    psnr = score_architectures(supernet, *held_out, sorted(drawn, key=str))
    costs = costs_of_all(space)
    return {
        "scored": len(psnr),
        "median": stats.median(psnr.values()),
        "best": max(psnr.values()),
        "correlation_with_macs": finite(
            rank_correlation(list(psnr.values()), [costs[genotype][1] for genotype in psnr])
        ),
    }


def _published_rows(base: Recipe, seeds: int) -> list[AblationRow]:
    """Return rows of the published architecture with both kinds of operations, if the space contains it."""
    space = base.space
    if (space.cells, space.modules) != (3, 12):
        return []
    rows = []
    for operations in VARIANTS["operations"]:
        variant = dataclasses.replace(space, operations=operations)
        architecture = variant.architecture(published.ARCHITECTURE.replace("-", ""))
        for seed in range(seeds):
            rows.append(_architecture_row("published", operations, seed, architecture))
    return rows


def _architecture_row(question: str, variant: str, seed: int, architecture: Architecture) -> AblationRow:
    return {
        "question": question,
        "variant": variant,
        "seed": seed,
        "architecture": str(architecture),
        "parameters": parameters(architecture),
        "macs_per_pixel": macs_per_pixel(architecture),
        "fusions": architecture.choices.count(FUSION),
        "modules": len(architecture.choices),
    }
