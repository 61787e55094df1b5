"""Checks of losses and of the teacher against the images: what cannot work is refused before anything is trained."""

from __future__ import annotations

import torch

from clearer.core.errors import UserError
from clearer.data.noisy import is_noisy_only
from clearer.losses.base import Loss
from clearer.losses.registry import LOSSES
from clearer.network.baselines.build import build_network
from clearer.recipe.schema import Recipe
from clearer.training import distributed


def check_losses(recipe: Recipe) -> None:
    """Refuse losses of the training and of its teacher that do not fit the images.

    Raises:
        UserError: a loss needs ground truth, or noise that is measured, where there is none; or there is a teacher
            beside ground truth.
    """
    if is_noisy_only(recipe.data):
        _check_ground_truth(recipe)
        _check_noise(recipe)
        return
    if recipe.teacher.stride > 1:
        raise UserError(
            f"teacher.stride: {recipe.teacher.stride}, but a teacher learns from noisy images alone; leave it out, or "
            "give the images with --noisy"
        )
    if LOSSES.get(recipe.train.loss).needs_noise:
        raise UserError(
            f"train.loss: {recipe.train.loss} needs noisy images alone, whose noise is measured; choose another loss, "
            "or give the images with --noisy"
        )


def check_shares(recipe: Recipe) -> None:
    """Refuse batch norm where processes would call the network for different numbers of patches, and so wait for ever.

    Raises:
        UserError: see above.
    """
    world = distributed.world()
    if world == 1:
        return
    for key, loss in _losses(recipe).items():
        if recipe.train.batch // world % loss.every and _has_batch_norm(recipe):
            raise UserError(
                f"{key}: with batch norm, {world} processes need as many of every {loss.every} patches each; set "
                f"network.norm=none, or train.batch to a multiple of {world * loss.every}"
            )


def _has_batch_norm(recipe: Recipe) -> bool:
    if recipe.form is None or recipe.baseline is None:
        return recipe.network.norm == "batch"
    return any(isinstance(module, torch.nn.BatchNorm2d) for module in build_network(recipe.form).modules())


def _losses(recipe: Recipe) -> dict[str, Loss]:
    """Return the losses by their settings: that of the training, and that of a teacher, if there is one."""
    found = {"train.loss": recipe.train.loss}
    if recipe.teacher.stride > 1:
        found["teacher.loss"] = recipe.teacher.loss
    return {f"{key} {name}": LOSSES.get(name) for key, name in found.items()}


def _check_ground_truth(recipe: Recipe) -> None:
    """Refuse losses that need ground truth where there is none."""
    exposures, stride = recipe.data.layout == "exposures", recipe.teacher.stride
    loss, known = LOSSES.get(recipe.train.loss), _without_ground_truth()
    if stride > 1 and LOSSES.get(recipe.teacher.loss).needs_clean:
        raise UserError(
            f"teacher.loss: {recipe.teacher.loss} needs ground truth, which a teacher has not; choose one of {known}"
        )
    if stride > 1 and recipe.teacher.only and loss.needs_clean:
        raise UserError(
            f"train.loss: {recipe.train.loss} needs ground truth, and with teacher.only there is none; choose one of "
            f"{known}"
        )
    if loss.needs_clean and not exposures and stride == 1:
        raise UserError(
            f"train.loss: {recipe.train.loss} needs ground truth, and data.layout {recipe.data.layout} has none; "
            f"choose one of {known}, or the recipe noisy"
        )
    if exposures and loss.needs_clean and recipe.train.loss != "noise2noise":
        raise UserError(
            f"train.loss: {recipe.train.loss} takes the other exposure for ground truth; choose noise2noise, or a loss "
            "that needs none with data.layout=noisy"
        )


def _without_ground_truth() -> str:
    return ", ".join(name for name, one in LOSSES.all().items() if not one.needs_clean)


def _check_noise(recipe: Recipe) -> None:
    """Refuse settings that change the noise of patches where a loss takes it as measured on the images."""
    for key, loss in _losses(recipe).items():
        if loss.needs_noise and recipe.data.gray_share:
            raise UserError(
                f"data.gray_share: {recipe.data.gray_share:g}, but {key} needs the noise of the images, and patches "
                "that are turned gray have another; leave it out or choose another loss"
            )
        if loss.needs_noise and recipe.data.degradation.kind != "none":
            raise UserError(
                f"data.degradation.kind: {recipe.data.degradation.kind}, but {key} needs the noise of the images, "
                "which it changes; set it to none or choose another loss"
            )
