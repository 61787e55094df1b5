"""DnCNN and FFDNet as plain convolutions, to time them on this machine beside networks that are searched here.

Initial weights take as long as trained ones; the batch norms of DnCNN are part of its convolutions, as in inference.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clearer.inference.budget import ImageSize
from clearer.inference.latency import Latency, random_image, time_runs

MOST_PIXELS = 250_000
"""Of the image that is timed; a larger one takes as much longer as it has more pixels."""


@dataclass(frozen=True)
class PublishedNetwork:
    """A plain sequence of 3x3 convolutions with ReLUs between them.

    Args:
        name: of the method.
        layers, width: number of convolutions, and channels between them.
        unshuffle: factor of the pixel unshuffle around them.
        takes_level: whether a map of the noise level is a further input.
    """

    name: str
    layers: int
    width: int
    unshuffle: int = 1
    takes_level: bool = False

    def channels(self, image: int) -> list[int]:
        """Return the channels before, between and after the convolutions, for an image of so many channels."""
        folded = image * self.unshuffle**2
        return [folded + self.takes_level, *[self.width] * (self.layers - 1), folded]

    def macs_per_pixel(self, image: int) -> float:
        """Return the multiply-adds per pixel of an image of so many channels."""
        return sum(9 * a * b for a, b in itertools.pairwise(self.channels(image))) / self.unshuffle**2


PUBLISHED = {
    1: (PublishedNetwork("DnCNN", 17, 64), PublishedNetwork("FFDNet", 15, 64, 2, takes_level=True)),
    3: (PublishedNetwork("DnCNN", 20, 64), PublishedNetwork("FFDNet", 12, 96, 2, takes_level=True)),
}
"""By channels of the image. Zhang et al., "Beyond a Gaussian Denoiser" (TIP 2017) and "FFDNet" (TIP 2018)."""


class PlainNetwork(nn.Module):
    """The network of a `PublishedNetwork` with initial weights."""

    def __init__(self, published: PublishedNetwork, channels: int) -> None:
        super().__init__()
        self.published = published
        pairs = itertools.pairwise(published.channels(channels))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) for the same shape, whose sides are multiples of the unshuffle."""
        y = F.pixel_unshuffle(x, self.published.unshuffle)
        if self.published.takes_level:
            y = torch.cat([y, torch.full_like(y[:, :1], 0.1)], 1)
        y = y.contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions[:-1]:
            y = F.relu_(convolution(y))
        return F.pixel_shuffle(self.convolutions[-1](y), self.published.unshuffle)


def time_published(
    published: PublishedNetwork, channels: int, size: ImageSize, device: torch.device, precision: str
) -> Latency:
    """Time the restoring of a float32 image that is in memory, as `clearer.inference.latency` does.

    Args:
        published: the network.
        channels: of the image.
        size: of the image. Above `MOST_PIXELS` a part is timed, and its times are multiplied.
        device, precision: how to compute.
    """
    share = max(1.0, size.pixels / MOST_PIXELS) ** 0.5
    step = published.unshuffle
    part = ImageSize(*(-(-round(side / share) // step) * step for side in (size.width, size.height)))
    image = random_image(part, channels)
    network = PlainNetwork(published, channels).eval().requires_grad_(False)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    network = network.to(device, kind, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run() -> NDArray[np.float32]:
        x = torch.from_numpy(image).reshape(*image.shape[:2], channels).permute(2, 0, 1)[None].to(device, kind)
        with torch.inference_mode():
            restored: NDArray[np.float32] = network(x).float().clamp(0, 1).cpu().numpy()
        return restored

    found = time_runs(run, part, seconds=0)
    return Latency(size, tuple(seconds * size.pixels / part.pixels for seconds in found.seconds))
