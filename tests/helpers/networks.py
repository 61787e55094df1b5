"""Networks and restorers small enough for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.inference.restorer import Restorer
from clearer.network.architecture import CONDITIONS, NORMS, OPERATIONS, Architecture, SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.zoo.weights import save_weights

NON_BLIND = {"degradation": {"kind": "gaussian", "sigma": 50.0, "clip8": True}, "task": "denoise"}
BLIND = {"degradation": {"kind": "gaussian", "sigma": [0.0, 75.0], "clip8": False}, "task": "denoise"}
"""Facts of a denoiser's card: trained for one level, or for every level."""

SPACES = st.builds(
    SearchSpace,
    channels=st.sampled_from([1, 3, 4]),
    width=st.integers(1, 8),
    scales=st.integers(2, 5),
    modules_per_cell=st.integers(1, 2),
    operations=st.sampled_from(OPERATIONS),
    norm=st.sampled_from(NORMS),
    residual=st.booleans(),
    unshuffle=st.sampled_from([1, 2, 3]),
    condition=st.sampled_from(CONDITIONS),
)


class StandIn(nn.Module):
    """x -> gain * x + shift, with as many channels as asked for."""

    def __init__(self, channels: int = 1, gain: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.architecture = Architecture.parse("P", channels=channels)
        self.gain, self.shift = gain, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x + self.shift


def stand_in(channels: int = 1, gain: float = 1.0, shift: float = 0.0) -> Restorer:
    """Return a restorer whose network is ``x -> gain * x + shift``."""
    return Restorer(StandIn(channels, gain, shift), device="cpu")  # type: ignore[arg-type]


class Smear(StandIn):
    """Moves light down and to the right, with the same bits whatever the size of the tile."""

    def forward(self, x: Tensor) -> Tensor:
        around = nn.functional.pad(x, (2, 0, 1, 0), mode="replicate")
        return 0.5 * x + 0.3 * around[..., :-1, 2:] + 0.2 * around[..., 1:, :-2]


def smear(channels: int = 1) -> Restorer:
    """Return a restorer with `Smear`."""
    return Restorer(Smear(channels), device="cpu", precision="fp32")  # type: ignore[arg-type]


def converged(network: nn.Module) -> nn.Module:
    """Draw He's weights for convolutions, and for norms statistics as after some training."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
    return network


def plausible(architecture: Architecture, seed: int = 0, positive: bool = False) -> RestorationNetwork:
    """Return a network with random weights and statistics through which every feature passes.

    Initial weights would not do: with batch norm they are near zero, and so are the results.
    """
    chance = torch.Generator().manual_seed(seed)
    network = RestorationNetwork(architecture)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            inputs = layer.in_channels * layer.kernel_size[0] ** 2
            layer.weight.data.normal_(0, inputs**-0.5, generator=chance)
            if layer.bias is not None:
                layer.bias.data.normal_(0, 0.1, generator=chance)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 1, generator=chance)
            layer.bias.data.uniform_(-0.2, 0.2, generator=chance)
            layer.running_mean.normal_(0, 0.1, generator=chance)
            layer.running_var.uniform_(0.5, 2, generator=chance)
    if positive:  # no ReLU cuts anything off, and nothing cancels
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.abs_()
    return network.eval().requires_grad_(False)


def write_model(
    path: Path,
    card: dict[str, Any] = NON_BLIND,
    channels: int = 1,
    genotype: str = "PF-FP",
    std: float = 0.05,
    condition: str = "none",
) -> Path:
    """Write a weight file of a tiny residual network; ``std`` 0 gives the identity."""
    torch.manual_seed(0)
    form: dict[str, Any] = {"channels": channels, "width": 4, "norm": "none", "residual": True, "condition": condition}
    network = RestorationNetwork(Architecture.parse(genotype, **form))
    nn.init.normal_(network.get_parameter("last.weight"), std=std)
    nn.init.zeros_(network.get_parameter("last.bias"))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(path, network, card)
    return path


def write_identity(path: Path, channels: int = 1) -> Path:
    """Write a weight file of a tiny blind denoiser that returns its input."""
    return write_model(path, BLIND, channels, genotype="P-F", std=0.0)
