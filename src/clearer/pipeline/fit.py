"""fit: search, discretize, train, evaluate and report, all in one run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import progress_bar, say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.data.noisy import is_noisy_only
from clearer.data.splits import Splits
from clearer.evaluation.evaluate import evaluate
from clearer.evaluation.record import evaluation_record, write_result
from clearer.inference.baseline import BaselineRestorer, load_measurable
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.baselines.build import Form, cost_of, form_from_dict
from clearer.network.baselines.form import BaselineForm
from clearer.network.cost import Part, cost_table
from clearer.noise.profile import NoiseProfile
from clearer.pipeline.data_mode import choose
from clearer.pipeline.prepared_run import prepared_run
from clearer.pipeline.ranking import rank
from clearer.pipeline.teacher import taught
from clearer.recipe.load import load_recipe, recipe_from_dict, shipped_recipes
from clearer.recipe.schema import Recipe
from clearer.report.noisy_samples import write_noisy_samples
from clearer.report.page import write_page
from clearer.report.samples import are_samples_written, write_samples
from clearer.report.summary import print_summary
from clearer.runs.layout import RunFolder
from clearer.runs.schema import CostTable, EvaluationRecord
from clearer.search.bilevel import search
from clearer.training import distributed
from clearer.training.job import RunContext
from clearer.training.trainer import train

STAGES = ("search", "train", "evaluate")


@dataclass(frozen=True)
class Run:
    """A run folder and its results in short."""

    folder: Path
    architecture: Form
    result: dict[str, Any]

    def restorer(self, device: str = "auto", precision: str = "auto") -> Restorer:
        """Return the trained network, ready to restore images.

        Raises:
            UserError: the run has not been trained.
        """
        return load(self.folder, device, precision)


def fit(
    recipe: str | Path | Recipe | None = None,
    out: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    *,
    stages: Sequence[str] = STAGES,
    tensorboard: bool = False,
    console: Console | None = None,
) -> Run:
    """Search, train and evaluate as the recipe says, into one run folder.

    Call it again with the same recipe and folder to resume; finished stages are not repeated. Under torchrun all
    processes search and train together and the first one evaluates; the `Run` of the others has no results.

    Args:
        recipe: a shipped name, a YAML file, or a `Recipe`. ``"noisy"`` and ``"pairs"`` stand for the gray or the color
            recipe; None chooses by the images, see `clearer.pipeline.data_mode.choose`.
        out: the run folder; by default ``runs/`` and the recipe's name.
        overrides: dotted key to value, such as ``{"search.lambda_arch": 0.1}``.
        stages: the stages to run: search, train, evaluate. A training alone writes no page and prints no summary.
        tensorboard: also write event files to the run folder.
        console: where progress is printed; by default standard error.

    Raises:
        UserError: a problem that the user can fix, in one line.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint was written.
    """
    console = Console(quiet=True) if distributed.launched()[0] else console or Console(stderr=True)
    recipe, noise = _resolved(recipe, overrides, partial(say, console=console))
    folder = RunFolder(Path(out) if out is not None else Path("runs") / recipe.name)
    with prepared_run(recipe, folder, stages, console, noise=noise, tensorboard=tensorboard) as opened:
        recipe, context, splits = opened
        architecture = _find_architecture(recipe, context, stages)
        result: dict[str, Any] = {"architecture": str(architecture)}
        result |= distributed.first(partial(_write_cost, folder, architecture))
        if "train" in stages:
            result["train"] = train(recipe, architecture, taught(recipe, architecture, context))
        is_first = context.rank == 0
        distributed.part()  # evaluation may take long, so the other processes do not wait for it
        if is_first:
            result = {"folder": str(folder), **result, **_conclude(recipe, context, splits, stages)}
    return Run(folder.path, architecture, result)


def _resolved(
    recipe: str | Path | Recipe | None, overrides: dict[str, Any] | None, say: Callable[[str], None]
) -> tuple[Recipe, NoiseProfile | None]:
    """Return the recipe, and the noise of the images if the method was chosen by it."""
    if not isinstance(recipe, Recipe):
        chosen = choose(recipe, overrides or {})
        for remark in chosen.remarks:
            say(remark)
        return load_recipe(chosen.recipe, chosen.overrides), chosen.noise
    if overrides:
        raise UserError("overrides: give them with a recipe's name or file; change a Recipe with dataclasses.replace")
    return recipe_from_dict(recipe.to_dict()), None


def _find_architecture(recipe: Recipe, context: RunContext, stages: Sequence[str]) -> Form:
    """Return the network that is given, searched now, or was found before; record it."""
    folder, architecture = context.folder, recipe.form
    if architecture is None and "search" in stages:
        known = f"{recipe.name}-standard"
        if "train" in stages and known in shipped_recipes() and not folder.search.finished:
            context.say(f"search: {recipe.name} searches an architecture first; the recipe {known} does not")
        architecture = search(recipe, context)

    def recorded() -> dict[str, Any]:
        if architecture is not None:
            write_json(folder.architecture, architecture.to_dict())
        elif not folder.architecture.exists():
            raise UserError(
                f"{folder}: no architecture to train; search first, or give one with --architecture FPPF-FFFF-PFFP"
            )
        found: Form = folder.read_architecture() if recipe.baseline is None else BaselineForm(recipe.baseline)
        return found.to_dict()

    return form_from_dict(distributed.first(recorded))


def _write_cost(folder: RunFolder, architecture: Form) -> dict[str, float]:
    """Write cost.json; return the totals."""
    if isinstance(architecture, Architecture):
        parts = cost_table(architecture)
    else:
        parts = [Part(str(architecture), *cost_of(architecture))]
    table: CostTable = {
        "parameters": sum(part.parameters for part in parts),
        "macs_per_pixel": sum(part.macs_per_pixel for part in parts),
        "cells": [
            {"module": part.module, "parameters": part.parameters, "macs_per_pixel": part.macs_per_pixel}
            for part in parts
        ],
    }
    write_json(folder.cost, table)
    return {"parameters": table["parameters"], "macs_per_pixel": table["macs_per_pixel"]}


def _conclude(recipe: Recipe, context: RunContext, splits: Splits, stages: Sequence[str]) -> dict[str, Any]:
    """Evaluate, write the page and print the summary; return the results."""
    folder = context.folder
    result: dict[str, Any] = {}
    if "evaluate" in stages and folder.weights.exists():
        # fp32, so that figures do not depend on the machine.
        restorer = load_measurable(folder.path, str(context.device), "fp32")
        result["protocols"] = {
            name: _evaluate(name, recipe, folder, restorer, splits)
            for name in (recipe.evaluate.protocols if splits.test else [])
        }
        if isinstance(restorer, BaselineRestorer):
            for name, found in result["protocols"].items():
                context.say(f"{name}: {found['input_psnr']:.2f} -> {found['psnr']:.2f} dB")
            context.say(f"{folder.weights}: trained; the report page is for networks of clearer alone")
            return result
        if recipe.evaluate.samples and recipe.evaluate.protocols and not are_samples_written(folder):
            shown = splits.test or splits.validation
            write_samples(folder, restorer, shown[: recipe.evaluate.samples], recipe.evaluate.protocols[0])
        if is_noisy_only(recipe.data):
            result |= _ranked(recipe, context, splits, restorer)
    if folder.search.finished:
        result["search"] = dict(folder.search.read_result())
    if tuple(stages) == ("train",):
        return result
    write_page(folder.path)
    print_summary(folder.path, context.console)
    return result


def _ranked(recipe: Recipe, context: RunContext, splits: Splits, restorer: Restorer) -> dict[str, Any]:
    """Estimate the errors of this model and of others without ground truth, and write samples; return the ranking."""
    folder = context.folder
    ranking = folder.read_ranking() if folder.ranking.exists() else rank(recipe, folder, restorer, splits)
    if names := " and ".join(ranking.get("better", [])):
        context.say(f"{names}: estimated to do better without training on these images; see the report")
    if recipe.evaluate.samples and not are_samples_written(folder):
        write_noisy_samples(folder, restorer, splits.validation[: recipe.evaluate.samples], recipe.network.channels)
    return {"ranking": ranking}


def _evaluate(
    name: str, recipe: Recipe, folder: RunFolder, restorer: Restorer | BaselineRestorer, splits: Splits
) -> dict[str, Any]:
    """Evaluate on the test images by a protocol, unless its result exists; return the means over the images."""
    ensemble = recipe.evaluate.ensemble
    path = folder.evaluation_result(f"{name}-ensemble" if ensemble else name)
    if not path.exists():
        with progress_bar(f"evaluate {name}") as progress:
            measured = evaluate(restorer, splits.test, name, ensemble=ensemble, progress=progress)
        record = evaluation_record(
            measured,
            model=str(folder.weights),
            data=str(Path(splits.test[0].clean).parent),
            architecture=restorer.architecture,
            device=str(restorer.device),
            precision=restorer.precision,
            seed=0,
            clean_side=splits.test[0].side,
        )
        write_result(record, path)
    return {key: value for key, value in read_shaped(path, EvaluationRecord, whole=False).items() if key != "per_image"}
