"""Checks before a run: settings that cannot work are refused before its folder is created."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch

from clearer.core.errors import UserError
from clearer.data.noisy import is_noisy_only
from clearer.data.ranges import with_range
from clearer.data.scales import scale_note
from clearer.data.splits import Splits, resolve_splits
from clearer.degradations.camera.kind import Camera
from clearer.evaluation.evaluate import check_fit
from clearer.evaluation.pairs import check_measured
from clearer.evaluation.protocols import parse_protocol
from clearer.network.baselines.base import BaselineNetwork
from clearer.network.baselines.registry import BASELINES
from clearer.pipeline.loss_checks import check_losses, check_shares
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training import distributed
from clearer.training.initial_weights import check_start
from clearer.training.run_device import choose_device


def check_run(
    recipe: Recipe, folder: RunFolder, stages: Sequence[str], say: Callable[[str], None]
) -> tuple[torch.device, Splits]:
    """Check that the stages of a run can work; return the device of this process and the images of each part.

    If torchrun has started several processes, they join here.

    Args:
        recipe: all settings.
        folder: the run folder; it is read, not written.
        stages: of search, train, evaluate.
        say: takes remarks, such as on images that are left out.

    Raises:
        UserError: a protocol, the device, the images, a loss or the initial weights do not fit the recipe.
    """
    for name in recipe.evaluate.protocols:
        _check_protocol(name, recipe)
    if recipe.baseline is not None:
        _check_baseline(recipe.baseline, recipe.network.channels, stages)
    if is_noisy_only(recipe.data):
        _check_noisy(recipe)
    device = _meet(recipe, stages)
    if "search" in stages and recipe.form is None and not distributed.first(lambda: folder.search.finished):
        _check_warmup(recipe)
    if not distributed.first(lambda: folder.train.finished):
        check_losses(recipe)
        check_shares(recipe)
        _check_cameras(recipe)
    patch = max(recipe.search.patch if recipe.form is None else 0, recipe.train.patch)
    splits = distributed.together(partial(_find_images, recipe, patch, say))
    if "evaluate" in stages:
        distributed.together(partial(_check_measured, recipe, splits))
    if "evaluate" in stages and not distributed.first(lambda: folder.is_trained):
        distributed.first(partial(_check_values, recipe, splits))
    if "train" in stages:
        distributed.first(lambda: check_start(recipe, folder) and None)
    _refuse_other_images(splits)
    return device, splits


def check_images(recipe: Recipe) -> None:
    """Check the protocols and the images of a run before a search within a budget, which knows no architecture yet.

    Raises:
        UserError: a protocol does not fit, or images are missing, too few or damaged.
    """
    for name in recipe.evaluate.protocols:
        _check_protocol(name, recipe)
    _check_cameras(recipe)
    splits = _find_images(recipe, recipe.train.patch, lambda remark: None)  # the run says the remarks
    _check_measured(recipe, splits)
    _check_values(recipe, splits)


def _check_measured(recipe: Recipe, splits: Splits) -> None:
    """Refuse images that a protocol cannot measure."""
    measured = splits.test or (splits.validation if recipe.evaluate.samples else [])
    for name in recipe.evaluate.protocols:
        # The protocols of a run have the channels of its network, which data.convert makes of gray images for training.
        check_fit(measured, parse_protocol(name), "leave it out of the test images, or set evaluate.protocols=[]")


def _check_values(recipe: Recipe, splits: Splits) -> None:
    """Refuse images of which no pixel has a value that a protocol measures: found later, a training would be lost."""
    measured = splits.test or splits.validation[: recipe.evaluate.samples]
    protocols = [parse_protocol(name) for name in recipe.evaluate.protocols]
    read_alike = {(one.channels, one.crop, one.needs_pairs): one for one in protocols}
    for protocol in read_alike.values():
        check_measured(measured, protocol)


def _check_protocol(name: str, recipe: Recipe) -> None:
    channels = parse_protocol(name).channels
    if channels != recipe.network.channels:
        raise UserError(
            f"evaluate.protocols: {name} is for {channels} channel(s) where network.channels is "
            f"{recipe.network.channels}; choose a protocol that fits, or none with evaluate.protocols=[]"
        )


def _check_baseline(name: str, channels: int, stages: Sequence[str]) -> None:
    if tuple(stages) == ("search",):
        raise UserError(f"baseline: {name} has nothing to search; train it with 'clearer train'")
    takes = cast(type[BaselineNetwork], BASELINES.get(name)).channels
    if takes != channels:
        raise UserError(f"network.channels: {channels} where {name} takes {takes}; set network.channels={takes}")


def _check_cameras(recipe: Recipe) -> None:
    """Refuse files of measured cameras that cannot be read."""
    for one in recipe.data.degradation.components():
        if isinstance(one, Camera):
            try:
                one.check_files()
            except UserError as error:
                raise UserError(f"data.degradation: {error}") from error


def _check_warmup(recipe: Recipe) -> None:
    epochs, warmup = recipe.search.epochs, recipe.search.warmup_epochs
    if warmup >= epochs:
        raise UserError(
            f"search.warmup_epochs: {warmup}, so alpha does not move in a search of search.epochs={epochs}; set "
            f"search.warmup_epochs to {epochs - 1} or less, or search.epochs to more"
        )


def _check_noisy(recipe: Recipe) -> None:
    """Refuse a search where there is no ground truth."""
    if recipe.form is None:
        raise UserError(
            f"data.layout: {recipe.data.layout} has no ground truth, which the search needs; give an architecture, "
            "such as --architecture FPFF-FFFF"
        )


def _meet(recipe: Recipe, stages: Sequence[str]) -> torch.device:
    """Join the other processes, if torchrun has started several; return the device of this one."""
    distributed.join()
    device = distributed.together(lambda: choose_device(recipe.device))
    for part, batch in (("search", recipe.search.batch), ("train", recipe.train.batch)):
        if part in stages and not (part == "search" and recipe.form is not None):
            distributed.check_batch(f"{part}.batch", batch)
    return device


def _find_images(recipe: Recipe, patch: int, say: Callable[[str], None]) -> Splits:
    splits = resolve_splits(recipe.data, channels=recipe.network.channels, patch=patch, seed=recipe.seed, say=say)
    splits = with_range(splits, None if recipe.data.range is None else recipe.data.span, say)
    notes = (scale_note(part) for part in splits.parts().values())
    if (note := next(filter(None, notes), None)) is not None:
        say(f"data: {note}")
    return splits


def _refuse_other_images(splits: Splits) -> None:
    """Refuse images that differ from those of the first process, as they may on another machine."""

    def check() -> None:
        if names != splits.names():
            raise UserError("data: the images are not those of the first process; give all machines the same images")

    names = distributed.first(splits.names)
    distributed.together(check)
