"""A teacher for noise that is correlated in both directions: trained on subsampled images, then distilled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from clearer.core.errors import UserError
from clearer.images.nodata import known_in, without_gaps
from clearer.images.pixels import WHOLE, Span, from_unit
from clearer.images.tensors import as_levels, to_array, to_batch, unit_of
from clearer.images.types import AnyPixels
from clearer.inference.restorer import Restorer, load
from clearer.network.baselines.build import Form
from clearer.noise.model import NoiseModel
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed
from clearer.training.job import HeldOutImages, RunContext
from clearer.training.trainer import train


def taught(recipe: Recipe, architecture: Form, context: RunContext) -> RunContext:
    """Train the teacher in the folder ``teacher`` of the run; return the context with its results as ground truth.

    A finished teacher is not trained again. Nothing is done where the recipe has no teacher, or where the training that
    needs its results is finished. With ``teacher.only``, the subsampled images are returned.

    Raises:
        UserError, Interrupted: see `clearer.training.trainer.train`.
    """
    settings = recipe.teacher
    if settings.stride == 1 or distributed.first(lambda: context.folder.is_trained):
        return context
    noisy = [image for _, image in context.training if image is not None]
    smallest = min(min(image.shape[:2]) for image in noisy) // settings.stride
    patch = min(recipe.train.patch, smallest - smallest % recipe.space.multiple)
    if patch < (recipe.train.patch if settings.only else recipe.space.multiple):
        raise UserError(
            f"teacher.stride: {settings.stride} leaves {smallest} pixels of the smallest image, fewer than a patch; "
            "make it smaller or leave out small images"
        )
    if settings.only:
        return _subsampled(context, noisy, settings.stride)
    lesson = dataclasses.replace(
        recipe.train, loss=settings.loss, epochs=settings.epochs, patch=patch, seed=recipe.seed, start=None
    )
    teacher_folder = RunFolder(context.folder.path / "teacher")
    context.say(f"teacher: learns from every {settings.stride}th pixel; its weights go to {teacher_folder}")
    train(
        dataclasses.replace(recipe, train=lesson),
        architecture,
        dataclasses.replace(_subsampled(context, noisy, settings.stride), folder=teacher_folder),
    )
    restorer = load(teacher_folder.weights, str(context.device), "fp32")
    continued = [without_gaps([image])[0][0] for image in noisy]  # patches are not taken from there
    images = [
        (restored_by_phases(restorer, whole, settings.stride, recipe.data.span), image)
        for whole, image in zip(continued, noisy, strict=True)
    ]
    return dataclasses.replace(context, training=images)


def _subsampled(context: RunContext, noisy: Sequence[AnyPixels], stride: int) -> RunContext:
    """Return the context with the phases of the training and validation images, whose noise is uncorrelated."""
    return dataclasses.replace(
        context,
        training=[(None, phase) for image in noisy for phase in phases(image, stride)],
        validation=_held_out_phases(context.validation, stride),
        noise=_uncorrelated(context.noise),
        training_noise=_uncorrelated(context.training_noise, stride**2),
    )


def phases(image: AnyPixels, stride: int) -> Iterator[AnyPixels]:
    """Yield the ``stride**2`` images that every ``stride``-th pixel of rows and columns makes; edges may be cut.

    All have the same size, so that rows and columns beyond a multiple of the stride are left out.
    """
    height, width = (side - side % stride for side in image.shape[:2])
    for row in range(stride):
        for column in range(stride):
            yield np.ascontiguousarray(image[row:height:stride, column:width:stride])


def restored_by_phases(restorer: Restorer, image: AnyPixels, stride: int, span: Span) -> AnyPixels:
    """Restore each phase of an image and put them together; (H, W, C), uint16 for 8 bits, else the same depth.

    The image is mirrored beyond its edges up to a multiple of the stride.
    """
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % stride), (0, -width % stride), (0, 0)), "reflect")
    whole = torch.empty(1, image.shape[2], *padded.shape[:2])
    for k, phase in enumerate(phases(padded, stride)):
        noisy = unit_of(as_levels(phase), span).numpy()
        whole[..., k // stride :: stride, k % stride :: stride] = restorer(to_batch(noisy)).clamp(0, 1).cpu()
    unit = to_array(whole)[:height, :width]
    if image.dtype.kind == "f":  # scaled when it was read
        return np.ascontiguousarray(unit)
    # 16 bits for 8: rounding would add noise to the ground truth. The sampler brings both to one depth.
    return from_unit(unit, np.uint16 if image.dtype == np.uint8 and span == WHOLE else image.dtype, span)


def _held_out_phases(images: HeldOutImages, stride: int) -> HeldOutImages:
    """Return a phase of each image, the first one that has a value anywhere: the others have the same content."""
    return [(next(filter(_has_values, phases(image, stride)), image), None) for image, _ in images]


def _has_values(image: AnyPixels) -> bool:
    return (known := known_in([image])) is None or bool(known.any())


def _uncorrelated(noise: Sequence[NoiseModel] | None, times: int = 1) -> list[NoiseModel] | None:
    """Return the noise of ``times`` phases of each image."""
    if noise is None:
        return None
    return [dataclasses.replace(one, along_rows=(), along_columns=()) for one in noise for _ in range(times)]
