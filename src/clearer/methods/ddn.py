"""Deep detail network, DDN or DetailsNet (Fu et al., CVPR 2017): removes rain by a residual network on the details."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork

WIDTH, BLOCKS = 16, 12
RADIUS, EPS = 15, 1.0
"""Of the guided filter: its window is 2 RADIUS + 1 pixels a side; EPS is added to the variance in it."""
NORM_EPS, MOMENTUM = 1e-3, 0.01


def guided_filter(x: Tensor) -> Tensor:
    """Return the smooth base layer of images ``(B, C, H, W)``, each channel guided by itself."""
    mean = _window_mean(x)
    variance = _window_mean(x * x) - mean * mean
    slope = variance / (variance + EPS)
    return _window_mean(slope) * x + _window_mean(mean - slope * mean)


def _window_mean(x: Tensor) -> Tensor:
    """Return the mean of the part of the window around each pixel that lies in the image."""
    side = 2 * RADIUS + 1
    for kernel, padding in (((side, 1), (RADIUS, 0)), ((1, side), (0, RADIUS))):
        x = functional.avg_pool2d(x, kernel, 1, padding, count_include_pad=False)
    return x


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs, eps=NORM_EPS, momentum=MOMENTUM)
    )


class DDN(BaselineNetwork):
    """Deep detail network: sees the image minus its base layer, and predicts what to add to the image."""

    name: ClassVar[str] = "ddn"
    channels: ClassVar[int] = 3
    card: ClassVar[BaselineCard] = BaselineCard(
        title="DetailsNet",
        task="derain",
        about="26 convolutions with skips on the details above a guided filter; residual",
        source="Fu, Huang, Zeng, Huang, Ding and Paisley, CVPR 2017",
        reading="The base layer is a guided filter of each channel by itself, radius 15, as in the authors' training "
        "program. Batch norm uses moving statistics in testing; some retrained versions use those of the tested image.",
        checked="the published count of weights, which includes the moving statistics; its guided filter pixel by "
        "pixel",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(_layer(self.channels, WIDTH), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(_layer(WIDTH, WIDTH), nn.ReLU(), _layer(WIDTH, WIDTH), nn.ReLU()) for _ in range(BLOCKS)
        )
        self.last = _layer(WIDTH, self.channels)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.xavier_uniform_(layer.weight)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        y = self.first(x - guided_filter(x))
        for block in self.blocks:
            y = y + block(y)
        result: Tensor = x + self.last(y)
        return result
