"""Estimate the noise level of images from the images alone.

The blocks of an image are transformed by the discrete cosine transform. Noise that is independent from pixel to
pixel has the same variance in every coefficient, while image content falls off toward high frequencies. So blocks
are chosen by their middle frequencies, and the level is read from their highest ones: the choice and the
reading are independent, hence without bias (Ponomarenko et al., "An automatic approach to lossy compression of
AVIRIS images", IGARSS 2007; Colom and Buades, "Analysis and extension of the Ponomarenko et al. method",
IPOL 2013). Blocks are chosen within groups of equal brightness, since real noise depends on it.

Noise that is correlated between neighbors has little at the highest frequencies. It still fills the image evenly,
as texture does not: where the flattest blocks of a group are all alike, the middle frequencies count too.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from clearer.noise.blocks import BLOCK, dct_basis, frequencies

if TYPE_CHECKING:
    from torch import Tensor

MOST_BLOCKS = 2304
"""Blocks read per image; of larger images, a regular grid of blocks is read."""
GROUPS = 4
"""Groups of equal brightness per image, if each gets at least `GROUP_BLOCKS`."""
GROUP_BLOCKS = 36
FLAT = 0.1
"""Share of the blocks of a group from which the level is read: the flattest."""
FEWEST = 6
"""Blocks from which the level of a group is read at least."""
# Chosen on 60 images of BSDS500 train and CID22, whole and as patches of 64 pixels, with white noise of 0 to 75 gray
# levels, noise blurred by 0.5 to 1.5 pixels, clipping, Poisson noise and JPEG: see docs/noise.md.
LEAK = 0.07
"""Share of the excess of the middle frequencies that image content puts into the highest ones."""
ALIKE, ALIKE_SMALL = (0.65, 0.9), (1.0, 1.3)
"""Variance of the flattest blocks over that of the next flat ones, from which correlated noise is read: none at the
first value, all at the second. Few overlapping blocks look alike by chance: images below `SMALL` need more."""
SMALL = 128 * 128
COLORED = (2.0, 3.2)
"""The same for the variance of the middle frequencies over that of the highest ones."""
SPREAD = 2.0
"""Variance at the middle frequencies, over that of the quietest group, which correlated noise has at most."""
EVEN = 1.5
"""Ratio of middle to highest frequencies up to which groups count alike; beyond, by the fourth power."""
CONTENT, ABOVE = (1.3, 1.6), (6.0, 9.0)
"""A group is content without noise, such as text on plain paper, if the first, its ratio of middle to highest
frequencies, is above that of white noise, and the second, its variance over the middle frequencies of the quietest
group, above what brightness does to noise: not at the first value, all at the second. A brighter group may have as much
more variance as it is brighter, as noise of photons has."""
DARK = 1 / 255
"""Brightness below which groups count as equally dark."""
EMPTY = 1e-9
"""Variance up to which a channel has no noise, a hundredth of a gray level."""
TINY = 1e-9
CLIPPED = 1e6
"""Added to the energy of blocks that are mostly black or white, so that they come last and count nothing."""


def estimate_level(images: Tensor, most_blocks: int = MOST_BLOCKS) -> Tensor:
    """Return the noise level of each image, (B,): the RMS of its noise, 1 being white (so sigma / 255).

    Blind and deterministic; gradients do not flow. The level is that of the noise as stored: noise clipped at 0
    or 1 measures less than before. Of several channels, the level is the RMS of theirs, without those that have
    no noise at all, such as the empty colors of fluorescence stored as RGB. Noise that neighbors share is
    underestimated, on patches by half or more, see docs/noise.md. A few gray levels of regular texture pass for noise.

    Args:
        images: (B, C, H, W), any floating type, on any device. With a side below 8 pixels, the differences of
            neighbors are measured, image content included.
        most_blocks: read per image; fewer are faster and less exact.
    """
    import torch

    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        batch, channels, height, width = images.shape
        planes = images.float().reshape(batch * channels, height, width)
        variance = _small_variance(planes) if min(height, width) < BLOCK else _variance(planes, most_blocks)
        of_channels = variance.view(batch, channels)
        level: Tensor = (of_channels.sum(1) / (of_channels > EMPTY).sum(1).clamp_min(1)).sqrt()
        return level


def _small_variance(planes: Tensor) -> Tensor:
    """Return half the mean square of the differences of neighbors, (N,) of (N, H, W)."""
    import torch

    parts = [planes.diff(dim=dim).flatten(1) for dim in (1, 2)]
    return torch.cat([*parts, torch.zeros_like(planes[:, :1, 0])], 1).square().mean(1) / 2


def _variance(planes: Tensor, most_blocks: int) -> Tensor:
    """Return the noise variance of each plane, (N,) of (N, H, W)."""
    import torch

    highest, choosing, middle, brightness = _energies(planes, most_blocks)
    groups = max(1, min(GROUPS, brightness.shape[1] // GROUP_BLOCKS))
    size = brightness.shape[1] // groups
    order = brightness.argsort(1)[:, : groups * size]
    energies = (highest, choosing, middle)
    highest, choosing, middle = (e.gather(1, order).view(-1, groups, size) for e in energies)
    light = brightness.gather(1, order).view(-1, groups, size).mean(2).clamp_min(DARK)
    count = min(size, max(FEWEST, round(FLAT * size)))
    chosen_by, flat = choosing.topk(min(size, 3 * count), dim=2, largest=False)
    high = highest.gather(2, flat[..., :count]).mean(2)
    chosen = middle.gather(2, flat)
    mid, next_mid = chosen[..., :count].mean(2), chosen[..., min(2 * count, chosen.shape[2] - 1) :].mean(2)

    white = (high - LEAK * (mid - high).clamp_min(0)).clamp_min(0)
    ratio = (mid + TINY) / (high + TINY)
    alike = _ramp((mid + TINY) / (next_mid + TINY), ALIKE_SMALL if planes[0].numel() <= SMALL else ALIKE)
    even = torch.minimum(mid, SPREAD * mid.amin(1, keepdim=True))
    variance = white + alike * _ramp(ratio, COLORED) * (even - white).clamp_min(0)
    open_share = (chosen_by[..., :count] < CLIPPED).float().mean(2)
    quietest, place = torch.where(open_share > 0, mid, math.inf).min(1, keepdim=True)
    allowed = (quietest + TINY) * (light / light.gather(1, place)).clamp_min(1)
    content = _ramp(ratio, CONTENT) * _ramp((variance + TINY) / allowed, ABOVE)
    weight = ratio.clamp_min(EVEN).pow(-4) * open_share * (1 - content)
    mean: Tensor = (variance * weight).sum(1) / weight.sum(1).clamp_min(TINY)
    return mean


def _energies(planes: Tensor, most_blocks: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return per block the energies of the highest frequencies, of two sets of lower ones, and the brightness.

    Each is (N, blocks). The first set of lower frequencies is for choosing blocks: mostly clipped blocks come last.
    """
    blocks = some_blocks(planes, most_blocks)
    highest, choosing, middle = band_energies(block_bands(blocks))
    clipped = ((blocks == 0) | (blocks == 1)).float().mean(2) > 0.5
    return highest, choosing + CLIPPED * clipped, middle, blocks.mean(2)


def some_blocks(planes: Tensor, most_blocks: int) -> Tensor:
    """Return blocks on a regular grid of each plane, (N, blocks, 64) of (N, H, W); those of small ones overlap."""
    height, width = planes.shape[1:]
    step = 5 if height * width <= 100 * 100 else BLOCK
    blocks = planes.unfold(1, BLOCK, step).unfold(2, BLOCK, step)
    skip = math.ceil(math.sqrt(blocks.shape[1] * blocks.shape[2] / most_blocks))
    down, along = ((min(skip, count) - 1) // 2 for count in blocks.shape[1:3])  # a thin image has one row of blocks
    return blocks[:, down::skip, along::skip].reshape(len(planes), -1, BLOCK * BLOCK)


def block_bands(blocks: Tensor) -> Tensor:
    """Return what blocks (..., 64) hold at the frequencies of `band_energies`, (..., 64 or fewer)."""
    return blocks @ _basis(str(blocks.device))[0]


def band_energies(bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean energies of the highest frequencies and of two sets of lower ones, (...) of (..., bands)."""
    import torch

    highest, choosing, middle = torch.split(bands.square(), _basis(str(bands.device))[1], -1)
    return highest.mean(-1), choosing.mean(-1), middle.mean(-1)


def middle_bands(bands: Tensor) -> Tensor:
    """Return the second set of lower frequencies of `band_energies`."""
    return bands[..., -_basis(str(bands.device))[1][2] :]


def _ramp(value: Tensor, ends: tuple[float, float]) -> Tensor:
    return ((value - ends[0]) / (ends[1] - ends[0])).clamp(0, 1)


@cache
def _basis(device: str) -> tuple[Tensor, list[int]]:
    """Return the functions of the highest frequencies and of two sets of lower ones, (64, sum), and their numbers."""
    import torch

    row, column = torch.from_numpy(frequencies())
    functions = torch.from_numpy(dct_basis())
    frequency = row + column
    low = (frequency >= 2) & (frequency <= 8)  # below are planes, which smooth images have everywhere alike
    sets = (frequency >= 11, low & (row % 2 == 0), low & (row % 2 == 1))
    chosen = [functions[one] for one in sets]
    return torch.cat(chosen).T.float().to(device).contiguous(), [len(one) for one in chosen]
