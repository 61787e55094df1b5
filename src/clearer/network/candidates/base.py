"""The three modules of Fig. 1 (a): from the features of all scales to the features of all scales.

A module maps a list of features, finest first, feature ``s`` of shape
``(B, width * 2**s, H / 2**s, W / 2**s)``, to such a list.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.architecture import SearchSpace
from clearer.network.operations import Convolution, Sequence, conv_norm, strided_convolution, upsample

Features = list[Tensor]


class ParallelModule(nn.Module):
    """Every scale goes its own way through a residual convolution sequence."""

    def __init__(self, space: SearchSpace, scales: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Convolution(space, s) for s in range(scales))

    def forward(self, features: Features) -> Features:
        return [branch(x) for branch, x in zip(self.branches, features, strict=True)]


class FusionModule(nn.Module):
    """Every output scale is the ReLU of the sum of all input scales.

    The same scale comes in unchanged, finer ones by strided convolution, coarser ones by upsampling.
    ``targets`` limits the output to the finest ones: the network's last fusion gives scale 0 alone.

    What comes from coarser scales is summed on its way up, so that only one sum is upsampled to each
    scale in between: nearest upsampling of a sum is the sum of the upsampled.
    """

    def __init__(self, space: SearchSpace, scales: int, targets: int | None = None) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleDict({str(source): _edge(space, source, target) for source in range(scales) if source != target})
            for target in range(scales if targets is None else targets)
        )

    def forward(self, features: Features) -> Features:
        outputs = []
        for target, edges in enumerate(self.edges):
            parts = {int(source): edge for source, edge in edges.items()}  # type: ignore[operator]
            total = features[target]
            for source in range(target):
                total = _sum(total, parts[source](features[source]), features[target])
            above: Tensor | None = None
            for source in range(len(features) - 1, target, -1):
                part = parts[source].coarse(features[source])
                above = F.interpolate(part if above is None else above.add_(part), scale_factor=2, mode="nearest")
            if above is not None:
                total = _sum(total, above, features[target])
            outputs.append(total.relu_())
        return outputs


def _sum(total: Tensor, part: Tensor, given: Tensor) -> Tensor:
    """Add in place, but never into the feature that others read too."""
    return total + part if total is given else total.add_(part)


def _edge(space: SearchSpace, source: int, target: int) -> Sequence:
    if source < target:
        return strided_convolution(space, source, target, relu=False)
    return upsample(space, source, target)


class TransitionModule(nn.Module):
    """Existing scales pass unchanged; a new, lowest one is made by strided convolution.

    The released program's first transition also brings the ``4 * width`` channels of its two
    bottlenecks down to ``width`` at full resolution, and makes scale 1 from all of them.
    """

    def __init__(self, space: SearchSpace, scales: int) -> None:
        super().__init__()
        wide = space.operations == "released" and scales == 1
        self.narrow: Sequence | None = None
        if wide:
            self.narrow = Sequence(*conv_norm(space, 4 * space.width, space.width), nn.ReLU(inplace=True))
            layers = conv_norm(space, 4 * space.width, space.widths[1], stride=2)
            self.down = Sequence(*layers, nn.ReLU(inplace=True))
        else:
            self.down = strided_convolution(space, scales - 1, scales)

    def forward(self, features: Features) -> Features:
        new = self.down(features[-1])
        kept = features if self.narrow is None else [self.narrow(features[0])]
        return [*kept, new]


def searched_module(space: SearchSpace, letter: str, scales: int) -> nn.Module:
    """Return the module that a letter of an architecture stands for."""
    return ParallelModule(space, scales) if letter == "P" else FusionModule(space, scales)
