"""The features of a network on given images: what enters each ReLU, and which channels are dead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from clearer.network.modules import ResidualBlock, StepModule
from clearer.network.network import RestorationNetwork

DEAD = 1e-3
"""A channel is dead where at most this share of its positions is active."""


@dataclass(frozen=True)
class Feature:
    """What enters one ReLU of a network.

    Attributes:
        name: of the module that computes it, with the scale where it computes several.
        before: the values before the ReLU, (C, positions).
    """

    name: str
    before: Tensor

    @property
    def active(self) -> Tensor:
        """The share of positions above zero in each channel, (C,)."""
        return (self.before > 0).float().mean(1)

    @property
    def dead(self) -> Tensor:
        """The numbers of the dead channels."""
        return (self.active <= DEAD).nonzero().flatten()


def features_on(network: RestorationNetwork, images: Tensor) -> list[Feature]:
    """Return the features of ``images`` (B, C, H, W) at every ReLU, in the order of computation.

    Batch norms see the batch, as in training; their statistics do not change.
    """
    found: list[Feature] = []
    entering = _Entering()
    names = {module: name for name, module in network.named_modules()}

    def keep(name: str) -> None:
        found.append(Feature(name, entering.values.pop().transpose(0, 1).flatten(1)))

    def note(module: nn.Module, _: Any, __: Any) -> None:
        if isinstance(module, nn.ReLU | ResidualBlock):
            keep(names[module])
        elif isinstance(module, StepModule) and module.step.relu:
            for target in reversed(range(module.step.scales)):
                keep(f"{names[module]}.{target}")

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.no_grad(), entering, _in_training_without_traces(network):
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


class _Entering(TorchFunctionMode):
    """Keeps what enters each ReLU, which most of them overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.relu, torch.Tensor.relu_, F.relu):
            self.values.append(args[0].detach().clone())
        return function(*args, **(kwargs or {}))


@contextmanager
def _in_training_without_traces(network: nn.Module) -> Iterator[None]:
    was = network.training
    kept = {name: value.clone() for name, value in network.named_buffers()}
    try:
        network.train()
        yield
    finally:
        for name, value in network.named_buffers():
            value.copy_(kept[name])
        network.train(was)
