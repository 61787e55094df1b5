"""The noise level that a network trained on white noise is told of an image with any noise.

Such a network takes noise that neighbors or channels share for image content, and leaves it. It removes most of it if
it is told three to four times the level: of white noise as strong as that, the low frequencies, or the direction of
color that the channels share, hold about as much as the noise of the image does. So the level of `estimate_level` is
raised where the noise of the image is not white.

Whether it is white is read from the flattest blocks. Image content shows in all colors alike; so the differences of the
channels are looked at, where content is faint and noise is not. Noise is coarse if it has more energy at the middle
frequencies than at the highest ones, and shared if the mean of the channels has more than their differences. Texture
looks like both. But it is coarse in the mean of the channels, where noise after JPEG compression is fine; and it does
not fill the flat blocks alike, as noise does. A gray image has its content in the way, so that less is seen.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from clearer.noise.blocks import BLOCK
from clearer.noise.level import (
    CLIPPED,
    FEWEST,
    FLAT,
    GROUP_BLOCKS,
    GROUPS,
    MOST_BLOCKS,
    band_energies,
    block_bands,
    estimate_level,
    some_blocks,
)

if TYPE_CHECKING:
    from torch import Tensor

# Chosen on images of CID22 and BSDS500 train: `python benchmarks/studies/white_level.py`, see docs/noise.md.
RAISED, RAISED_GRAY = 4.0, 3.0
"""What a level is multiplied with where the noise is not white beyond doubt; in gray images there is more doubt."""
HIGHEST = 80 / 255
"""No level is raised beyond this: networks are trained on up to 75 gray levels."""
COARSE, COARSE_GRAY = (2.0, 4.0), (3.0, 6.0)
"""Energy of the middle frequencies over that of the highest ones: white noise at the first value, not at the second."""
SHARED = (2.5, 4.5)
"""The same for the energy of the channels' mean over that of their differences, at the highest frequencies."""
LOUD = (4.0 / 255, 7.0 / 255)
"""Level up to which fine texture passes for noise, so that nothing is raised, and from which all is."""
EVEN = (0.55, 0.75)
"""Energy of the flattest blocks over that of the next flat ones: texture at the first value, noise at the second."""
HEARD = (2.5 / 255, 4.5 / 255)
"""Level of the middle frequencies in the differences of the channels from which `EVEN` is trusted."""
TINY = 0.02 / 255**2
"""Energy that rounding to 8 bits may leave."""
FAINT = 0.1 / 255**2
"""The same for the differences of channels."""


def white_level(images: Tensor, most_blocks: int = MOST_BLOCKS) -> Tensor:
    """Return the level to tell a network trained on white noise, (B,), 1 being white (so sigma / 255).

    It is that of `clearer.noise.level.estimate_level` for white noise, also if it depends on brightness or differs
    between channels, and for images of fewer than 36 blocks; for noise that neighbors or channels share, it is higher.

    Args:
        images: (B, C, H, W), any floating type, on any device.
        most_blocks: read per image.
    """
    import torch

    level = estimate_level(images, most_blocks)
    batch, channels, height, width = images.shape
    if min(height, width) < BLOCK:
        return level
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        blocks = some_blocks(images.float().reshape(batch * channels, height, width), most_blocks)
        if blocks.shape[1] < GROUP_BLOCKS:
            return level
        base, evidence = _seen(blocks.view(batch, channels, *blocks.shape[1:]), level)
        raised = level + evidence * ((RAISED if channels > 1 else RAISED_GRAY) * base - level)
        found: Tensor = torch.maximum(level, raised.clamp_max(HIGHEST))
        return found


def _seen(blocks: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Return the level of the noise, and the evidence that it is not white, 0 to 1, (B,) each."""
    import torch

    high, middle, following = _flattest(blocks)
    start = 1 if blocks.shape[1] > 1 else 0  # the planes where noise is looked for: the differences of channels
    coarse = ((middle + TINY) / (high + TINY)).log().mean(2)  # of each plane
    even = ((middle + TINY) / (following + TINY)).log()[:, start:].mean((1, 2)).exp()
    evidence = _log_ramp(coarse[:, start:].mean(1).exp(), COARSE if start else COARSE_GRAY)
    loud = _ramp(level, LOUD)
    if not start:
        return level, evidence * loud * _ramp(even, EVEN)
    shared = high[:, 0].mean(1) / (high[:, 1:].mean((1, 2)) + FAINT)
    heard = middle[:, 1:].mean((1, 2)).sqrt()
    fine = 1 - _log_ramp(coarse[:, 0].exp(), COARSE)
    sure = _ramp(even, EVEN) * _ramp(heard, HEARD)
    share = math.sqrt((blocks.shape[1] - 1) / blocks.shape[1])  # of the differences in the RMS of all planes
    seen = torch.maximum(evidence * torch.maximum(fine * loud, sure), fine * loud * _log_ramp(shared, SHARED))
    return torch.maximum(level, share * heard * sure), seen


def _flattest(blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return energies of the flattest blocks of each group of equal brightness, (B, planes, groups) each.

    They are those of the highest frequencies, of the middle ones, and of the middle ones in the next flat blocks. The
    first plane is the mean of the channels, the others are their differences; noise that is independent between
    channels has the same energy in all.

    Args:
        blocks: (B, C, N, 64).
    """
    import torch

    batch, channels, number, _ = blocks.shape
    bands = torch.einsum("pc,bcnf->bpnf", _differences(channels, str(blocks.device)), block_bands(blocks))
    highest, choosing, middle = band_energies(bands)
    clipped = ((blocks == 0) | (blocks == 1)).float().mean((1, 3)) > 0.5
    groups = max(1, min(GROUPS, number // GROUP_BLOCKS))
    size = number // groups
    order = blocks.mean((1, 3)).argsort(1)[:, None, : groups * size].expand(-1, channels, -1)
    choosing = choosing + CLIPPED * clipped[:, None]
    high, by, mid = (e.gather(2, order).view(batch, channels, groups, size) for e in (highest, choosing, middle))
    count = min(size, max(FEWEST, round(FLAT * size)))
    flat = by.topk(min(size, 3 * count), dim=3, largest=False).indices
    chosen = mid.gather(3, flat)
    following = chosen[..., min(2 * count, chosen.shape[3] - 1) :].mean(3)
    return high.gather(3, flat[..., :count]).mean(3), chosen[..., :count].mean(3), following


@cache
def _differences(channels: int, device: str) -> Tensor:
    """Return an orthonormal basis of the channels, (C, C): their mean, times the root of C, then differences."""
    import torch

    rows = [[1 / math.sqrt(channels)] * channels]
    for k in range(1, channels):
        rows.append([1 / math.sqrt(k * (k + 1))] * k + [-k / math.sqrt(k * (k + 1))] + [0.0] * (channels - k - 1))
    return torch.tensor(rows, device=device)


def _ramp(value: Tensor, ends: tuple[float, float]) -> Tensor:
    return ((value - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)


def _log_ramp(value: Tensor, ends: tuple[float, float]) -> Tensor:
    return (value.clamp_min(1e-9) / ends[0]).log().div(math.log(ends[1] / ends[0])).clamp(0, 1)
