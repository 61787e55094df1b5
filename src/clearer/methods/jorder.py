"""JORDER (Yang et al., CVPR 2017) as its publication describes it: where it rains, how much, and what is behind."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

WIDTH, UNITS, DILATIONS = 64, 5, (1, 2, 3)
KEPT = 0.5
"""The share of its input in what a unit returns, as in the released network."""
STREAK_WEIGHT, MASK_WEIGHT = 1.0, 0.01
"""Weights of the errors of streaks and mask beside that of the background; ours, not tuned. All three terms begin at
the same order: benchmarks/studies/rain_mask.py."""
RAIN_ABOVE = 16 / 255
"""How much brighter, in the mean of the channels, a pixel with rain is; ours, not tuned. A third of Rain800's training
pixels are, which hold four fifths of the rain: benchmarks/studies/rain_mask.py."""


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


class Layers(NamedTuple):
    """What the network finds in a rainy image."""

    background: Tensor
    """The restored image, ``(B, 3, H, W)``."""
    streaks: Tensor
    """The light of rain, ``(B, 3, H, W)``; it is taken away where the mask is 1."""
    mask: Tensor
    """Logits of no rain and of rain, ``(B, 2, H, W)``."""


class DilatedUnit(nn.Module):
    """Three paths of two convolutions that see 5, 9 and 13 pixels; their sum joins the features."""

    def __init__(self) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(_conv(WIDTH, WIDTH, dilation), nn.ReLU(), _conv(WIDTH, WIDTH, dilation))
            for dilation in DILATIONS
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the next features, of the same shape."""
        found = torch.stack([path(features) for path in self.paths]).sum(0)
        return features.lerp(found, 1 - KEPT).relu()


class Jorder(BaselineNetwork):
    """Joint rain detection and removal: contextualized dilated features, then heads of mask, streaks and background."""

    name: ClassVar[str] = "jorder"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="JORDER (our reading)",
        task="derain",
        about="five units of dilated convolutions, then heads for rain mask, streaks and background",
        source="Yang, Tan, Feng, Liu, Guo and Yan, CVPR 2017",
        reading="Our reading: the publication gives the outline, and the released network is another one. Ours are the "
        "64 channels, the five units, each with its own weights, the weights of the loss (1 for streaks, 0.01 for the "
        "mask), and the rule that rain is where a pixel is more than 16 gray levels brighter than the clean one; "
        "none is tuned. It is applied once; JORDER-R applies it again to its result.",
        checked="nothing: neither settings nor weights are public",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.first = _conv(self.channels, WIDTH)
        self.units = nn.ModuleList(DilatedUnit() for _ in range(UNITS))
        self.mask = nn.Sequential(_conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, 2))
        self.streaks = _conv(WIDTH + 1, self.channels)
        self.background = _conv(WIDTH + 1 + 2 * self.channels, self.channels)
        with torch.no_grad():  # the background starts near the image without the streaks found
            for channel in range(self.channels):
                self.background.weight[channel, channel - self.channels].zero_()[1, 1] = 1

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        return self.layers(x).background

    def layers(self, x: Tensor) -> Layers:
        """Return background, streaks and mask of a batch of rainy images."""
        first = features = self.first(x).relu()
        for unit in self.units:
            features = unit(features)
        features = KEPT * first + (1 - KEPT) * features
        mask = self.mask(features)
        rain = mask.softmax(1)[:, 1:]
        streaks = self.streaks(torch.cat([features, rain], 1))
        background = self.background(torch.cat([features, rain, streaks, x - rain * streaks], 1))
        return Layers(background, streaks, mask)

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return the errors of background, streaks and mask, added with their weights.

        The true streaks are ``degraded - clean``.
        """
        streaks = degraded - clean
        rain = (streaks.mean(1) > RAIN_ABOVE).long()  # (B, H, W)
        found = self.layers(degraded)
        return (
            functional.mse_loss(found.background.float(), clean)
            + STREAK_WEIGHT * functional.mse_loss(found.streaks.float(), streaks)
            + MASK_WEIGHT * functional.cross_entropy(found.mask.float(), rain)
        )
