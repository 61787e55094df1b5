"""The whole path: images -> search -> derive -> train -> evaluate -> report."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from clearer.core.console import progress_bar
from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.data.items import Item, read_item
from clearer.data.splits import Splits, resolve_splits
from clearer.evaluation.evaluate import check_fit, evaluate
from clearer.evaluation.protocols import parse_protocol
from clearer.evaluation.record import evaluation_record, write_result
from clearer.inference.restorer import Restorer, load
from clearer.network.architecture import Architecture
from clearer.network.cost import cost_table
from clearer.pipeline.run_folder import opened_run, record_images, record_run
from clearer.recipe.load import load_recipe, recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.report.page import print_summary, write_page
from clearer.report.samples import write_samples
from clearer.runs.layout import RunFolder
from clearer.search.bilevel import search
from clearer.training import distributed as processes
from clearer.training.initial_weights import check_start
from clearer.training.run_device import choose_device
from clearer.training.trainer import Images, train

STAGES = ("search", "train", "evaluate")


@dataclass(frozen=True)
class Run:
    """A folder of results, and what is in it in short."""

    folder: Path
    architecture: Architecture
    result: dict[str, Any]

    def restorer(self, device: str = "auto", precision: str = "auto") -> Restorer:
        """Return the trained network, ready for images.

        Raises:
            UserError: the run has not been trained.
        """
        return load(self.folder, device, precision)


def fit(
    recipe: str | Path | Recipe,
    out: str | Path | None = None,
    overrides: dict[str, Any] | None = None,
    *,
    stages: Sequence[str] = STAGES,
    tensorboard: bool = False,
    console: Console | None = None,
) -> Run:
    """Search, train and evaluate as the recipe says, into one run folder.

    Calling it again with the same recipe and folder goes on where it stopped; what is finished is not
    done again. Under torchrun all processes search and train together, the first alone evaluates, and
    the others' `Run` has no results.

    Args:
        recipe: a shipped name, a YAML file, or a `Recipe`.
        out: the run folder; by default ``runs/`` and the recipe's name.
        overrides: dotted key to value, such as ``{"search.lambda_arch": 0.1}``.
        stages: which of search, train, evaluate to do.
        tensorboard: also write event files to the run folder.
        console: where progress goes; by default standard error.

    Raises:
        UserError: anything a user can mend, in one line.
        Interrupted: SIGTERM or Ctrl-C; a checkpoint was written.
    """
    console = console or Console(stderr=True)
    if processes.launched()[0]:
        console = Console(quiet=True)
    if isinstance(recipe, Recipe):
        recipe = recipe_from_dict(recipe.to_dict())
        if overrides:
            raise UserError(
                "overrides: give them with a recipe's name or file; change a Recipe with dataclasses.replace"
            )
    else:
        recipe = load_recipe(recipe, overrides)
    folder = Path(out) if out is not None else Path("runs") / recipe.name
    for name in recipe.evaluate.protocols:
        _check_protocol(name, recipe)
    join_processes(recipe, stages)
    patch = max(recipe.search.patch if recipe.given is None else 0, recipe.train.patch)
    settings = recipe.data

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False)

    # Before the folder is made: a run that cannot begin leaves nothing behind.
    splits = processes.together(
        lambda: resolve_splits(settings, channels=recipe.network.channels, patch=patch, seed=recipe.seed, say=say)
    )
    if "evaluate" in stages:
        measured = splits.test or (splits.validation if recipe.evaluate.samples else [])
        for name in recipe.evaluate.protocols:
            processes.together(partial(check_fit, measured, parse_protocol(name)))
    if "train" in stages:
        processes.first(lambda: check_start(recipe, folder) and None)
    _refuse_other_images(splits)
    run = RunFolder(folder)
    with contextlib.ExitStack() as held:

        def open_folder() -> None:
            held.enter_context(opened_run(folder, recipe))
            record_images(folder, splits)
            record_run(folder, recipe, splits)

        processes.first(open_folder)
        counts = ", ".join(f"{len(names)} {part}" for part, names in splits.names().items())
        say(f"{recipe.name}: {counts} images; results go to {folder}")
        architecture = _find_architecture(recipe, splits, folder, stages, console, tensorboard)
        result: dict[str, Any] = {
            "architecture": str(architecture),
            **processes.first(lambda: _write_cost(folder, architecture)),
        }
        if "train" in stages:
            with _log(run.tensorboard / "train", tensorboard) as log:
                images = _read_both(splits, recipe)
                result["train"] = train(recipe, architecture, *images, folder, console, log)
        is_first = processes.rank() == 0
        processes.part()
        if not is_first:
            # What is left is the first one's. It may take long: nobody waits for it.
            return Run(folder, architecture, result)
        if "evaluate" in stages and run.weights.exists():
            result["protocols"] = _evaluate(recipe, splits, folder, result)
        if run.search.finished:
            result["search"] = run.search.read_result()
        write_page(folder)
        print_summary(folder, console)
    return Run(folder, architecture, {"folder": str(folder), **result})


def _check_protocol(name: str, recipe: Recipe) -> None:
    channels = parse_protocol(name).channels
    if channels != recipe.network.channels:
        raise UserError(
            f"evaluate.protocols: {name} is for {channels} channel(s) where network.channels is "
            f"{recipe.network.channels}; choose a protocol that fits, or none with evaluate.protocols=[]"
        )


def join_processes(recipe: Recipe, stages: Sequence[str]) -> None:
    """Meet the other processes, if torchrun has started several.

    Raises:
        UserError: they cannot have equal shares of a batch, or one has no device.
    """
    processes.join()
    processes.together(lambda: choose_device(recipe.device))
    for part, batch in (("search", recipe.search.batch), ("train", recipe.train.batch)):
        if part in stages and not (part == "search" and recipe.given is not None):
            processes.check_batch(f"{part}.batch", batch)


def _refuse_other_images(splits: Splits) -> None:
    """Refuse images that are not the first process' own, as on another machine they may be."""

    def check() -> None:
        if names != splits.names():
            raise UserError("data: the images are not those of the first process; give all machines the same ones")

    names = processes.first(splits.names)
    processes.together(check)


def _read_both(splits: Splits, recipe: Recipe) -> tuple[Images, Images]:
    return processes.together(
        lambda: (read_images(splits.train, recipe), read_images(splits.validation, recipe))
    )


def read_images(items: list[Item], recipe: Recipe) -> list[tuple[np.ndarray, np.ndarray | None]]:
    return [read_item(item, recipe.network.channels) for item in items]


def _find_architecture(
    recipe: Recipe, splits: Splits, folder: Path, stages: Sequence[str], console: Console, tensorboard: bool
) -> Architecture:
    architecture = recipe.given
    if architecture is None and "search" in stages:
        with _log(RunFolder(folder).tensorboard / "search", tensorboard) as log:
            images = _read_both(splits, recipe)
            architecture = search(recipe, *images, folder, console, log)

    def recorded() -> dict[str, Any]:
        path = RunFolder(folder).architecture
        if architecture is not None:
            write_json(path, architecture.to_dict())
        elif not path.exists():
            raise UserError(
                f"{folder}: no architecture to train; search first, or give one with --architecture FPPF-FFFF-PFFP"
            )
        found: dict[str, Any] = read_json(path)
        return found

    return Architecture.from_dict(processes.first(recorded))


def _write_cost(folder: Path, architecture: Architecture) -> dict[str, Any]:
    table = cost_table(architecture)
    total = {
        "parameters": sum(part.parameters for part in table),
        "macs_per_pixel": sum(part.macs_per_pixel for part in table),
    }
    write_json(RunFolder(folder).cost, {**total, "cells": [dataclasses.asdict(part) for part in table]})
    return total


def _evaluate(recipe: Recipe, splits: Splits, folder: Path, cost: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Evaluate on the test images by each protocol that has no result yet, and write samples."""
    restorer = load(folder, recipe.device, "fp32")  # as `evaluate` by default: figures do not hang on the machine
    run = RunFolder(folder)
    summary: dict[str, dict[str, Any]] = {}
    ensemble = recipe.evaluate.ensemble
    for name in recipe.evaluate.protocols if splits.test else []:
        path = run.evaluation_result(f"{name}{'-ensemble' if ensemble else ''}")
        if not path.exists():
            with progress_bar(f"evaluate {name}") as progress:
                measured = evaluate(restorer, splits.test, name, ensemble=ensemble, progress=progress)
            record = evaluation_record(
                measured,
                model=str(run.weights),
                data=str(Path(splits.test[0].clean).parent),
                architecture=restorer.architecture,
                device=str(restorer.device),
                precision=restorer.precision,
                seed=0,
            )
            write_result(record, path)
        whole = read_json(path)
        summary[name] = {key: value for key, value in whole.items() if key != "per_image"}
    if recipe.evaluate.samples and recipe.evaluate.protocols and not run.sample_list.exists():
        shown = splits.test or splits.validation
        write_samples(run, restorer, shown[: recipe.evaluate.samples], recipe.evaluate.protocols[0])
    return summary


class _log:
    """A context that gives a function for metric lines to TensorBoard, or None."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self.folder, self.wanted = folder, wanted

    def __enter__(self) -> Callable[[dict[str, Any]], None] | None:
        if not self.wanted:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError("--tensorboard: tensorboard is not installed; pip install 'clearer[tensorboard]'") from None
        self.writer = SummaryWriter(str(self.folder))

        def write(line: dict[str, Any]) -> None:
            for key, value in line.items():
                if isinstance(value, int | float) and key not in ("step", "epoch"):
                    self.writer.add_scalar(key, float(value), line["step"])
            for index, (first, *_) in enumerate(line.get("mixing_weights", [])):
                self.writer.add_scalar(f"parallel/{index + 1}", first, line["step"])

        return write

    def __exit__(self, *_: object) -> None:
        if self.wanted:
            self.writer.close()
