"""DuRN-P (Liu et al., CVPR 2019): dual residual blocks, each of a large and a small convolution, for noise."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from clearer.network.baselines.base import UP_TO_A_MEGAPIXEL, BaselineCard, BaselineNetwork
from clearer.network.baselines.padding import mirrored

WIDTH = 32
BLOCKS = ((5, 1, 3), (7, 1, 5), (7, 2, 5), (11, 2, 7), (11, 1, 5), (11, 3, 7))
"""Of each block the side and the dilation of its large kernel, and the side of its small kernel."""
LEAST = 1 + max(dilation * (side // 2) for side, dilation, _ in BLOCKS)
"""Side in pixels of the smallest image that can be mirrored at its borders as far as the convolutions need."""


def _conv(inputs: int, outputs: int, side: int = 3, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (side // 2)
    return nn.Conv2d(inputs, outputs, side, padding=padding, dilation=dilation, padding_mode="reflect")


def _normed(inputs: int, outputs: int, side: int = 3, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, side, dilation), nn.BatchNorm2d(outputs))


class DualBlock(nn.Module):
    """Two residual paths at once: one from block to block, one from the large convolution of each to the next."""

    def __init__(self, large: int, dilation: int, small: int) -> None:
        super().__init__()
        self.first, self.second = _normed(WIDTH, WIDTH), _conv(WIDTH, WIDTH)
        self.norm = nn.BatchNorm2d(WIDTH)
        self.large, self.small = _normed(WIDTH, WIDTH, large, dilation), _normed(WIDTH, WIDTH, small)

    def forward(self, x: Tensor, dual: Tensor) -> tuple[Tensor, Tensor]:
        """Return both paths after the block, each (B, WIDTH, H, W)."""
        y = self.norm(self.second(self.first(x).relu()) + x).relu()
        dual = (self.large(y) + dual).relu()
        return (self.small(dual) + x).relu(), dual


class DuRNP(BaselineNetwork):
    """Dual residual network with pairs of large and small kernels; predicts what to add to the image, up to 1."""

    name: ClassVar[str] = "durn-p"
    channels: ClassVar[int] = 1
    card: ClassVar[BaselineCard] = BaselineCard(
        title="DuRN-P",
        task="denoise",
        about="six blocks, each of a large and a small convolution that are crossed by skips; residual",
        source="Liu, Suganuma, Sun and Okatani, CVPR 2019",
        reading="Complete in its publication, but for the initial weights, which are torch's. Smaller images than "
        f"{LEAST} pixels a side are mirrored to that size.",
        checked="the count of weights that its layers give; a block written out by hand",
        sample=UP_TO_A_MEGAPIXEL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(_normed(self.channels, WIDTH), nn.ReLU(), _normed(WIDTH, WIDTH), nn.ReLU())
        self.blocks = nn.ModuleList(DualBlock(*sides) for sides in BLOCKS)
        self.tail = nn.Sequential(_normed(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, self.channels), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        enough = mirrored(x, LEAST, LEAST)
        y = dual = self.head(enough)
        for block in self.blocks:
            y, dual = block(y, dual)
        restored: Tensor = enough + self.tail(y)
        return restored[..., : x.shape[-2], : x.shape[-1]]
