"""Rank the trained model among pretrained ones and simple filters on held-out noisy images, without ground truth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from clearer.core.files import write_json
from clearer.data.noisy import scenes_of
from clearer.data.splits import Splits
from clearer.evaluation.no_reference import WHAT, Estimate, NoReference
from clearer.inference.equal_channels import in_equal_channels
from clearer.inference.restorer import Restorer, load
from clearer.losses.noise2void import Noise2Void
from clearer.losses.registry import LOSSES
from clearer.noise.blockiness import VISIBLE
from clearer.noise.profile import NoiseProfile
from clearer.pipeline.noisy import noise_of_each, noisy_images, noted_noise
from clearer.recipe.schema import Recipe
from clearer.report.noisy import CERTAIN
from clearer.runs.layout import RunFolder
from clearer.runs.schema import Ranking, RankingRow
from clearer.zoo.catalog import models
from clearer.zoo.names import is_for_use
from clearer.zoo.purpose import trained_kinds


def rank(recipe: Recipe, folder: RunFolder, restorer: Restorer, splits: Splits) -> Ranking:
    """Estimate the errors on the validation images, the same parts for all, and write ranking.json.

    Returns:
        ``rows``, best first: name, estimated PSNR, its standard error, and the gain of the model over the row, in dB,
        with the standard error of that difference; ``better``: pretrained models that certainly do better.

    Raises:
        UserError: an image or a model cannot be read.
    """
    loss = LOSSES.get(recipe.train.loss)
    profile = noted_noise(folder, recipe, splits)
    validation = noisy_images(recipe, splits)[1][: recipe.train.validation_images]
    images = NoReference(
        validation,
        None if profile.kind == "blocky" else noise_of_each(profile, validation),  # what JPEG leaves is no noise
        hide=loss if isinstance(loss, Noise2Void) else None,
        crop=recipe.train.validation_crop,
        device=restorer.device,
        span=recipe.data.span,
        scenes=scenes_of(splits.validation[: len(validation)]),
    )
    mine = images.estimate(restorer)
    others: dict[str, Estimate] = {}
    kinds = {"this model": "trained"}
    for name, restore, kind in _others(recipe, restorer, profile):
        others[name], kinds[name] = images.estimate(restore), kind
    rows = [_row("this model", "trained", mine, mine)]
    rows += [_row(name, kinds[name], estimate, mine) for name, estimate in others.items()]
    rows.sort(key=lambda row: -float(row["estimated_psnr"]))
    along_rows, along_columns = images.whiteness(restorer)
    result: Ranking = {
        "measure": mine.measure,
        "explanation": WHAT[mine.measure],
        "images": len(images),
        "parts": len(mine.errors),
        "rows": rows,
        "better": [
            row["name"]
            for row in rows
            if row["kind"] == "pretrained" and row["gain"] < -CERTAIN * row["gain_standard_error"]
        ],
        "removed_along_rows": along_rows,
        "removed_along_columns": along_columns,
    }
    write_json(folder.ranking, result)
    return result


def tasks_for(profile: NoiseProfile) -> set[str]:
    """Return the tasks of the pretrained models that fit images with this noise."""
    return {"denoise", "dejpeg"} if profile.grid >= VISIBLE else {"denoise"}


def _others(
    recipe: Recipe, restorer: Restorer, profile: NoiseProfile
) -> list[tuple[str, Callable[[Tensor], Tensor], str]]:
    """Return what the model is compared with: nothing done, blurs, and pretrained models that take such images."""
    found: list[tuple[str, Callable[[Tensor], Tensor], str]] = [("nothing done", lambda x: x, "input")]
    found += [
        (f"Gaussian blur of {size}", _blur(sigma), "filter") for sigma, size in ((1.0, "1 pixel"), (2.0, "2 pixels"))
    ]
    for model in models():
        channels = model["architecture"]["channels"]
        if (
            model["task"] not in tasks_for(profile)
            or channels < recipe.network.channels
            or not is_for_use(model["name"])
        ):
            continue
        other = load(model["file"], restorer.device, "fp32")
        equal = channels > recipe.network.channels
        if equal and trained_kinds(other.card) <= {"gaussian"}:
            continue  # it knows noise that differs between channels, and leaves what three equal channels share
        found.append((model["name"], in_equal_channels(other) if equal else other, "pretrained"))
    return found


def _row(name: str, kind: str, estimate: Estimate, mine: Estimate) -> RankingRow:
    gain, error = mine.gain_over(estimate)
    return {
        "name": name,
        "kind": kind,
        "estimated_psnr": estimate.psnr,
        "standard_error": estimate.standard_error,
        "gain": gain,
        "gain_standard_error": error,
    }


def _blur(sigma: float) -> Callable[[Tensor], Tensor]:
    """Return a Gaussian blur, mirrored at the edges."""
    radius = round(3 * sigma)
    place = torch.arange(-radius, radius + 1, dtype=torch.float32)
    window = torch.exp(-(place**2) / (2 * sigma**2))
    window = window / window.sum()

    def blur(x: Tensor) -> Tensor:
        channels, kernel = x.shape[1], window.to(x)
        x = functional.pad(x, (radius,) * 4, "reflect")
        x = functional.conv2d(x, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
        return functional.conv2d(x, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)

    return blur
