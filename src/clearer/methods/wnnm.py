"""WNNM (Gu et al., CVPR 2014): weighted nuclear norm minimization on groups of similar patches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clearer.core.errors import UserError
from clearer.methods.base import ImageArray, Method, non_blind_denoiser
from clearer.methods.block_matching import overlap_mean, patches_of, similar
from clearer.methods.card import Classical
from clearer.methods.threads import in_threads

REACH = 30  # pixels
FEEDBACK = 0.1
"""The share of the removed noise that each iteration gives back."""
WEIGHT = 2 * math.sqrt(2)
REWEIGHTINGS = 3
MATCH_EVERY, FEWER = 2, 10
"""Patches are matched again every 2 iterations, each time 10 fewer to a group."""
SAMPLE = 20
"""Images that tables measure this method on: it takes minutes for a megapixel."""
CHUNK = 512
"""Groups that are estimated at once; an array of them takes about 20 MB."""


class Settings(NamedTuple):
    """What depends on the noise level.

    Args:
        sigma: the highest noise level these settings are for, in gray levels.
        side: of a patch in pixels.
        group: number of patches in a group, before the first reduction.
        iterations: number of iterations.
        scale: of the noise level after the first iteration.
    """

    sigma: float
    side: int
    group: int
    iterations: int
    scale: float


SETTINGS = (
    Settings(20, 6, 70, 8, 0.54),
    Settings(40, 7, 90, 12, 0.56),
    Settings(60, 8, 120, 14, 0.58),
    Settings(math.inf, 9, 140, 14, 0.58),
)


def wnnm() -> Method:
    """Return WNNM for gray images, with the settings of its authors' program.

    The singular values of a group are found through the eigenvalues of its smaller product with itself.
    """

    def restore(image: ImageArray, sigma: float) -> ImageArray:
        noisy = torch.from_numpy(image[..., 0]) * 255
        estimate = noisy
        for estimate in iterations(noisy, sigma * 255):  # noqa: B007
            pass
        return (estimate / 255).numpy()[..., None].astype(np.float32)

    method = non_blind_denoiser("WNNM", restore, "as published, float32", channels=1)
    return replace(method, sample=SAMPLE)


@torch.no_grad()
def iterations(noisy: Tensor, sigma: float) -> Iterator[Tensor]:
    """Yield the estimate of the clean image after each iteration.

    Args:
        noisy: (H, W) in gray levels.
        sigma: noise level in gray levels.

    Raises:
        UserError: the image is smaller than a patch.
    """
    settings = next(s for s in SETTINGS if sigma <= s.sigma)
    side, group = settings.side, settings.group
    if min(noisy.shape) < side:
        height, width = noisy.shape
        raise UserError(f"WNNM: an image of {width}x{height} pixels is too small; it takes {side}x{side} or more")
    step = side // 2 - 1
    estimate, noisy_patches = noisy, patches_of(noisy, side)
    keys = found = torch.empty(0, dtype=torch.int64)
    for iteration in range(settings.iterations):
        estimate = estimate + FEEDBACK * (noisy - estimate)
        patches = patches_of(estimate, side)
        if iteration:
            removed = (noisy_patches - patches).square().mean(-1)
            level = settings.scale * (sigma**2 - removed).abs().sqrt()
        else:
            level = torch.full(patches.shape[:2], sigma)
        if iteration % MATCH_EVERY == 0:
            group -= FEWER
            keys, found = similar(patches, step, REACH, group)
        estimate = _aggregated(patches, found, level.flatten()[keys])
        yield estimate


def _aggregated(patches: Tensor, found: Tensor, level: Tensor) -> Tensor:
    """Return the image that the estimates of all groups give, each patch with the same weight.

    Args:
        patches: (R, C, N).
        found: (K, n), the patches of each group.
        level: (K,), the noise level of each group.
    """
    rows, columns, area = patches.shape
    flat = patches.flatten(0, 1)
    total = torch.zeros_like(flat)
    chunks = list(zip(torch.split(found, CHUNK), torch.split(level, CHUNK), strict=True))
    estimates = in_threads(lambda chunk: shrunk(flat[chunk[0]], chunk[1]), chunks)
    for (index, _), estimated in zip(chunks, estimates, strict=True):
        total.index_add_(0, index.flatten(), estimated.flatten(0, 1))
    count = torch.bincount(found.flatten(), minlength=rows * columns).to(flat.dtype)
    return overlap_mean(total.view(rows, columns, area), count.view(rows, columns))


def shrunk(groups: Tensor, sigma: Tensor) -> Tensor:
    """Return the low-rank estimates of groups of similar noisy patches.

    Args:
        groups: (K, n, N), n patches each.
        sigma: (K,), the noise level of each group.
    """
    n = groups.shape[1]
    mean = groups.mean(1, keepdim=True)
    centered = groups - mean
    wide = centered.mT if groups.shape[2] <= n else centered
    values, vectors = torch.linalg.eigh(wide @ wide.mT)
    gain = _gain(values.clamp(min=0), sigma[:, None] ** 2, n)
    rank = max(1, int((gain > 0).sum(1).max()))
    vectors, gain = vectors[..., -rank:], gain[:, -rank:]  # eigenvalues ascend, and so do gains
    result: Tensor = vectors @ (gain[..., None] * (vectors.mT @ wide))
    return (result.mT if groups.shape[2] <= n else result) + mean


def _gain(squares: Tensor, variance: Tensor, n: int) -> Tensor:
    """Return by what each singular value is multiplied.

    Args:
        squares: (K, rank), the squared singular values.
        variance: (K, 1), that of the noise.
        n: patches in a group.
    """
    smallest = torch.finfo(squares.dtype).tiny
    value = squares.sqrt()
    kept = (squares - n * variance).clamp(min=0).sqrt()
    for _ in range(REWEIGHTINGS):
        kept = (value - WEIGHT * math.sqrt(n) * variance / kept.clamp(min=smallest)).clamp(min=0)
    gain: Tensor = kept / value.clamp(min=smallest)
    return gain


WNNM = Classical(
    title="WNNM",
    task="denoise",
    about="groups of similar patches, whose singular values are shrunk, several times over",
    source="Gu, Zhang, Zuo and Feng, CVPR 2014",
    make=wnnm,
    reading="Gray images alone.",
    checked="PSNR of the authors' program on one image after every iteration, at levels 20, 40, 60 and 80, which have "
    "settings of their own: equal to 0.01 dB",
)
