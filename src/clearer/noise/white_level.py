"""The noise level that a color network trained on white noise is told of an image with any noise.

Such a network takes noise that neighbors or channels share for image content, and leaves it. It removes most of it if
it is told up to four times the level: of white noise as strong as that, the low frequencies, or the direction of
color that the channels share, hold about as much as the noise of the image does. So the level of `estimate_level` is
raised where the noise of the image is surely not white.

Whether it is white is read from the flattest blocks, in the mean of the channels and in their differences. Content is
strong in the mean and faint in the differences, noise is as strong in both, so it is looked for in the differences:

- it is coarse if it has more energy at the middle frequencies than at the highest ones;
- it is shared by the channels if the mean has more energy than the differences.

Texture, text and tinted content look like both. They differ in that they leave some blocks emptier than others, and in
that their colors go along with their brightness. Gray images are told the estimate: there content is in the way.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from clearer.noise.blocks import BLOCK
from clearer.noise.level import (
    FEWEST,
    FLAT,
    GROUP_BLOCKS,
    GROUPS,
    MOST_BLOCKS,
    band_energies,
    block_bands,
    estimate_level,
    middle_bands,
    some_blocks,
)

if TYPE_CHECKING:
    from torch import Tensor

Ends = tuple[float, float]

# Chosen on images of CID22 and BSDS500 train: `python benchmarks/studies/white_level.py`, see docs/noise.md.
RAISED = 4.0
"""What a level is multiplied with where the noise is not white beyond doubt."""
HIGHEST = 75 / 255
"""No level is raised beyond this: the noise that shipped models were trained on."""
COARSE: Ends = (2.0, 4.0)
"""Energy of the middle frequencies over that of the highest ones: fine at the first value, coarse at the second."""
SHARED: Ends = (2.5, 4.5)
"""Energy of the mean of the channels over that of their differences, at the highest frequencies: noise of each channel
by itself at the first value, noise that they share at the second."""
LOUD: Ends = (4.0 / 255, 7.0 / 255)
"""Level up to which fine texture passes for noise, so that nothing is raised, and from which all is."""
EVEN: Ends = (0.55, 0.75)
"""Energy of the flattest blocks over that of the next flat ones: content at the first value, noise at the second."""
HEARD: Ends = (2.5 / 255, 4.5 / 255)
"""Level of the middle frequencies in the differences: from the second on, noise is told from texture by `EVEN` even
where it is not `LOUD`, or has content beside it in the mean of the channels."""
QUIET: Ends = (1.5 / 255, 3.0 / 255)
"""Level up to which nothing is raised at all, and from which `HEARD` counts."""
TINTED: Ends = (0.15, 0.35)
"""Squared correlation of the differences with the mean, block by block: noise at the first value, content at the
second."""
TINY = 0.02 / 255**2
"""Energy that rounding to 8 bits may leave."""
FAINT = 0.1 / 255**2
"""The same for the differences of channels."""


class _Seen(NamedTuple):
    """Energies of the flattest blocks of each group of equal brightness, (B, planes, groups) each.

    ``high``, ``middle``: at these frequencies; ``next_high``, ``next_middle``: of the next flat blocks. ``tint``:
    squared correlation of each plane with the first one. ``known``: (B, groups), 1 for groups with enough blocks that
    are not clipped, else 0.
    """

    high: Tensor
    middle: Tensor
    next_high: Tensor
    next_middle: Tensor
    tint: Tensor
    known: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over planes and the groups that are known, (B,) of (B, planes, groups)."""
        mean: Tensor = (values * self.known[:, None]).sum((1, 2)) / (values.shape[1] * self.known.sum(1).clamp_min(1))
        return mean


def white_level(images: Tensor, highest: float = HIGHEST, most_blocks: int = MOST_BLOCKS) -> Tensor:
    """Return the level to tell a network trained on white noise, (B,), 1 being white (so sigma / 255).

    It is that of `clearer.noise.level.estimate_level` for white noise, also if it depends on brightness or differs
    between channels, for gray images and for those of fewer than 36 blocks. For noise that neighbors or channels of a
    color image share, it is up to four times as high.

    Args:
        images: (B, C, H, W), any floating type, on any device.
        highest: no level is raised beyond it.
        most_blocks: read per image.
    """
    import torch

    level = estimate_level(images, most_blocks)
    batch, channels, height, width = images.shape
    if channels == 1 or min(height, width) < BLOCK:
        return level
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        blocks = some_blocks(images.float().reshape(batch * channels, height, width), most_blocks)
        if blocks.shape[1] < GROUP_BLOCKS:
            return level
        evidence = _evidence(blocks.view(batch, channels, *blocks.shape[1:]), level)
        raised = level * (1 + (RAISED - 1) * evidence)
        found: Tensor = torch.maximum(level, raised.clamp_max(highest))
        return found


def _evidence(blocks: Tensor, level: Tensor) -> Tensor:
    """Return the evidence that the noise of images is not white, 0 to 1, (B,)."""
    import torch

    seen = _flattest(blocks)
    coarse = ((seen.middle + TINY) / (seen.high + TINY)).log()
    differences = slice(1, None)
    is_coarse = _log_ramp(seen.mean(coarse[:, differences]).exp(), COARSE)
    even = seen.mean(((seen.middle + TINY) / (seen.next_middle + TINY)).log()[:, differences]).exp()
    heard = seen.mean(seen.middle[:, differences]).sqrt()
    filling = _ramp(even, EVEN) * _ramp(heard, HEARD) * _ramp(level, QUIET)
    fine_mean = (1 - _log_ramp(seen.mean(coarse[:, :1]).exp(), COARSE)) * _ramp(level, LOUD)
    untinted = 1 - _ramp(seen.mean(seen.tint[:, differences]), TINTED)
    is_coarse = is_coarse * torch.maximum(fine_mean, filling) * untinted
    ratio = seen.mean(seen.high[:, :1]) / (seen.mean(seen.high[:, differences]) + FAINT)
    even_high = seen.mean(((seen.high + TINY) / (seen.next_high + TINY)).log()[:, :1]).exp()
    is_shared = _log_ramp(ratio, SHARED) * fine_mean * _ramp(even_high, EVEN)
    known = (seen.known.sum(1) > 0) & (blocks.amax(3) > blocks.amin(3)).float().mean(2).ge(0.5).all(1)
    evidence: Tensor = torch.maximum(is_coarse, is_shared) * known
    return evidence


def _flattest(blocks: Tensor) -> _Seen:
    """Return what the flattest blocks hold. The first plane is the mean of the channels, the others their differences.

    Noise that is independent between channels has the same energy in all planes.

    Args:
        blocks: (B, C, N, 64).
    """
    import torch

    batch, channels, number, _ = blocks.shape
    bands = torch.einsum("pc,bcnf->bpnf", _mean_and_differences(channels, str(blocks.device)), block_bands(blocks))
    highest, choosing, middle = band_energies(bands)
    clipped = ((blocks == 0) | (blocks == 1)).float().mean((1, 3)) > 0.5
    groups = max(1, min(GROUPS, number // GROUP_BLOCKS))
    size = number // groups
    count = min(size, max(FEWEST, round(FLAT * size)))
    order = blocks.mean((1, 3)).argsort(stable=True, dim=1)[:, : groups * size]
    known = (~clipped.gather(1, order).view(batch, groups, size)).sum(2) >= min(size, 3 * count)
    order = order[:, None].expand(-1, channels, -1)
    choosing = choosing.masked_fill(clipped[:, None], math.inf)
    inner = middle_bands(bands)
    cross = (inner * inner[:, :1]).mean(3)
    values = (choosing, highest, middle, middle[:, :1].expand_as(middle), cross)
    by, *energies = (e.gather(2, order).view(batch, channels, groups, size) for e in values)
    flat = by.topk(min(size, 3 * count), dim=3, largest=False).indices
    energies = [energy.gather(3, flat) for energy in energies]
    near_high, near_middle, brightness, cross = (energy[..., :count].mean(3) for energy in energies)
    last = min(2 * count, flat.shape[3] - 1)
    next_high, next_middle = (energy[..., last:].mean(3) for energy in energies[:2])
    tint = cross.square() / (brightness * near_middle + TINY**2)
    return _Seen(near_high, near_middle, next_high, next_middle, tint, known.float())


@cache
def _mean_and_differences(channels: int, device: str) -> Tensor:
    """Return an orthonormal basis of the channels, (C, C): their mean, times the root of C, then differences."""
    import torch

    rows = [[1 / math.sqrt(channels)] * channels]
    for k in range(1, channels):
        rows.append([1 / math.sqrt(k * (k + 1))] * k + [-k / math.sqrt(k * (k + 1))] + [0.0] * (channels - k - 1))
    return torch.tensor(rows, device=device)


def _ramp(value: Tensor, ends: Ends) -> Tensor:
    return ((value - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)


def _log_ramp(value: Tensor, ends: Ends) -> Tensor:
    return (value.clamp_min(1e-9) / ends[0]).log().div(math.log(ends[1] / ends[0])).clamp(0, 1)
