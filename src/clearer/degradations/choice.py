"""Degrade each image of a batch by one of several functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def apply_by_choice(
    applied: Sequence[Callable[..., Tensor]],
    chosen: Sequence[int],
    clean: Tensor,
    generator: torch.Generator,
    *,
    start: int,
) -> Tensor:
    """Degrade each image of a batch by one of several functions, each called once for all of its images.

    Args:
        applied: functions such as `Degradation.apply`; all return the shape of their batch.
        chosen: for each image of the whole batch, the place in ``applied``; -1 leaves the image as it is.
        clean, generator, start: as in `Degradation.apply`; the whole batch has as many images as ``chosen``.
    """
    import torch

    # A generator for each function: how many numbers one takes does not change what the others get.
    seeds = torch.randint(2**62, (len(applied),), generator=generator, device=generator.device).tolist()
    degraded = clean.clone()
    for place, (apply, seed) in enumerate(zip(applied, seeds, strict=True)):
        own = [k for k, choice in enumerate(chosen) if choice == place]
        mine = [k - start for k in own if start <= k < start + clean.shape[0]]
        if not mine:
            continue
        before = sum(k < start for k in own)
        index = torch.tensor(mine, device=clean.device)
        noise = torch.Generator(device=generator.device).manual_seed(seed)
        degraded[index] = apply(clean[index], noise, start=before, of=len(own))
    return degraded
