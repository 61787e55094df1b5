"""The short trainings of a search: they can go on at any time, and are compared by averaged weights."""

from __future__ import annotations

from clearer.experiments.runner import Plan
from clearer.network.architecture import Architecture
from clearer.recipe.load import recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.schema import EpochLine
from clearer.search.halving import EPOCH

NEVER = 10**6
"""Epochs between validations: only the last epoch of a rung is validated, as of every training."""
STEPS_PER_EPOCH = EPOCH
SMALL_PATCH = 32
"""Side in pixels. See docs/search.md: measured with two networks after 120 seconds each."""


def short(
    recipe: Recipe,
    architecture: Architecture,
    seed: int,
    steps: int,
    epoch: int = STEPS_PER_EPOCH,
    *,
    small_patches: bool = False,
) -> Recipe:
    """Return the recipe of a short training: a constant learning rate after the warm-up, and averaged weights.

    It can go on at any time, because the rate does not depend on the number of steps.

    Args:
        recipe: of the images and the training.
        architecture: to be trained.
        seed: of weights, patches and noise.
        steps: of the training, a multiple of ``epoch`` or less than that.
        epoch: steps of an epoch; the first epoch warms up.
        small_patches: twice as many patches of at most `SMALL_PATCH` pixels: after equal time, more is learned.
    """
    rate = recipe.train.optimizer.lr / 2
    patch = min(SMALL_PATCH, recipe.train.patch) if small_patches else recipe.train.patch
    values = recipe.to_dict()
    values |= {"name": f"{recipe.name}-search", "architecture": architecture.text}
    values["train"] |= {
        "seed": seed,
        "start": None,
        "epochs": max(1, steps // epoch),
        "steps_per_epoch": min(steps, epoch),
        "patch": fitting_patch(patch, architecture),
        "batch": recipe.train.batch * (1 + (patch < recipe.train.patch)),
        "average": 0.998,
        "validate_every": NEVER,
        "optimizer": values["train"]["optimizer"]
        | {"lr": rate, "lr_final": rate, "warmup_epochs": 1, "schedule": "cosine", "milestones": None},
    }
    values["evaluate"] |= {"protocols": [], "samples": 0}
    if recipe.teacher.stride > 1:  # a teacher of each network would take far longer than its short training
        values["teacher"] |= {"only": True}
        values["train"] |= {"loss": recipe.teacher.loss}
    return recipe_from_dict(values)


def fitting_patch(patch: int, architecture: Architecture) -> int:
    """Return the smallest side of a patch, ``patch`` at least, that a network takes without padding."""
    return -(-patch // architecture.multiple) * architecture.multiple


def end_of(plan: Plan, steps: int) -> EpochLine | None:
    """Return the validation of a training after this many steps; it may have gone on since."""
    lines = plan.run.train.read_metrics("step", "seconds", strict=False)
    validated = ("psnr", "estimated_psnr")
    return next((line for line in lines if line["step"] == steps and any(key in line for key in validated)), None)


def psnr_of(line: EpochLine) -> float:
    """Return the PSNR of a validation, estimated where there is no ground truth."""
    return line["psnr"] if "psnr" in line else line["estimated_psnr"]
