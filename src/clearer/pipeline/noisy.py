"""Training from noisy images alone: choose the method by the measured noise, and prepare the images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from clearer.core.files import write_json
from clearer.data.items import read_images, read_item
from clearer.data.noisy import find_scenes, halves
from clearer.data.patches import TrainingImages
from clearer.data.splits import Splits
from clearer.images.pixels import WHOLE, Span, to_unit
from clearer.images.types import AnyPixels
from clearer.losses.registry import LOSSES
from clearer.noise.model import NoiseModel
from clearer.noise.profile import NoiseProfile, profile_images
from clearer.noise.words import in_words
from clearer.recipe.schema import Pairs, Recipe
from clearer.training import distributed
from clearer.training.job import HeldOutImages, RunContext

MEASURED = 12
"""Images from which the noise is measured before training, at most, spread evenly over the sorted names."""
INDEPENDENT = (-0.2, 0.1)
"""Correlations between which noise counts as independent at a distance. Flat blocks have less coarse noise than
others: noise averaged over 3 pixels measures -0.13 +- 0.03 at a distance of 3, where the true correlation is 0."""
SAME_LEVEL = 1.1
"""Ratio of noise levels up to which an image has the noise of its set. 17 photographs of BSDS500 with sigma 25 measure
0.98 to 1.05 of the level of the set; 12 images of W2S, whose exposures differ, 0.8 to 1.8."""
STRIDES = (2, 3, 4)
"""Strides that a teacher may have."""


@dataclass(frozen=True)
class Method:
    """The settings of a method, and lines that state the choice."""

    settings: dict[str, Any]
    remarks: list[str]


def method_for(where: str | Pairs, layout: str, channels: int) -> Method:
    """Choose the method by the measured noise of a set of images.

    Raises:
        UserError: no image is found, or one cannot be read.
    """
    scenes = find_scenes(where, layout)
    if layout == "exposures":
        return Method({"train.loss": "noise2noise"}, ["method noise2noise: exposures of the same scenes are given"])
    chosen = [scenes[i * len(scenes) // MEASURED][0] for i in range(MEASURED)] if len(scenes) > MEASURED else None
    items = chosen or [scene[0] for scene in scenes]
    return method_by(profile_images([read_item(item, channels, None)[0] for item in items]))


def method_by(profile: NoiseProfile) -> Method:
    """Choose the method by a noise profile."""
    noise = in_words(profile)[0]
    if profile.kind == "lines":
        # Turned by a quarter, rows would be columns.
        name = f"noise2void-{profile.direction}"
        settings: dict[str, Any] = {"train.loss": name, "data.augment": "mirror"}
        return Method(settings, [noise, f"method {name}: the line around each predicted pixel is hidden"])
    if profile.kind in ("correlated", "blocky"):
        stride = _stride(profile)
        settings = {"train.loss": "charbonnier", "teacher.stride": stride}
        remark = f"method neighbor2neighbor on every {ORDINAL[stride]} pixel, whose results teach the network"
        return Method(settings, [noise, remark])
    few = [profile.recommendation] if profile.kind == "clean" else []
    remark = "method neighbor2neighbor: neighboring pixels have independent noise"
    return Method({"train.loss": "neighbor2neighbor"}, [noise, *few, remark])


ORDINAL = {2: "second", 3: "third", 4: "fourth"}


def _stride(profile: NoiseProfile) -> int:
    """Return the least stride at which noise is independent along rows and columns; the largest one if unknown."""
    for stride in STRIDES:
        far = [along[stride] for along in (profile.rows, profile.columns) if len(along) > stride]
        low, high = INDEPENDENT
        if far and low < min(far) and max(far) < high and profile.kind != "blocky" and not profile.color:
            return stride
    return STRIDES[-1]


def with_measured_noise(context: RunContext, recipe: Recipe) -> RunContext:
    """Return the context with the noise of each validation image, and of each training image where a loss needs it.

    That of the whole set is noted in the run folder.
    """
    span, training = recipe.data.span, context.training
    profile = profile_images([image for _, image in training if image is not None])
    noted = {**profile.to_dict(), "words": in_words(profile)}
    distributed.first(lambda: write_json(context.folder.noise, noted))
    held_out = context.validation[: recipe.train.validation_images]
    own, losses = None, [recipe.train.loss, *([recipe.teacher.loss] if recipe.teacher.stride > 1 else [])]
    if any(LOSSES.get(name).needs_noise for name in losses):
        own = noise_of_each(training, [(image, None) for _, image in training if image is not None], span)
    noise = noise_of_each(training, held_out, span)
    return dataclasses.replace(context, noise=noise, training_noise=own)


def noise_of_each(training: TrainingImages, images: HeldOutImages, span: Span) -> list[NoiseModel]:
    """Return the noise of each image, in units of the span of black and white.

    The model of the whole set is the more certain one; an image whose noise differs from it has its own.
    """
    profile = profile_images([_scaled(image, span) for _, image in training if image is not None])
    own = [profile_images([_scaled(image, span)]) for image, _ in images]
    alike = [1 / SAME_LEVEL < one.level / max(profile.level, 1e-6) < SAME_LEVEL for one in own]
    return [NoiseModel.of(profile if same else one) for one, same in zip(own, alike, strict=True)]


def _scaled(image: AnyPixels, span: Span) -> AnyPixels:
    return image if span == WHOLE or image.dtype.kind == "f" else to_unit(image, span)


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
