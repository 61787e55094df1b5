"""fit within budgets: search first, then train what was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.experiments.budget_checks import check_before_search
from clearer.experiments.budget_cost import refuse_network_settings
from clearer.experiments.budget_latencies import write_latencies
from clearer.experiments.budget_networks import shared_networks
from clearer.experiments.macro_search import Found, macro_search
from clearer.inference.budget import Budget, ImageSize
from clearer.network.architecture import Architecture
from clearer.pipeline.data_mode import choose
from clearer.pipeline.fit import STAGES, fit
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.report.budget_page import write_budget_page
from clearer.runs.budget_record import Choice, read_budget_record, read_latencies, read_results
from clearer.runs.layout import RunFolder
from clearer.training import distributed


def settings_for(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budget: str,
    *,
    minutes: float = 60,
    jobs: int | None = None,
    sampler: str | None = None,
    stages: Sequence[str] = STAGES,
    console: Console,
) -> tuple[Path, dict[str, Any]]:
    """Search within a budget for what `clearer.fit` trains next; return its run folder and all its overrides.

    The search is in the sub-folder ``budget`` of the run folder.

    Args:
        recipe, out, overrides, stages, console: see `clearer.fit`.
        budget: such as ``100ms@1mp``; see `Budget.parse`.
        minutes, jobs, sampler: see `macro_search`.

    Raises:
        UserError: see `recipe_and_folder`, or the budget cannot be met; see `macro_search`.
    """
    wanted, first = Budget.parse(budget), distributed.launched()[0] == 0
    console = console if first else Console(quiet=True)  # under torchrun each process is a worker of the search
    resolved, folder = recipe_and_folder(recipe, out, overrides, [wanted], stages, console)
    if folder.has_several_budgets:
        raise UserError(f"{folder}: holds a search for several budgets; name it with --out to add {budget}")
    folder.budget.mkdir(parents=True, exist_ok=True)
    found = macro_search(resolved, folder.budget, wanted, minutes=minutes, jobs=jobs, sampler=sampler, console=console)
    if first:
        _conclude(folder, resolved, {wanted: found}, console)
    return folder.path, settings_of_training(resolved, overrides, found.architecture)


def fit_budgets(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budgets: Sequence[str],
    *,
    minutes: float = 60,
    jobs: int | None = None,
    stages: Sequence[str] = STAGES,
    tensorboard: bool = False,
    console: Console,
) -> dict[str, Any]:
    """Search within several budgets with one ledger, then train what each of them chose; a repeated call resumes.

    The search is in the sub-folder ``budget`` of ``out``, each trained network in a run folder named after its
    budget, and ``out``/report.html shows all of them. Budgets that are given later join the ledger.

    Args:
        recipe, out, overrides, stages, tensorboard, console: see `clearer.fit`.
        budgets: such as ``100ms@1mp``, all of time or all of multiply-adds.
        minutes: about as long as the searches of all budgets together may take.
        jobs: see `macro_search`.

    Returns:
        ``folder``, ``report``, and ``budgets``: for each its text, its latency and the results of its run.

    Raises:
        UserError: the budgets contradict each other or other settings, or one cannot be met; see `macro_search`.
    """
    wanted = _compatible([Budget.parse(text) for text in budgets])
    resolved, folder = recipe_and_folder(recipe, out, overrides, wanted, stages, console)
    _refuse_other(folder)
    folder.budget.mkdir(parents=True, exist_ok=True)
    networks = shared_networks(resolved, folder, wanted, minutes=minutes, jobs=jobs, console=console)
    found = {
        budget: macro_search(
            resolved, folder.budget, budget, minutes=minutes, jobs=jobs, networks=networks[budget], console=console
        )
        for budget in wanted
    }
    _conclude(folder, resolved, found, console)
    report = write_budget_page(folder.path)
    runs = []
    for budget, outcome in found.items():
        settings = settings_of_training(resolved, overrides, outcome.architecture)
        run = fit(
            recipe, folder.path / budget.folder, settings, stages=stages, tensorboard=tensorboard, console=console
        )
        runs.append({**measured(folder.path, budget.text), **run.result})
        report = write_budget_page(folder.path)
    say(f"report of all budgets: {report}", console)
    return {"folder": str(folder), "report": str(report), "budgets": runs}


def takes_several(out: str | Path | None, budgets: Sequence[str]) -> bool:
    """Return whether `fit_budgets` serves these budgets: there are several, or the folder is that of several."""
    return len(budgets) > 1 or (out is not None and RunFolder(Path(out)).has_several_budgets)


def recipe_and_folder(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budgets: Sequence[Budget],
    stages: Sequence[str],
    console: Console,
) -> tuple[Recipe, RunFolder]:
    """Return the recipe and the folder of a search, checked as far as a run can be without an architecture.

    Raises:
        UserError: the architecture, its weights or settings that the search chooses are given too; several budgets
            are given to several processes; the images or protocols do not fit; or the stages are without the search,
            which has not ended.
    """
    names = " and ".join(budget.text for budget in budgets)
    if overrides.get("architecture") or overrides.get("train.start"):
        raise UserError(f"budget: {names} searches for an architecture, and one is given too; leave out one of them")
    refuse_network_settings(overrides, names)
    if distributed.launched()[1] > 1 and len(budgets) > 1:
        raise UserError(f"budget: {names} need a single process, which runs several trainings; leave torchrun out")
    chosen = choose(recipe, overrides)
    for remark in chosen.remarks:
        say(remark, console)
    resolved = load_recipe(chosen.recipe, chosen.overrides)
    folder = RunFolder(Path(out) if out is not None else Path("runs") / resolved.name)
    check_before_search(resolved, folder, budgets, stages)
    return resolved, folder


def _compatible(budgets: list[Budget]) -> list[Budget]:
    """Refuse budgets that are equal, or of time and multiply-adds together."""
    for place, budget in enumerate(budgets):
        for other in budgets[:place]:
            if (budget.unit, budget.amount) == (other.unit, other.amount) or budget.folder == other.folder:
                raise UserError(f"budget: {other.text} and {budget.text} are the same; leave out one of them")
            if (budget.milliseconds is None) != (other.milliseconds is None):
                raise UserError(
                    f"budget: {other.text} and {budget.text} are of time and of multiply-adds, which cannot be "
                    "compared; give all budgets in one of them"
                )
    return budgets


def _refuse_other(folder: RunFolder) -> None:
    if folder.is_run:
        raise UserError(f"{folder}: holds a run, and several budgets need a folder for each; choose another with --out")
    if folder.path.is_dir() and not folder.has_several_budgets:
        if folder.budget_result.exists():
            raise UserError(f"{folder}: holds the search for one budget; choose another folder with --out")
        foreign = sorted(entry.name for entry in folder.path.iterdir() if entry != folder.budget)
        if foreign:
            raise UserError(
                f"{folder}: holds {foreign[0]} and is not a search; choose an empty or new folder with --out"
            )


def _conclude(folder: RunFolder, recipe: Recipe, found: dict[Budget, Found], console: Console) -> None:
    """Write the outcome for each budget, and measure what was chosen; budgets of earlier calls keep theirs."""
    results = {result["budget"]: result for result in read_results(folder)} if folder.has_several_budgets else {}
    for budget, outcome in found.items():
        results[budget.text] = {
            "budget": budget.text,
            "unit": budget.unit,
            "amount": budget.amount,
            "architecture": outcome.architecture.text,
            "default": outcome.default.text,
            "spread": outcome.gate.spread,
            "chance": outcome.gate.chance,
            "trained": [dataclasses.asdict(line) for line in outcome.trained],
        }
        if folder.has_several_budgets:
            results[budget.text]["run"] = budget.folder
    kept = list(results.values())
    write_json(folder.budget_result, {"budgets": kept} if folder.has_several_budgets else kept[0])
    for budget in found:
        say(_in_words(_choice_of(folder, budget.text)), console)
    networks: dict[ImageSize, list[Architecture]] = {}
    for budget, outcome in found.items():
        finalists = map(Architecture.parse, outcome.milliseconds)
        networks.setdefault(budget.size, []).extend((outcome.architecture, outcome.default, *finalists))
    write_latencies(folder, recipe, networks, console)


def measured(folder: Path, text: str) -> dict[str, Any]:
    """Return what is known of the network that was chosen for a budget.

    Returns:
        `budget`, `at` (the size), `milliseconds`, and `short_trainings`: `steps`, `psnr` and `default_psnr`, of the
        network and of the default one on the validation images; not where the default one was chosen.
    """
    budget, run = Budget.parse(text), RunFolder(folder)
    choice = _choice_of(run, text)
    at = [budget.size.width, budget.size.height]
    lines = (line for line in read_latencies(run) if line["at"] == at)
    own = (line["milliseconds"] for line in lines if line.get("architecture") == choice.architecture.text)
    facts = {"budget": text, "at": at, "milliseconds": next(own)}
    pair = choice.beside_default()
    if pair is not None:
        ours, default = pair
        facts["short_trainings"] = {"steps": ours.steps, "psnr": ours.psnr, "default_psnr": default.psnr}
    return facts


def _choice_of(run: RunFolder, text: str) -> Choice:
    record = read_budget_record(run)
    assert record is not None  # it was just written
    return next(choice for choice in record.choices if choice.budget == text)


def _in_words(choice: Choice) -> str:
    """Return the choice and its PSNR beside that of the default network."""
    found, pair = f"search within {choice.budget}: {choice.architecture.text}", choice.beside_default()
    if pair is None:
        return f"{found}, the default network" if choice.architecture == choice.default else found
    ours, default = pair
    return f"{found}; after {ours.steps:,} steps {ours.psnr:.2f} dB, the default network {default.psnr:.2f} dB"


def settings_of_training(recipe: Recipe, overrides: dict[str, Any], found: Architecture) -> dict[str, Any]:
    """Return the overrides of the training of the network found."""
    multiple = found.multiple
    patches = {f"{part}.patch": getattr(recipe, part).patch for part in ("search", "train")}
    rounded = {key: -(-patch // multiple) * multiple for key, patch in patches.items()}
    return {**overrides, **rounded, "architecture": found.text}
