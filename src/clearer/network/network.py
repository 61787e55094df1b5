"""The network that is trained: the modules that an `Architecture` names, and nothing else."""

from __future__ import annotations

from torch import Tensor, nn

from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.backbone import Backbone
from clearer.network.candidates.base import searched_module


class RestorationNetwork(Backbone):
    """``(B, C, H, W)`` in [0, 1] -> the same, any ``H`` and ``W``.

    >>> import torch
    >>> network = RestorationNetwork(Architecture.parse("PF-FP", width=4))
    >>> tuple(network(torch.rand(2, 1, 30, 17)).shape)
    (2, 1, 30, 17)
    """

    def __init__(self, architecture: Architecture) -> None:
        space = SearchSpace(
            channels=architecture.channels,
            width=architecture.width,
            scales=architecture.scales,
            operations=architecture.operations,
            norm=architecture.norm,
            residual=architecture.residual,
            unshuffle=architecture.unshuffle,
        )

        def searched(cell: int, scales: int) -> list[nn.Module]:
            return [searched_module(space, letter, scales) for letter in architecture.cells[cell]]

        super().__init__(space, searched)
        self.architecture = architecture

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, lambda module, features, _: module(features))
