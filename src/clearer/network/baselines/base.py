"""The interface of a learned baseline: a network of another system, trained by our loop and compared in our tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clearer.network.baselines.form import BaselineForm

UP_TO_A_MEGAPIXEL = 10**6
"""The ``sample`` of networks that take gigabytes a megapixel: all images that are not larger."""
COUNTED_SIDE = 128
"""Side in pixels of the image whose multiply-adds are counted."""


@dataclass(frozen=True)
class BaselineCard:
    """What a reader of a baseline's figures must know.

    Args:
        title: its name in tables and captions, such as ``"N3Net"``.
        task: ``"denoise"`` or ``"derain"``.
        about: what it is, in a phrase.
        source: authors, venue and year.
        reading: what its publication leaves open, and how this program reads it; where this program differs.
        checked: what this program was compared with.
        sample: number of images of up to a megapixel that tables measure a slow network on; None for all images.
    """

    title: str
    task: str
    about: str
    source: str
    reading: str = ""
    checked: str = ""
    sample: int | None = None


class BaselineNetwork(nn.Module, ABC):
    """A network ``(B, C, H, W)`` in [0, 1] -> the same shape, not clamped, for any ``H`` and ``W`` from 1 up.

    A subclass states ``name``, ``channels`` and ``card``, sets its initial weights in ``__init__`` (after the caller
    has seeded torch), and implements `forward`. In training mode `forward` returns the restored image too.
    """

    name: ClassVar[str]
    """Its name in `clearer.network.baselines.registry`."""
    channels: ClassVar[int]
    """Channels of the images: 1 (gray, or luma) or 3 (RGB)."""
    card: ClassVar[BaselineCard]

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Restore a batch of images."""

    def loss(self, degraded: Tensor, clean: Tensor) -> Tensor:
        """Return the system's own training loss of a batch, a scalar: by default the mean squared error.

        A recipe chooses it by ``train.loss: own``.
        """
        return functional.mse_loss(self(degraded).float(), clean)

    @property
    def architecture(self) -> BaselineForm:
        """The value that stands for the network in recipes and weight files."""
        return BaselineForm(self.name)

    def further_macs(self, height: int, width: int) -> float:
        """Return the multiply-adds for an image beside those of convolutions and linear layers; by default none."""
        return 0.0


def baseline_macs_per_pixel(network: BaselineNetwork) -> float:
    """Return the multiply-adds per pixel of an image of `COUNTED_SIDE` pixels a side.

    Convolutions and linear layers are counted in a pass on the meta device, which computes nothing; what a system
    multiplies elsewhere is stated by `BaselineNetwork.further_macs`.
    """
    counted = [0.0]

    def count(layer: nn.Module, _: Any, result: Tensor) -> None:
        if isinstance(layer, nn.Linear):
            counted[0] += layer.weight.numel() * result.numel() / layer.out_features
        elif isinstance(layer, nn.Conv2d):
            counted[0] += layer.weight.numel() * result.numel() / layer.out_channels

    with torch.device("meta"):
        twin = type(network)().eval()
        hooks = [layer.register_forward_hook(count) for layer in twin.modules()]
        twin(torch.empty(1, network.channels, COUNTED_SIDE, COUNTED_SIDE))
    for hook in hooks:
        hook.remove()
    return (counted[0] + network.further_macs(COUNTED_SIDE, COUNTED_SIDE)) / COUNTED_SIDE**2


def count_baseline_parameters(network: BaselineNetwork) -> int:
    """Return the number of weights that a training moves."""
    return sum(parameter.numel() for parameter in network.parameters())
