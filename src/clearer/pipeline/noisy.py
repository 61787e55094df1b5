"""Training from noisy images alone: choose the method by the measured noise, and prepare the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearer.core.files import write_json
from clearer.core.spread import evenly
from clearer.data.items import Item, check_values, read_images, read_with_known, without_values
from clearer.data.noisy import halves, scenes_of, shares_one_scene
from clearer.data.patches import TrainingImages
from clearer.data.splits import Splits
from clearer.images.nodata import without_gaps
from clearer.images.pixels import Span
from clearer.images.types import AnyPixels
from clearer.losses.registry import LOSSES
from clearer.noise.model import NoiseModel
from clearer.noise.profile import NoiseProfile, profile_from, profile_images
from clearer.noise.words import in_words
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed
from clearer.training.job import HeldOutImages, RunContext

MEASURED = 12
"""Images from which the noise is measured before training, at most, spread evenly over the sorted names."""
INDEPENDENT = (-0.2, 0.1)
"""Correlations between which noise counts as independent at a distance. Flat blocks have less coarse noise than
others: noise averaged over 3 pixels measures -0.13 +- 0.03 at a distance of 3, where the true correlation is 0."""
SAME_LEVEL = 1.06
"""Ratio of noise levels up to which an image has the noise of its set: its own one, and what the line of the set states
at its brightness. 17 photographs of BSDS500 with sigma 25 measure 0.98 to 1.05 of the level of the set; 12 images of
W2S, whose exposures and channels differ, 0.8 to 1.8."""
STRIDES = (2, 3, 4)
"""Strides that a teacher may have."""


@dataclass(frozen=True)
class Method:
    """The settings of a method, and lines that state the choice."""

    settings: dict[str, Any]
    remarks: list[str]


def noise_of_set(items: Sequence[Item], channels: int, span: Span) -> NoiseProfile:
    """Measure the noise of a set of images, from a few of them.

    Args:
        items: the images; a single one is measured whole.
        channels: of the network.
        span: the levels that are black and white.

    Raises:
        UserError: an image cannot be read, or none has a value anywhere.
    """
    ordered = sorted(set(items), key=lambda item: (item.name, item.page or 0))
    chosen = [dataclasses.replace(item, span=span) for item in evenly(ordered, MEASURED)]
    read = [read_with_known(item, channels) for item in chosen]
    valued = [(image, known) for image, known in read if known is None or known.any()]
    if not valued:
        raise without_values(chosen)
    return profile_images([image for image, _ in valued], span, [known for _, known in valued])


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
        few = [profile.recommendation] if profile.kind == "blocky" else []
        remark = f"method neighbor2neighbor on every {ORDINAL[stride]} pixel, whose results teach the network"
        return Method(settings, [noise, *few, remark])
    if profile.kind == "clean" or profile.without_sure:
        few = [profile.recommendation] if profile.kind == "clean" else []
        measured = profile.kind == "independent" and profile.is_known
        remark = f"method neighbor2neighbor{': neighboring pixels have independent noise' if measured else ''}"
        return Method({"train.loss": "neighbor2neighbor"}, [noise, *few, remark])
    remark = "method neighbor2neighbor+sure: neighboring pixels have independent noise, whose level is known"
    return Method({"train.loss": "neighbor2neighbor+sure"}, [noise, remark])


ORDINAL = {2: "second", 3: "third", 4: "fourth"}


def _stride(profile: NoiseProfile) -> int:
    """Return the least stride at which noise is independent along rows and columns; the largest one if unknown.

    Noise in color alone reaches farther where compression or a camera smoothed the colors: at a distance of 2, its
    correlation is 0.22 to 0.27 in JPEG files with 4:2:0, 0.5 to 0.6 as the degradation ``camera`` processes it, and
    0.07 or less where each channel was blurred by up to 0.7 pixels.
    """
    lines = [profile.rows, profile.columns, *([] if profile.color is None else [profile.colors])]
    for stride in STRIDES:
        far = [along[stride] for along in lines if len(along) > stride]
        low, high = INDEPENDENT
        known = len(far) == len(lines) and profile.kind != "blocky"
        if known and low < min(far) and max(far) < high:
            return stride
    return STRIDES[-1]


def with_measured_noise(
    context: RunContext, recipe: Recipe, splits: Splits, profile: NoiseProfile | None = None
) -> RunContext:
    """Return the context with the noise and the scene of each validation image, and the noise that a loss needs.

    That of the whole set is noted in the run folder. It is ``profile``, by which the method was chosen, if that was
    measured in the same range.
    """
    span, training = recipe.data.span, context.training
    if profile is None or profile.scale != span:
        profile = noise_of_set([*splits.train, *splits.validation], recipe.network.channels, span)
    noted = {**profile.to_dict(), "words": in_words(profile)}
    distributed.first(lambda: write_json(context.folder.noise, noted))
    held_out = context.validation[: recipe.train.validation_images]
    own, losses = None, [recipe.train.loss, *([recipe.teacher.loss] if recipe.teacher.stride > 1 else [])]
    if any(LOSSES.get(name).needs_noise for name in losses):
        own = noise_of_each(profile, [(image, None) for _, image in training if image is not None])
    noise = None if profile.kind == "blocky" else noise_of_each(profile, held_out)
    return dataclasses.replace(context, noise=noise, training_noise=own, scenes=scenes_of(splits.validation))


def noise_of_each(profile: NoiseProfile, images: HeldOutImages) -> list[NoiseModel]:
    """Return the noise of each image, in units of the range of black and white, that of the profile of its set.

    The model of the whole set is the more certain one; an image whose noise differs from it has its own.
    """
    return [NoiseModel.of(_own_noise(profile, image)) for image, _ in images]


def _own_noise(whole: NoiseProfile, image: AnyPixels) -> NoiseProfile:
    """Return the profile of an image, (H, W, C) with NaN where it has no value, or that of its set."""
    continued, known = without_gaps([image])
    if known is not None and not known.any():
        return whole
    own = profile_images(continued, whole.scale, [known])
    return whole if _has_noise_of(whole, own) else own


def _has_noise_of(whole: NoiseProfile, own: NoiseProfile) -> bool:
    """Return whether an image, by its own profile, has the noise of its set."""
    level, expected = (np.sqrt(np.mean([one.level_at(x) ** 2 for x in own.brightness])) for one in (own, whole))
    return bool(1 / SAME_LEVEL < level / max(expected, 1e-6) < SAME_LEVEL)


def noted_noise(folder: RunFolder, recipe: Recipe, splits: Splits) -> NoiseProfile:
    """Return the noise of the set that the run noted before its training; measure it where there is no note."""
    noted = folder.read_noise()
    profile = profile_from(noted) if "scale" in noted else None  # earlier versions ignored the range
    return profile or noise_of_set([*splits.train, *splits.validation], recipe.network.channels, recipe.data.span)


def noisy_images(recipe: Recipe, splits: Splits) -> tuple[TrainingImages, HeldOutImages]:
    """Decode the images where there is no ground truth; a single image is divided.

    Raises:
        UserError: a file cannot be read, a single image is too small, or no pixel of a validation image has a value.
    """
    training, validation = _noisy_images(recipe, splits)
    compared = slice(recipe.train.validation_images)
    check_values(splits.validation[compared], validation[compared])
    return training, validation


def _noisy_images(recipe: Recipe, splits: Splits) -> tuple[TrainingImages, HeldOutImages]:
    channels = recipe.network.channels
    training, validation = (read_images(part, channels, gaps=True) for part in (splits.train, splits.validation))
    divided = shares_one_scene(splits.train, splits.validation)
    if recipe.data.layout == "exposures":
        if divided:
            first, second = (
                [tuple(halves(image, recipe.train.patch)[k] for image in pair if image is not None) for pair in part]
                for k, part in enumerate((training, validation))
            )
            return [(a, b) for a, b in first], [(a, b) for a, b in second]
        return training, validation
    if divided:
        to_train, to_validate = halves(training[0][0], recipe.train.patch)
        return [(None, to_train)], [(to_validate, None)]
    return [(None, image) for image, _ in training], validation
