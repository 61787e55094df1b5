"""A run that is ready to search or train: checked, its folder held, its images decoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from clearer.core.console import say
from clearer.data.items import check_values, read_images
from clearer.data.noisy import is_noisy_only
from clearer.data.patches import TrainingImages
from clearer.data.splits import Splits
from clearer.images.pixels import WHOLE
from clearer.noise.profile import NoiseProfile
from clearer.pipeline.noisy import noisy_images, with_measured_noise
from clearer.pipeline.run_checks import check_run
from clearer.pipeline.run_folder import opened_run
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed
from clearer.training.job import HeldOutImages, RunContext
from clearer.training.tensorboard import tensorboard_log


@contextmanager
def prepared_run(
    recipe: Recipe,
    folder: RunFolder,
    stages: Sequence[str],
    console: Console,
    *,
    noise: NoiseProfile | None = None,
    tensorboard: bool = False,
) -> Iterator[tuple[Recipe, RunContext, Splits]]:
    """Open a run; yield its recipe with the range of its images, its context and its images.

    Args:
        recipe, stages, console, tensorboard: see `clearer.fit`.
        folder: the run folder, which the first process holds until the block ends.
        noise: of noisy images without ground truth, if it is known.

    Raises:
        UserError: see `check_run` and `opened_run`.
    """
    device, splits = check_run(recipe, folder, stages, partial(say, console=console))
    recipe = _with_noticed_range(recipe, splits)
    with tensorboard_log(folder.tensorboard, tensorboard) as log:
        context = RunContext.of(recipe, folder, console=console, device=device, log=log)
        with opened_run(recipe, context, splits):
            counts = ", ".join(f"{len(names)} {part}" for part, names in splits.names().items())
            context.say(f"{recipe.name}: {counts} images; results go to {folder}")
            if line := _degrades_pairs(recipe, splits):
                context.say(line)
            yield recipe, _with_images(context, recipe, splits, stages, noise), splits


def _with_noticed_range(recipe: Recipe, splits: Splits) -> Recipe:
    """Return the recipe with the range that was noticed in the images, so that the run and its model state it."""
    span = splits.train[0].span
    if recipe.data.range is not None or span == WHOLE:
        return recipe
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, range=list(span)))


def _degrades_pairs(recipe: Recipe, splits: Splits) -> str | None:
    """Return a line if a recipe degrades the degraded images of pairs further, as those for clean images do."""
    degradation = recipe.data.degradation
    if degradation.kind == "none" or degradation.replaces or all(item.degraded is None for item in splits.train):
        return None
    return (
        f"data: {recipe.name} degrades the degraded images of the pairs further (data.degradation, {degradation.kind});"
        " to train on the pairs as they are, use fit pairs, or --set data.degradation.kind=none"
    )


def _with_images(
    context: RunContext, recipe: Recipe, splits: Splits, stages: Sequence[str], noise: NoiseProfile | None
) -> RunContext:
    """Decode the training and validation images, unless search and training are finished."""

    def wanted() -> bool:
        searching = "search" in stages and recipe.form is None and not context.folder.search.finished
        return searching or ("train" in stages and not context.folder.is_trained)

    if not distributed.first(wanted):
        return context
    channels = recipe.network.channels

    def decoded() -> tuple[TrainingImages, HeldOutImages]:
        if is_noisy_only(recipe.data):
            return noisy_images(recipe, splits)
        training, validation = (read_images(part, channels, gaps=True) for part in (splits.train, splits.validation))
        compared = slice(recipe.train.validation_images)
        check_values(splits.validation[compared], validation[compared])
        return training, validation

    training, validation = distributed.together(decoded)
    context = dataclasses.replace(context, training=training, validation=validation)
    return with_measured_noise(context, recipe, splits, noise) if is_noisy_only(recipe.data) else context
