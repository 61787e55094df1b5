"""N3Net (Plötz and Roth, NeurIPS 2018): convolutions with relaxed nearest neighbors between them, for noise."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from clearer.methods.nearest_neighbors import PATCH, STRIDE, WINDOW, NearestNeighbors, patches_a_side
from clearer.network.baselines.base import BaselineCard, BaselineNetwork
from clearer.network.baselines.padding import mirrored

WIDTH, FEATURES, NEIGHBORS = 64, 8, 7
LEAST = PATCH + (WINDOW - 1) * STRIDE
"""Side in pixels of the smallest image with a whole window of patches."""
MOMENTUM = 0.1
"""Share of a batch in the moving statistics of batch norm."""


def _conv(inputs: int, outputs: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)


def _norm() -> nn.BatchNorm2d:
    return nn.BatchNorm2d(WIDTH, momentum=MOMENTUM)


class Part(nn.Module):
    """Six convolutions as in DnCNN; its input is added to as many channels of its output as both have."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _conv(inputs, WIDTH)
        self.unused = _norm()
        """Counted among the published parameters, and stored, but never applied."""
        self.middle = nn.Sequential(
            *(layer for _ in range(4) for layer in (_conv(WIDTH, WIDTH, bias=False), _norm(), nn.ReLU()))
        )
        self.last = _conv(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        y: Tensor = self.last(self.middle(self.first(x).relu()))
        shared = min(x.shape[1], y.shape[1])
        return torch.cat([y[:, :shared] + x[:, :shared], y[:, shared:]], 1)


class NeighborBlock(nn.Module):
    """Append what the nearest neighbors of each patch differ by: (B, FEATURES, H, W) -> (B, 8 FEATURES, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.temperature = self._network(FEATURES), self._network(1)
        self.neighbors = NearestNeighbors(NEIGHBORS, MOMENTUM)

    @staticmethod
    def _network(outputs: int) -> nn.Sequential:
        head = (_conv(FEATURES, WIDTH, bias=False), _norm(), nn.ReLU())
        return nn.Sequential(*head, _conv(WIDTH, WIDTH, bias=False), _norm(), nn.ReLU(), _conv(WIDTH, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        found: Tensor = self.neighbors(x, self.embedding(x), self.temperature(x))
        return torch.cat([x, *(found[:, k] - x for k in range(NEIGHBORS))], 1)


class N3Net(BaselineNetwork):
    """Neural nearest neighbors network: three convolutional parts with two blocks of neighbors between them."""

    name: ClassVar[str] = "n3net"
    channels: ClassVar[int] = 1
    card: ClassVar[BaselineCard] = BaselineCard(
        title="N3Net",
        task="denoise",
        about="three convolutional parts, between which each patch meets its seven nearest neighbors; residual",
        source="Plötz and Roth, NeurIPS 2018",
        reading="One blind network, where the authors train one for each noise level. The moving statistics take 10% "
        "of each batch where theirs take 0.1%, which would need thousands of steps. Weight decay acts on biases, too. "
        f"Images of less than {LEAST} pixels a side are mirrored to that size.",
        checked="outputs of the public program with its weights at three levels: equal to 1e-4",
        sample=20,
    )

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Part(self.channels, FEATURES), Part(WIDTH, FEATURES), Part(WIDTH, self.channels)])
        self.blocks = nn.ModuleList(NeighborBlock() for _ in range(2))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm2d) and layer.num_features == WIDTH:
                with torch.no_grad():
                    layer.weight.normal_(0, (2 / (9 * WIDTH)) ** 0.5).abs_().clamp_(min=0.025)

    def forward(self, x: Tensor) -> Tensor:
        """See `BaselineNetwork`."""
        y = mirrored(x, LEAST, LEAST)
        y = self.blocks[0](self.parts[0](y))
        y = self.blocks[1](self.parts[1](y))
        restored: Tensor = self.parts[2](y)
        return restored[..., : x.shape[-2], : x.shape[-1]]

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return a quarter of half the squared error, summed over each patch: weight decay is weighed against it."""
        error: Tensor = self(degraded).float() - clean
        return error.square().flatten(1).sum(1).mean() / 8

    def further_macs(self, height: int, width: int) -> float:
        """Return those of the distances between patches, and of the averages of patches."""
        patches = patches_a_side(max(height, LEAST)) * patches_a_side(max(width, LEAST))
        candidates = WINDOW**2 - 1
        return float(len(self.blocks) * patches * candidates * FEATURES * PATCH**2 * (1 + NEIGHBORS))
