"""The parts that the fixed network and the supernet share.

image -> stem (two modules at full scale) -> (transition, searched modules) x cells -> fusion to the full scale ->
one convolution -> image. With ``unshuffle``, all of this works on the pixel-unshuffled image, as FFDNet's
convolutions do (beyond the paper).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.graph import Step
from clearer.network.initialization import initialize
from clearer.network.modules import Features, StepModule, edge_module
from clearer.network.plan import NetworkPlan


class Cell(nn.Module):
    """A transition to one more scale, then the searched modules."""

    def __init__(self, transition: StepModule, searched: list[nn.Module]) -> None:
        super().__init__()
        self.transition = transition
        self.searched = nn.ModuleList(searched)


class Backbone(nn.Module):
    """The base class of both networks.

    Args:
        plan: the layer graph.
        searched: makes the module of a searched place from the steps that may stand there.
    """

    def __init__(self, plan: NetworkPlan, searched: Callable[[tuple[Step, ...]], nn.Module]) -> None:
        super().__init__()
        space = plan.space
        self.plan = plan
        self.multiple = space.multiple
        self.residual = space.residual
        self.unshuffle = space.unshuffle
        places: Iterator[tuple[Step, ...]] = iter(plan.positions)
        stem = [position[0] for position in plan.positions if position[0].group == "stem"]
        self.stem = nn.Sequential(*(edge_module(next(places)[0].edges[0]) for _ in stem))
        self.cells = nn.ModuleList(
            Cell(StepModule(next(places)[0]), [searched(next(places)) for _ in range(depth)]) for depth in space.depths
        )
        self.fusion = StepModule(next(places)[0])
        self.last = edge_module(next(places)[0].edges[0])
        initialize(self, space)

    def run(self, x: Tensor, step: Callable[[nn.Module, Features, int], Features]) -> Tensor:
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
        """Apply ``inner`` to an image of any size, pixel-unshuffled; a residual network adds the image itself.

        The bottom and right are padded to the network's multiple by mirroring, and the result is cropped back.
        (Repeating the edge instead would draw its noise out into streaks, which look like structure.)
        """
        height, width = x.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        # A program traced for export must fit all sizes: it always pads, by 0 pixels where nothing is missing.
        pads = torch.compiler.is_compiling() or pad_h or pad_w
        padded = _mirrored(_mirrored(x, 2, pad_h), 3, pad_w) if pads else x
        result = self.unfolded(inner(self.folded(padded)))
        if self.residual:
            result = result + padded
        return result[..., :height, :width] if pads else result

    def folded(self, x: Tensor) -> Tensor:
        """Pixel-unshuffle: ``(B, C, H, W)`` -> ``(B, C u^2, H / u, W / u)``, u = unshuffle."""
        return x if self.unshuffle == 1 else F.pixel_unshuffle(x, self.unshuffle)

    def unfolded(self, x: Tensor) -> Tensor:
        """Undo `folded`."""
        return x if self.unshuffle == 1 else F.pixel_shuffle(x, self.unshuffle)


def _mirrored(x: Tensor, axis: int, pad: int) -> Tensor:
    """Return ``x`` with ``pad`` more pixels at the end of an axis, mirrored at the last one.

    Where there are fewer pixels to mirror, the first one is repeated: even an image of one pixel can be padded.
    """
    last = x.shape[axis] - 1
    places = torch.arange(x.shape[axis] + pad, device=x.device)
    return x.index_select(axis, (last - (places - last).abs()).clamp(min=0))
