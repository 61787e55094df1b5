"""Ablations, all at one small budget: the form of the operations, what fusion sees, lambda_2, and the norm."""

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
from clearer.experiments.supernet_gap import held_out_patches, supernet_gap
from clearer.experiments.verdict_candidates import finite
from clearer.network.architecture import FUSION, Architecture, SearchSpace
from clearer.network.cost import macs_per_pixel, parameters
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe, SearchSettings
from clearer.search.diagnostics import mean_gap
from clearer.search.objectives import architecture_loss, complexity_loss, costs_of
from clearer.search.ranking import costs_of_all, load_supernet, rank_correlation, score_architectures
from clearer.training.optimizers import make_optimizer

QUESTIONS = ("operations", "fusion-input", "lambda-comp", "norm")
LAMBDAS = (0.0, 0.001, 0.01, 0.1)
PATCHES = 128  # held-out patches on which a supernet is set against its derived network
SCORED = 128  # random architectures that a supernet's shared weights are asked about

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
    # A network without norm needs the global residual: nothing else brings its output to an image's range.
    "norm": {
        "as in the recipe": {},
        "residual": {"network.residual": True, "network.norm": "batch", "search.norm": None},
        "residual, no norm": {"network.residual": True, "network.norm": "none", "search.norm": None},
    },
}
"""What is varied for each question, one setting at a time; each question's first is the recipe as it is."""

SCALES: dict[str, dict[str, Any]] = {
    "full": {},
    # 1,500 architecture steps instead of 9,500, each larger in proportion: Adam moves an alpha by about its
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
) -> dict[str, Any]:
    """Search, and where a question asks for it train, each variant; write ablations.json, .md and a figure.

    Every search and training is a run folder below ``out``; what is finished is not made again.

    Args:
        out: the folder of the experiment.
        data: the recipe's settings for the images (`clearer.experiments.runner.data_settings`).
        scale: ``full`` (the published schedules) or ``laptop``.
        seeds: searches and trainings of each variant, with seeds 0, 1, ...
        only: which of `QUESTIONS`.
        recipe: a shipped recipe or a YAML file, the base of all.
        overrides: dotted key to value, replacing settings of the base.
        jobs: runs side by side; by default one a core on a CPU, else one.

    Returns:
        What ablations.json holds.

    Raises:
        UserError: an unknown question or setting. Interrupted: as of `clearer.fit`.
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
    trainings: list[tuple[dict[str, Any], Plan]] = []
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
        found = plan.run.train.read_result()
        row |= {"psnr": found["last_psnr"], "input_psnr": found["input_psnr"], "train_seconds": found["seconds"]}
    result = {
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


def terms_alone(settings: SearchSettings, space: SearchSpace, lambda_comp: float) -> dict[str, Any]:
    """Let L_Arch and L_Comp alone move alpha from near zero, by the search's Adam and as many steps.

    No network and no image. ``pull`` is the first gradient of each term, for the difference of a
    module's alpha, a mean over modules.
    """
    torch.manual_seed(0)
    alpha = torch.nn.Parameter(1e-3 * torch.randn(space.modules, 2))
    optimizer = make_optimizer(settings.alpha, [alpha])
    costs = costs_of(space, settings.costs)
    pulls: list[float] = []
    for term in (settings.lambda_arch * architecture_loss(alpha.softmax(1)),
                 lambda_comp * complexity_loss(alpha.softmax(1), costs)):  # fmt: skip
        (gradient,) = torch.autograd.grad(term, alpha)
        pulls.append(float((gradient[:, 0] - gradient[:, 1]).abs().mean()))
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
        "fusions": int((mixing[:, 1] > mixing[:, 0]).sum()),
        "pull_arch": pulls[0],
        "pull_comp": pulls[1],
    }


def _make(plans: Sequence[Plan], base: Recipe, jobs: int | None, console: Console) -> None:
    """Make each run once: variants share the recipe as it is, and some find the same architecture."""
    different = list({plan.folder: plan for plan in plans}.values())
    carry_out(different, jobs=jobs or default_jobs(base.device, len(different)), console=console)


def _search_plan(recipe: str, scale: str, overrides: dict[str, Any], seed: int, out: Path) -> Plan:
    found = scaled(recipe, scale, SCALES, {**overrides, "seed": seed})
    network, settings = found.network, found.search
    norm = found.search_space.norm
    form = network.operations + f"-{norm}" * (norm != "batch") + "-residual" * network.residual
    name = f"{form}-{settings.fusion_input}-{settings.lambda_comp:g}-seed{seed}"
    return Plan(name, dataclasses.replace(found, name=name), out / "searches" / name, "search")


def _training_plan(search: Recipe, architecture: str, seed: int, out: Path) -> Plan:
    name = f"{search.network.operations}-{architecture}-seed{seed}"
    recipe = dataclasses.replace(
        search,
        name=name,
        architecture=architecture,
        # The same for every search that found this architecture, so that its training is shared.
        search=dataclasses.replace(search.search, fusion_input="same", lambda_comp=0.0),
        evaluate=dataclasses.replace(search.evaluate, protocols=[], samples=0),
    )
    return Plan(name, recipe, out / "trainings" / name, "train")


def _row(question: str, variant: str, seed: int, plan: Plan, console: Console) -> dict[str, Any]:
    """What a search came to; where the shared weights are in question also what they are worth."""
    found, last = plan.run.search.read_result(), plan.run.search.read_metrics()[-1]
    architecture = plan.run.read_architecture()
    row: dict[str, Any] = {
        "question": question,
        "variant": variant,
        "seed": seed,
        "architecture": str(architecture),
        **_cost(architecture),
        "gap": found["gap"],
        "search_seconds": found["seconds"],
        "arch_steps": found["arch_steps"],
        "held_out_loss": last.get("loss_res"),
        "device": found["device"],
        "precision": found["precision"],
    }
    if question in ("fusion-input", "norm"):
        recipe, supernet = load_supernet(plan.folder, torch.device("cpu"))
        held_out, batches = held_out_patches(recipe, PATCHES, torch.device("cpu"), console)
        row["supernet_gap"] = supernet_gap(supernet, held_out, batches)
        if question == "norm":
            row["scores"] = _scores(supernet, held_out)
    return row


def _scores(supernet: Supernet, held_out: tuple[Tensor, Tensor]) -> dict[str, float | None]:
    """What the shared weights say of random architectures: who is at an advantage, before any alpha speaks."""
    space = supernet.space
    drawn = {space.random_architecture(seed) for seed in range(SCORED)}
    psnr = score_architectures(supernet, *held_out, sorted(drawn, key=str))
    costs = costs_of_all(space)
    return {
        "scored": len(psnr),
        "median": stats.median(psnr.values()),
        "best": max(psnr.values()),
        "correlation_with_macs": finite(rank_correlation(list(psnr.values()), [costs[word][1] for word in psnr])),
    }


def _published_rows(base: Recipe, seeds: int) -> list[dict[str, Any]]:
    """The published architecture in both forms, where the space holds it."""
    space = base.space
    if (space.cells, space.modules) != (3, 12):
        return []
    rows = []
    for operations in VARIANTS["operations"]:
        form = dataclasses.replace(space, operations=operations)
        architecture = form.architecture(published.ARCHITECTURE.replace("-", ""))
        for seed in range(seeds):
            row = {"question": "published", "variant": operations, "seed": seed, "architecture": str(architecture)}
            rows.append({**row, **_cost(architecture)})
    return rows


def _cost(architecture: Architecture) -> dict[str, Any]:
    return {
        "parameters": parameters(architecture),
        "macs_per_pixel": macs_per_pixel(architecture),
        "fusions": architecture.letters.count(FUSION),
        "modules": len(architecture.letters),
    }
