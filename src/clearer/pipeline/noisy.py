"""Training from noisy images alone: choose the method by the measured noise, and prepare the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearer.data.items import read_images
from clearer.data.noisy import find_scenes, halves
from clearer.data.patches import TrainingImages
from clearer.data.splits import Splits
from clearer.recipe.schema import Pairs, Recipe
from clearer.training.job import HeldOutImages

MEASURED = 12
"""Images from which the noise is measured, at most, spread evenly over the sorted names."""


@dataclass(frozen=True)
class Method:
    """The settings of a method, and lines that state the choice."""

    settings: dict[str, Any]
    remarks: list[str]


def method_for(where: str | Pairs, layout: str, channels: int) -> Method:
    """Choose the method by the noise of a set of images.

    Raises:
        UserError: no image is found or one cannot be read.
    """
    if layout == "exposures":
        find_scenes(where, layout)
        return Method({"train.loss": "noise2noise"}, ["method noise2noise: exposures of the same scenes are given"])
    return Method({"train.loss": "neighbor2neighbor"}, ["method neighbor2neighbor"])


def noisy_images(recipe: Recipe, splits: Splits) -> tuple[TrainingImages, HeldOutImages]:
    """Decode the images where there is no ground truth; a single image is divided.

    Raises:
        UserError: a file cannot be read, or a single image is too small.
    """
    channels = recipe.network.channels
    training, validation = read_images(splits.train, channels), read_images(splits.validation, channels)
    if recipe.data.layout == "exposures":
        if splits.train == splits.validation:
            parts = [[halves(image, recipe.train.patch) for image in pair if image is not None] for pair in training]
            return [(a[0], b[0]) for a, b in parts], [(a[1], b[1]) for a, b in parts]
        return training, validation
    if splits.train == splits.validation:
        ((image, _),) = training
        first, second = halves(image, recipe.train.patch)
        return [(None, first)], [(second, None)]
    return [(None, image) for image, _ in training], validation
