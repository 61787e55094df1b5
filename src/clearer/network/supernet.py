"""The network that chooses: every searched module is both of its candidates, mixed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.backbone import Backbone
from clearer.network.candidates.base import Features, FusionModule, ParallelModule
from clearer.network.network import RestorationNetwork

ALPHA_STD = 1e-3
"""Initial alpha are 1e-3 x normal (released program)."""


class MixedModule(nn.Module):
    """``a^p f^p(y) + a^f f^f(y)``: both candidates see the same features ``y``.

    ``chained``: the fusion candidate sees ``f^p(y)`` instead, as in the released program, whose derived
    networks do not (its supernet is then no mixture of them; kept to measure what that does).
    """

    def __init__(self, space: SearchSpace, scales: int, chained: bool = False) -> None:
        super().__init__()
        self.parallel = ParallelModule(space, scales)
        self.fusion = FusionModule(space, scales)
        self.chained = chained

    def forward(self, features: Features, mixing_weights: Tensor) -> Features:
        parallel = self.parallel(features)
        fusion = self.fusion(parallel if self.chained else features)
        a_parallel, a_fusion = mixing_weights.unbind()
        return [(a_parallel * p).add_(a_fusion * f) for p, f in zip(parallel, fusion, strict=True)]


class Supernet(Backbone):
    """``(B, C, H, W)`` in [0, 1] -> the same, any ``H`` and ``W``.

    ``alpha`` is an ordinary parameter of shape ``(modules, 2)``, parallel first; the mixing_weights
    alpha are its softmax. ``fusion_input``: ``"same"``, or ``"parallel"`` for the released program's
    chaining of the two candidates (see `MixedModule`).
    """

    def __init__(self, space: SearchSpace, fusion_input: str = "same") -> None:
        def searched(cell: int, scales: int) -> list[nn.Module]:
            return [MixedModule(space, scales, fusion_input == "parallel") for _ in range(space.modules_per_cell)]

        super().__init__(space, searched)
        self.space = space
        self.alpha = nn.Parameter(ALPHA_STD * torch.randn(space.modules, 2))

    @property
    def mixing_weights(self) -> Tensor:
        """Alpha, ``(modules, 2)``, parallel first."""
        return self.alpha.softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        mixing_weights = self.mixing_weights
        return self.run(x, lambda module, features, index: module(features, mixing_weights[index]))

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the alpha."""
        return [parameter for name, parameter in self.named_parameters() if name != "alpha"]

    @contextlib.contextmanager
    def only_alpha(self) -> Iterator[None]:
        """Within this, no gradient of a weight is computed: an architecture step needs none."""
        weights = [parameter for parameter in self.weights() if parameter.requires_grad]
        for parameter in weights:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in weights:
                parameter.requires_grad_(True)

    def derive(self) -> Architecture:
        """Return the architecture of the larger probability in each module (parallel on a tie)."""
        return self.space.architecture(["PF"[i] for i in self.alpha.argmax(dim=1).tolist()])

    def extract(self, architecture: Architecture | None = None) -> RestorationNetwork:
        """Return the network of ``architecture`` (default: the derived one) with the supernet's weights, copied.

        It has the supernet's device, number type and mode.

        Raises:
            UserError: the architecture is not of the supernet's space.
        """
        architecture = architecture or self.derive()
        if architecture.space != self.space:
            raise UserError(f"architecture: {architecture.to_json()} is not of the supernet's space, {self.space}")
        # On the meta device no initial weights are drawn, so that torch's random numbers stay where they were.
        with torch.device("meta"):
            network = RestorationNetwork(architecture)
        mine = self.state_dict()
        copied = {}
        for name in network.state_dict():
            parts = name.split(".")
            if parts[0] == "cells" and parts[2] == "searched":
                letter = architecture.cells[int(parts[1])][int(parts[3])]
                parts.insert(4, "parallel" if letter == "P" else "fusion")
            copied[name] = mine[".".join(parts)].clone()
        network.load_state_dict(copied, assign=True)
        return network.train(self.training)
