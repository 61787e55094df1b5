"""The network that is trained and shipped: only the modules that an `Architecture` names."""

from __future__ import annotations

from torch import Tensor

from clearer.network.architecture import Architecture
from clearer.network.backbone import Backbone, Level
from clearer.network.modules import StepModule
from clearer.network.plan import plan_network


class RestorationNetwork(Backbone):
    """``(B, C, H, W)`` in [0, 1] -> the same, any ``H`` and ``W``.

    ``level``: the noise level of a network with ``condition: level``; see `Backbone.on_multiples`.

    >>> import torch
    >>> network = RestorationNetwork(Architecture.parse("PF-FP", width=4))
    >>> tuple(network(torch.rand(2, 1, 30, 17)).shape)
    (2, 1, 30, 17)
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(plan_network(architecture), lambda steps: StepModule(steps[0]))
        self.architecture = architecture

    def forward(self, x: Tensor, level: Level | None = None) -> Tensor:
        return self.run(x, lambda module, features, _: module(features), level)
