"""SCAN (Li et al., ECCV 2018): one stage of dilated convolutions with squeeze and excitation, for rain."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

WIDTH, SQUEEZED = 24, 6
DILATIONS = (1, 1, 2, 4, 8)
"""Of the convolutions before the decoder; the first sees the image."""
SLOPE = 0.2
"""Of the leaky ReLU."""


def conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


class ExcitedUnit(nn.Module):
    """Squeeze and excitation, then a leaky ReLU: (B, WIDTH, H, W) -> the same.

    Each channel is scaled by a number in [0, 1] that depends on the means of all channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(WIDTH, SQUEEZED), nn.Linear(SQUEEZED, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels and apply the leaky ReLU."""
        scale = self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()
        return functional.leaky_relu(x * scale[..., None, None], SLOPE)


def decoder(channels: int) -> nn.Sequential:
    """Return the last layers, which make a rain layer of features."""
    return nn.Sequential(conv(WIDTH, WIDTH), ExcitedUnit(), nn.Conv2d(WIDTH, channels, 1))


class SCAN(BaselineNetwork):
    """Squeeze-and-excitation context aggregation network: predicts the rain layer, which is subtracted."""

    name: ClassVar[str] = "scan"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="SCAN",
        task="derain",
        about="dilated convolutions with squeeze and excitation; residual",
        source="Li, Wu, Lin, Liu and Zha, ECCV 2018",
        reading="Complete in its publication, but for the initial weights, which are torch's. It sees RGB; the "
        "authors' program sees BGR, which is the same to a network that is trained.",
        checked="the count of weights that its layers give; no weights are public",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        inputs = (self.channels, *(WIDTH for _ in DILATIONS[1:]))
        self.features = nn.Sequential(
            *(nn.Sequential(conv(n, WIDTH, d), ExcitedUnit()) for n, d in zip(inputs, DILATIONS, strict=True))
        )
        self.decoder = decoder(self.channels)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        result: Tensor = x - self.decoder(self.features(x))
        return result
