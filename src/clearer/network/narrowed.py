"""The first channels and modules of a wider network, as a network of its own that shares the wider one's weights."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.backbone import Level
from clearer.network.network import RestorationNetwork


class Narrowed(nn.Module):
    """``(B, C, H, W)`` in [0, 1] -> the same: the network of ``architecture``, with weights of ``wide``.

    Each convolution is the first part of the wider one's, in its outputs and inputs. Gradients reach ``wide``, whose
    weights are not parameters of this module.

    Args:
        wide: a network whose scales are not gathered at its end, such as a U-net, without batch norm.
        architecture: as that of ``wide``, with at most as many channels at each scale and modules in each cell.

    Raises:
        UserError: it is not a part of ``wide``.
    """

    def __init__(self, wide: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        skeleton = _skeleton(architecture)
        given = dict(wide.named_parameters())
        self.shared: dict[str, Tensor] = {}
        for name, parameter in skeleton.named_parameters():
            whole = given.get(name)
            if whole is None or any(n > w for n, w in zip(parameter.shape, whole.shape, strict=True)):
                raise UserError(f"architecture: {architecture.text} is no part of the wider network ({name})")
            self.shared[name] = whole[tuple(slice(n) for n in parameter.shape)]
        self._skeleton = (skeleton,)  # in a tuple, so that torch does not take its weights for this module's

    def forward(self, x: Tensor, level: Level | None = None) -> Tensor:
        told = () if level is None else (level,)
        result: Tensor = functional_call(self._skeleton[0], self.shared, (x, *told))
        return result


@lru_cache(maxsize=64)
def _skeleton(architecture: Architecture) -> RestorationNetwork:
    """Return the network without weights."""
    with torch.device("meta"):
        return RestorationNetwork(architecture)
