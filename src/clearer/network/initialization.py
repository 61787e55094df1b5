"""The initial weights of a network."""

from __future__ import annotations

from torch import nn

from clearer.network.architecture import SearchSpace
from clearer.network.modules import ResidualBlock, StepModule

PUBLISHED_STD = 1e-3
"""Initial convolutions are normal with this standard deviation (released program)."""


def initialize(network: nn.Module, space: SearchSpace) -> None:
    """Set the initial weights, in place.

    With batch norm, as in the released program: every convolution is normal with std 1e-3. Without batch norm: He
    initialization for the convolutions, and zero for the last convolution of each residual block, so that the block
    begins as the identity; the edges of a sum begin small, so that sums do not grow with depth.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            if space.norm == "batch":
                nn.init.normal_(layer.weight, std=PUBLISHED_STD)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if space.norm == "batch":
        return
    for layer in network.modules():
        if isinstance(layer, ResidualBlock):
            nn.init.zeros_(_last_convolution(layer.body).weight)
        elif isinstance(layer, StepModule):
            for paths in layer.paths:
                for _, module in paths if len(paths) > 1 else ():
                    if module is not None:
                        _last_convolution(module).weight.data.mul_(0.1)
    if space.residual:
        nn.init.zeros_(network.get_submodule("last").weight)  # type: ignore[arg-type]


def _last_convolution(module: nn.Module) -> nn.Conv2d:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)][-1]
