"""The gap between a supernet and the network discretized from it, on held-out patches."""

from __future__ import annotations

import dataclasses

import torch
from rich.console import Console
from torch import Tensor

from clearer.core.console import say
from clearer.data.items import read_images
from clearer.data.patches import PatchSampler
from clearer.data.ranges import with_range
from clearer.data.splits import resolve_splits, unseen_images
from clearer.data.variety import Variety
from clearer.degradations.base import Degradation
from clearer.experiments.search_records import SupernetGap
from clearer.network.supernet import Supernet
from clearer.recipe.schema import Recipe
from clearer.search.one_shot import held_out_psnr, reestimate

HELD_OUT_SEED = 30  # added to the recipe's; search itself adds 10 and 20
STATISTICS_BATCHES = 16  # training batches for new batch-norm statistics of a discretized network


def held_out_patches(
    recipe: Recipe, count: int, device: torch.device, console: Console, test: str | None = None
) -> tuple[tuple[Tensor, Tensor], list[Tensor], str]:
    """Return held-out patches and training batches, drawn with seeds that the search does not use.

    The patches are from test images, as the search moved alpha by its validation images; without test images, they
    are from those, which is said. Test images that show what the search has seen are left out, which is said, too.

    Args:
        recipe: the recipe of the search.
        count: number of held-out patches.
        device: where the patches go.
        console: where the splits are described.
        test: folder of test images in place of those of the recipe.

    Returns:
        Degraded and clean held-out patches, each (count, C, H, W) in [0, 1]; degraded training batches;
        and the part of the images that the patches are of, ``test`` or ``validation``.
    """
    settings = recipe.search

    def told(text: str) -> None:
        console.print(text, soft_wrap=True, markup=False, highlight=False)

    channels = recipe.network.channels
    splits = resolve_splits(recipe.data, channels=channels, patch=settings.patch, seed=recipe.seed, say=told)
    if test is not None:
        unseen = unseen_images(test, splits, recipe.data, channels=channels, patch=settings.patch, say=told)
        splits = dataclasses.replace(splits, test=unseen)
    splits = with_range(splits, None if recipe.data.range is None else recipe.data.span, told)

    def sampler(part: str, degradation: Degradation, batch: int) -> PatchSampler:
        return PatchSampler(
            read_images(getattr(splits, part), channels),
            patch=settings.patch,
            batch=batch,
            degradation=degradation,
            variety=Variety(augment=False),
            seed=recipe.seed + HELD_OUT_SEED,
            device=device,
            span=recipe.data.span,
        )

    degradation = recipe.data.degradation
    training = sampler("train", degradation, settings.batch)
    part = "test" if splits.test else "validation"
    if part == "validation":
        say("no test images: scored on the validation images, by which the search moved alpha", console)
    held_out = sampler(part, degradation.held_out(), count).draw()
    assert held_out.clean is not None
    return (held_out.degraded, held_out.clean), [training.draw().degraded for _ in range(STATISTICS_BATCHES)], part


def supernet_gap(supernet: Supernet, held_out: tuple[Tensor, Tensor], batches: list[Tensor]) -> SupernetGap:
    """Return the PSNR on held-out patches of a supernet and of its discretized network with the same weights.

    Args:
        supernet: a supernet whose search is finished.
        held_out: degraded and clean patches, each (B, C, H, W) in [0, 1].
        batches: degraded training batches, for new batch-norm statistics.
    """
    derived = supernet.extract().eval()
    before = held_out_psnr(derived, *held_out)
    reestimate(derived, batches)
    return {
        "input": held_out_psnr(lambda x: x, *held_out),
        "supernet": held_out_psnr(supernet.eval(), *held_out),
        "derived": before,
        "derived_new_statistics": held_out_psnr(derived.eval(), *held_out),
    }
