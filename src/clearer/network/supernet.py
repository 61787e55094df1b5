"""The network that a search trains: every searched module is a mixture of all candidates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clearer.core.deprecation import warn_of_former
from clearer.core.errors import UserError
from clearer.network.architecture import FUSION, PARALLEL, Architecture, SearchSpace
from clearer.network.backbone import Backbone, Level
from clearer.network.candidates.registry import CANDIDATES
from clearer.network.graph import Step
from clearer.network.modules import Features, StepModule
from clearer.network.network import RestorationNetwork
from clearer.network.plan import plan_supernet

ALPHA_STD = 1e-3
"""Initial architecture parameters are 1e-3 x normal (released program)."""


class MixedModule(nn.Module):
    """``sum_k a_k f_k(y)``: all candidates see the same features ``y`` (the paper's a^p f^p(y) + a^f f^f(y)).

    Each candidate is a child of its name, such as ``parallel``.

    ``chained``: the fusion candidate sees the parallel one's result instead, as in the released program, whose
    discretized networks do not (its supernet is then no mixture of them; kept to measure what that does).
    """

    def __init__(self, steps: tuple[Step, ...], chained: bool = False) -> None:
        super().__init__()
        self.names = {step.letter: step.name.rpartition(".")[2] for step in steps}
        for step in steps:
            self.add_module(self.names[step.letter], StepModule(step))
        self.chained = chained

    def candidate(self, letter: str) -> nn.Module:
        """Return the candidate of a letter."""
        return self.get_submodule(self.names[letter])

    def forward(self, features: Features, mixing_weights: Tensor) -> Features:
        results: dict[str, Features] = {}
        for letter in self.names:
            seen = results[PARALLEL] if self.chained and letter == FUSION else features
            results[letter] = self.candidate(letter)(seen)
        first, *others = mixing_weights.unbind()
        mixed = []
        for result, *more in zip(*results.values(), strict=True):
            total = first * result
            for weight, other in zip(others, more, strict=True):
                total.add_(weight * other)
            mixed.append(total)
        return mixed


class Supernet(Backbone):
    """``(B, C, H, W)`` in [0, 1] -> the same, any ``H`` and ``W``.

    ``alpha`` is an ordinary parameter of shape ``(modules, K)``, one column a candidate in the space's order (for the
    published space parallel, then fusion); the mixing weights are its softmax.

    Args:
        space: the space to choose from.
        fusion_input: ``"same"``, or ``"parallel"`` for the released program's chaining (see `MixedModule`).

    Raises:
        UserError: ``"parallel"`` where the parallel candidate does not stand before the fusion candidate.
    """

    def __init__(self, space: SearchSpace, fusion_input: str = "same") -> None:
        chained = fusion_input == "parallel"
        if chained and not 0 <= space.candidates.find(PARALLEL) < space.candidates.find(FUSION):
            raise UserError(
                f"search.fusion_input: parallel needs the candidates P and F, in this order, and network.candidates is "
                f"{space.candidates}; use same"
            )
        super().__init__(plan_supernet(space), lambda steps: MixedModule(steps, chained))
        self.space = space
        self.alpha = nn.Parameter(ALPHA_STD * torch.randn(space.modules, len(space.candidates)))
        self.register_load_state_dict_pre_hook(_take_former_names)  # type: ignore[no-untyped-call]

    @property
    def mixing_weights(self) -> Tensor:
        """The softmax of alpha, ``(modules, K)``."""
        return self.alpha.softmax(dim=1)

    def forward(self, x: Tensor, level: Level | None = None) -> Tensor:
        weights = self.mixing_weights
        return self.run(x, lambda module, features, index: module(features, weights[index]), level)

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters but alpha."""
        return [parameter for name, parameter in self.named_parameters() if name != "alpha"]

    @contextlib.contextmanager
    def only_alpha(self) -> Iterator[None]:
        """Compute no gradient of a weight inside the block: an architecture step needs none."""
        weights = [parameter for parameter in self.weights() if parameter.requires_grad]
        for parameter in weights:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in weights:
                parameter.requires_grad_(True)

    def discretize(self) -> Architecture:
        """Return the architecture of each module's largest mixing weight (the first candidate on a tie)."""
        return self.space.architecture([self.space.candidates[i] for i in self.alpha.argmax(dim=1).tolist()])

    def extract(self, architecture: Architecture | None = None) -> RestorationNetwork:
        """Return the network of ``architecture`` (default: the discretized one) with a copy of the supernet's weights.

        It has the supernet's device, number type and mode.

        Raises:
            UserError: the architecture is not of the supernet's space.
        """
        architecture = architecture or self.discretize()
        if not self.space.holds(architecture):
            raise UserError(f"architecture: {architecture.to_json()} is not of the supernet's space, {self.space}")
        # On the meta device no initial weights are drawn, so the state of torch's random generator does not change.
        with torch.device("meta"):
            network = RestorationNetwork(architecture)
        mine = self.state_dict()
        copied = {}
        for name in network.state_dict():
            parts = name.split(".")
            if parts[0] == "cells" and parts[2] == "searched":
                letter = architecture.cells[int(parts[1])][int(parts[3])]
                parts.insert(4, CANDIDATES.get(letter).name)
            copied[name] = mine[".".join(parts)].clone()
        network.load_state_dict(copied, assign=True)
        return network.train(self.training)

    # Names of version 0.1.
    @property
    def logits(self) -> nn.Parameter:
        """`alpha`."""
        warn_of_former("Supernet.logits")
        return self.alpha

    @property
    def probabilities(self) -> Tensor:
        """`mixing_weights`."""
        warn_of_former("Supernet.probabilities")
        return self.mixing_weights

    def derive(self) -> Architecture:
        """Return `discretize`'s result."""
        warn_of_former("Supernet.derive()")
        return self.discretize()


def _take_former_names(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Rename ``logits``, as checkpoints of version 0.1 call alpha."""
    if f"{prefix}logits" in state:
        state[f"{prefix}alpha"] = state.pop(f"{prefix}logits")
