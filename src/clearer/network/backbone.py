"""What the fixed and the mixed network share: stem, cells, last fusion, last convolution.

image -> stem (two modules at full scale) -> (transition, searched modules) x cells -> fusion to the
full scale -> one convolution -> image. With ``unshuffle``, all of this works on squares of pixels
folded into channels, as FFDNet's convolutions do (beyond the paper).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.architecture import SearchSpace
from clearer.network.candidates.base import FusionModule, TransitionModule
from clearer.network.operations import Bottleneck, Convolution, Sequence, conv_norm

PUBLISHED_STD = 1e-3
"""Initial convolutions are normal with this standard deviation (released program)."""


class Cell(nn.Module):
    """A transition to one more scale, then the searched modules."""

    def __init__(self, transition: TransitionModule, searched: list[nn.Module]) -> None:
        super().__init__()
        self.transition = transition
        self.searched = nn.ModuleList(searched)


def stem(space: SearchSpace) -> nn.Sequential:
    """Return the part before the first transition: ``(B, folded, H, W)`` -> ``(B, width or 4 width, H, W)``.

    ``folded`` is ``channels * unshuffle**2``.

    Supplement: two parallel modules at full scale; a 3x3 convolution (with BN and ReLU) before them
    lifts the image to ``width`` channels, which the paper does not describe but every width needs.
    Released: two bottlenecks.
    """
    folded = space.channels * space.unshuffle**2
    if space.operations == "released":
        return nn.Sequential(Bottleneck(space, folded), Bottleneck(space, 4 * space.width))
    lift = Sequence(*conv_norm(space, folded, space.width), nn.ReLU(inplace=True))
    return nn.Sequential(lift, Convolution(space, 0), Convolution(space, 0))


def last_convolution(space: SearchSpace) -> nn.Conv2d:
    """Return the convolution that makes the image: 3x3 with bias, or 1x1 without (released).

    A network without biases has none here either; a released one without norm has it.
    """
    folded = space.channels * space.unshuffle**2
    if space.operations == "released":
        return nn.Conv2d(space.width, folded, 1, bias=space.norm == "none")
    return nn.Conv2d(space.width, folded, 3, padding=1, bias=space.norm != "bias-free")


class Backbone(nn.Module):
    """The frame of both networks; ``searched(cell, scales)`` gives the searched modules of a cell."""

    def __init__(self, space: SearchSpace, searched: Callable[[int, int], list[nn.Module]]) -> None:
        super().__init__()
        self.multiple = space.multiple
        self.residual = space.residual
        self.unshuffle = space.unshuffle
        self.stem = stem(space)
        self.cells = nn.ModuleList(
            Cell(TransitionModule(space, cell + 1), searched(cell, cell + 2)) for cell in range(space.cells)
        )
        self.fusion = FusionModule(space, space.scales, targets=1)
        self.last = last_convolution(space)
        initialize(self, space)

    def run(self, x: Tensor, step: Callable[[nn.Module, list[Tensor], int], list[Tensor]]) -> Tensor:
        """Map ``(B, C, H, W)`` to the same; ``step(module, features, index)`` applies a searched module."""

        def inner(padded: Tensor) -> Tensor:
            features = [self.stem(padded)]
            index = 0
            for cell in self.cells:
                assert isinstance(cell, Cell)
                features = cell.transition(features)
                for module in cell.searched:
                    features = step(module, features, index)
                    index += 1
            return self.last(self.fusion(features)[0])  # type: ignore[no-any-return]

        return self.on_multiples(x, inner)

    def on_multiples(self, x: Tensor, inner: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply ``inner`` to an image of any size, folded, and add the image itself in a residual network.

        The bottom and right are padded to the network's multiple by mirroring, and the result is cropped
        back. (Repeating the edge instead would draw its noise out to streaks, which look like structure.)
        """
        height, width = x.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        # A program that is being recorded for export has to fit all sizes: it pads, be it by nothing.
        pads = torch.compiler.is_compiling() or pad_h or pad_w
        padded = _mirrored(_mirrored(x, 2, pad_h), 3, pad_w) if pads else x
        result = self.unfolded(inner(self.folded(padded)))
        if self.residual:
            result = result + padded
        return result[..., :height, :width] if pads else result

    def folded(self, x: Tensor) -> Tensor:
        """Fold squares of pixels into channels: ``(B, C, H, W)`` -> ``(B, C u^2, H / u, W / u)``, u = unshuffle."""
        return x if self.unshuffle == 1 else F.pixel_unshuffle(x, self.unshuffle)

    def unfolded(self, x: Tensor) -> Tensor:
        """Undo `folded`."""
        return x if self.unshuffle == 1 else F.pixel_shuffle(x, self.unshuffle)


def _mirrored(x: Tensor, axis: int, pad: int) -> Tensor:
    """Return ``x`` with ``pad`` more pixels at the end of an axis, mirrored at the last one.

    Where there are fewer to mirror, the first one is repeated: any size can be padded, that of 1 too.
    """
    last = x.shape[axis] - 1
    places = torch.arange(x.shape[axis] + pad, device=x.device)
    return x.index_select(axis, (last - (places - last).abs()).clamp(min=0))


def initialize(network: nn.Module, space: SearchSpace) -> None:
    """Set the initial weights.

    With batch norm, as the released program: every convolution normal with std 1e-3. Without, He's
    for the convolutions, and zero for the last convolution of each residual block, so that the block
    begins as the identity; a fusion's edges begin small, so that its sums do not grow with depth.
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
        if isinstance(layer, Convolution | Bottleneck):
            nn.init.zeros_([m for m in layer.body if isinstance(m, nn.Conv2d)][-1].weight)
        elif isinstance(layer, FusionModule):
            for edges in layer.edges:
                for edge in edges.values():  # type: ignore[operator]
                    [m for m in edge if isinstance(m, nn.Conv2d)][-1].weight.data.mul_(0.1)
    if space.residual:
        nn.init.zeros_(network.get_submodule("last").weight)  # type: ignore[arg-type]
