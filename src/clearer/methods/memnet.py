"""MemNet (Tai et al., ICCV 2017): six recursive blocks, each of which sees what all earlier ones made."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearer.network.baselines.base import BaselineCard, BaselineNetwork

WIDTH, BLOCKS, RECURSIONS = 64, 6, 6


class _Activated(nn.Module):
    """A convolution with a batch norm and a ReLU before it."""

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the normalized, activated features."""
        result: Tensor = self.convolution(self.norm(x).relu_())
        return result


class MemoryBlock(nn.Module):
    """A residual unit of two convolutions, applied six times, and a gate that sees all results and earlier blocks'.

    The recursions share the convolutions. Each has batch norms of its own.
    """

    def __init__(self, earlier: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
        self.first_norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in range(RECURSIONS))
        self.second_norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in range(RECURSIONS))
        self.gate = _Activated((earlier + RECURSIONS) * WIDTH, WIDTH, 1)

    def forward(self, earlier: list[Tensor]) -> Tensor:
        """Return the block's features.

        Args:
            earlier: the first features, and those of each block before; the block goes on from the last.
        """
        features, found = earlier[-1], list(earlier)
        for first, second in zip(self.first_norms, self.second_norms, strict=True):
            inner = self.first(first(features).relu_())
            features = features + self.second(second(inner).relu_())
            found.append(features)
        result: Tensor = self.gate(torch.cat(found, 1))
        return result


class MemNet(BaselineNetwork):
    """MemNet of six memory blocks with six recursions, 80 layers deep, with an image from each block."""

    name: ClassVar[str] = "memnet"
    channels: ClassVar[int] = 1
    card: ClassVar[BaselineCard] = BaselineCard(
        title="MemNet",
        task="denoise",
        about="80 layers: six blocks of six recursions, with gates that see all earlier blocks; residual",
        source="Tai, Yang, Liu and Xu, ICCV 2017",
        reading="The weights of the six images start at 1/6. Biases learn as fast as kernels, where the authors' learn "
        "at a tenth of the rate.",
        checked="the published count of weights, which is of kernels alone; a block written out by hand",
        sample=20,
    )

    def __init__(self) -> None:
        super().__init__()
        self.first = _Activated(self.channels, WIDTH)
        self.blocks = nn.ModuleList(MemoryBlock(earlier) for earlier in range(1, BLOCKS + 1))
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in range(BLOCKS))
        self.last = nn.Conv2d(WIDTH, self.channels, 3, padding=1)
        self.shares = nn.Parameter(torch.full((BLOCKS,), 1 / BLOCKS))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        return self.weighted(self.images(x))

    def images(self, x: Tensor) -> Tensor:
        """Return the image of each block, ``(B, blocks * C, H, W)``."""
        features = [self.first(x)]
        for block in self.blocks:
            features.append(block(features))
        made = zip(self.norms, features[1:], strict=True)
        return torch.cat([x + self.last(norm(block).relu_()) for norm, block in made], 1)

    def weighted(self, images: Tensor) -> Tensor:
        """Return the weighted sum of the blocks' images."""
        return torch.einsum("bmhw,m->bhw", images, self.shares.to(images.dtype)).unsqueeze(1)

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return half of the squared error of each block's image and of their weighted sum, added.

        It is summed over each patch: the bound of the gradient and weight decay are weighed against it.
        """
        images = self.images(degraded).float()
        made = torch.cat([images, self.weighted(images).float()], 1)
        return functional.mse_loss(made, clean.expand_as(made), reduction="sum") / (2 * len(made))
