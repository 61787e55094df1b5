"""What the studies of short trainings share: their options, the recipe, and a training with its PSNR."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from clearer.experiments.runner import Plan
from clearer.experiments.short_training import end_of, psnr_of
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.training import trainer
from clearer.training.trainer import WeightTraining


def options(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the recipe, the images and the file of the results; further options can be added."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("recipe")
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--only-validation", help="text file with the names of the validation images to use")
    parser.add_argument("-o", "--out", required=True, type=Path)
    return parser


def begun(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the options, compute on one thread as a search does, and add the call as ``command``."""
    given = parser.parse_args()
    given.command = f"python benchmarks/studies/{Path(sys.argv[0]).name} {shlex.join(sys.argv[1:])}"
    torch.set_num_threads(1)
    return given


def recipe_of(given: argparse.Namespace, **settings: Any) -> Recipe:
    """Return the recipe with the images and further settings of the training."""
    return load_recipe(given.recipe, images_of(given) | {f"train.{key}": value for key, value in settings.items()})


def images_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of a recipe that name the images."""
    return {
        "data.train": given.train,
        "data.validation": given.validation,
        "data.only_validation": given.only_validation,
    }


def trained_psnr(recipe: Recipe, folder: Path, steps: int) -> float:
    """Carry out a training of `clearer.experiments.short_training.short`; return the validation PSNR at its end."""
    fit(recipe, folder, stages=("train",), console=Console(quiet=True))
    end = end_of(Plan("short", recipe, folder, "train"), steps)
    assert end is not None
    return psnr_of(end)


def going_on(given: argparse.Namespace, seed: int) -> Recipe:
    """Return the recipe of the model ``given.recipe``, which goes on from its weights for ``given.steps``.

    The learning rate falls from ``given.rate`` to a hundredth of it.
    """
    values = images_of(given) | {
        "data.exclude": "robustness",
        "seed": seed,
        "train.start": given.recipe,
        "train.watch_start": 0,
        "train.epochs": given.steps // 100,
        "train.validate_every": given.steps // 100,
        "train.average": 0.998,
        "train.optimizer.lr": given.rate,
        "train.optimizer.lr_final": given.rate / 100,
        "train.optimizer.warmup_epochs": 1,
    }
    return load_recipe(given.recipe, values)


def trained_by(job: Callable[..., WeightTraining], recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Carry out a training of another class; return the validation PSNR in dB at its end, and its seconds."""
    plain = trainer.WeightTraining
    trainer.WeightTraining = job  # type: ignore[misc,assignment]
    try:
        result = fit(recipe, folder, stages=("train",), console=Console(quiet=True)).result["train"]
    finally:
        trainer.WeightTraining = plain  # type: ignore[misc]
    return {key: result[key] for key in ("last_psnr", "input_psnr", "steps", "seconds")}
