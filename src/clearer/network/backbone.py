"""The parts that the fixed network and the supernet share.

image -> stem (two modules at full scale) -> (transition, searched modules) x cells -> fusion to the full scale ->
one convolution -> image. (A U-net has no modules in its stem, and no fusion at its end.) With ``unshuffle``, all of
this works on the pixel-unshuffled image, as FFDNet's convolutions do (beyond the paper). With ``condition: level``,
the noise level is one more channel beside that image.
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
from clearer.noise.level import estimate_level

Level = float | Tensor
"""The noise level in units of [0, 1], its standard deviation: one for all pixels, one an image, or a map."""


class Cell(nn.Module):
    """A transition that adds or removes a scale, if the cell begins with one, then the searched modules."""

    def __init__(self, transition: StepModule | None, searched: list[nn.Module]) -> None:
        super().__init__()
        self.transition = transition
        self.searched = nn.ModuleList(searched)

    def begin(self, features: Features) -> Features:
        """Return what the first searched module sees."""
        return features if self.transition is None else self.transition(features)


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
        self.takes_level = space.takes_level
        places: Iterator[tuple[Step, ...]] = iter(plan.positions)
        stem = [position[0] for position in plan.positions if position[0].group == "stem"]
        self.stem = nn.Sequential(*(edge_module(next(places)[0].edges[0]) for _ in stem))
        begins = {step.name for step in plan.steps if step.letter == "T"}
        self.cells = nn.ModuleList(
            Cell(
                StepModule(next(places)[0]) if f"cells.{number}.transition" in begins else None,
                [searched(next(places)) for _ in range(depth)],
            )
            for number, depth in enumerate(space.depths)
        )
        self.fusion = StepModule(next(places)[0]) if any(step.name == "fusion" for step in plan.steps) else None
        self.last = edge_module(next(places)[0].edges[0])
        initialize(self, space)

    def run(
        self, x: Tensor, step: Callable[[nn.Module, Features, int], Features], level: Level | None = None
    ) -> Tensor:
        """Map ``(B, C, H, W)`` to the same; ``step(module, features, index)`` applies a searched module.

        ``level``: see `on_multiples`.
        """

        def inner(padded: Tensor) -> Tensor:
            features = [self.stem(padded)]
            index = 0
            for cell in self.cells:
                assert isinstance(cell, Cell)
                features = cell.begin(features)
                for module in cell.searched:
                    features = step(module, features, index)
                    index += 1
            return self.ended(features)

        return self.on_multiples(x, inner, level)

    def ended(self, features: Features) -> Tensor:
        """Return what follows the last cell: the image, folded."""
        gathered = features if self.fusion is None else self.fusion(features)
        return self.last(gathered[0])  # type: ignore[no-any-return]

    def on_multiples(self, x: Tensor, inner: Callable[[Tensor], Tensor], level: Level | None = None) -> Tensor:
        """Apply ``inner`` to an image of any size, pixel-unshuffled; a residual network adds the image itself.

        ``level`` is the noise level of a network that takes it, in units of [0, 1]: a number, (B,), (B, 1, 1, 1) or
        a map (B, 1, H, W); by default it is estimated from ``x``, of which a restorer may tell more
        (`clearer.inference.noise_level.estimate_for`). ``inner`` sees it as the last channel.

        The bottom and right are padded to the network's multiple by mirroring, and the result is cropped back.
        (Repeating the edge instead would draw its noise out into streaks, which look like structure.)
        """
        height, width = x.shape[-2:]
        pad_h, pad_w = -height % self.multiple, -width % self.multiple
        # A program traced for export must fit all sizes: it always pads, by 0 pixels where nothing is missing.
        pads = torch.compiler.is_compiling() or pad_h or pad_w

        def padded(values: Tensor) -> Tensor:
            return _mirrored(_mirrored(values, 2, pad_h), 3, pad_w) if pads else values

        if level is not None and not self.takes_level:
            raise ValueError("a noise level for a network that takes none (condition: none)")
        image = padded(x)
        # Estimated before padding; a map is padded as the image is, so that both show the same pixels.
        told = padded(level_map(estimate_level(x) if level is None else level, x)) if self.takes_level else None
        result = self.unfolded(inner(self.seen(image, told)))
        if self.residual:
            result = result + image
        return result[..., :height, :width] if pads else result

    def seen(self, x: Tensor, level: Tensor | None = None) -> Tensor:
        """Return what the stem sees of an image whose sides are multiples of the network's.

        This is `folded`, and for a network that takes the noise level its map (B, 1, H, W), averaged over the pixels
        of each position.
        """
        if not self.takes_level:
            return self.folded(x)
        told = level_map(estimate_level(x), x) if level is None else level
        return torch.cat([self.folded(x), _averaged(told, self.unshuffle)], 1)

    def folded(self, x: Tensor) -> Tensor:
        """Pixel-unshuffle: ``(B, C, H, W)`` -> ``(B, C u^2, H / u, W / u)``, u = unshuffle."""
        return x if self.unshuffle == 1 else F.pixel_unshuffle(x, self.unshuffle)

    def unfolded(self, x: Tensor) -> Tensor:
        """Undo `folded`."""
        return x if self.unshuffle == 1 else F.pixel_shuffle(x, self.unshuffle)


def _averaged(level: Tensor, factor: int) -> Tensor:
    """Return the means of a map (B, 1, H, W) over squares of ``factor`` pixels."""
    if factor == 1:
        return level
    # One level for all pixels is its own mean.
    if not torch.compiler.is_compiling() and level.stride()[2:] == (0, 0):
        return level[..., ::factor, ::factor]
    return F.avg_pool2d(level, factor)


def level_map(level: Level, x: Tensor) -> Tensor:
    """Return a noise level as a map (B, 1, H, W) for the images ``x``, (B, C, H, W).

    ``level``: a number, (B,), or any shape that broadcasts to the map.
    """
    value = torch.as_tensor(level, dtype=x.dtype, device=x.device)
    value = value.reshape(-1, 1, 1, 1) if value.ndim <= 1 else value
    return value.expand(x.shape[0], 1, *x.shape[-2:])


def _mirrored(x: Tensor, axis: int, pad: int) -> Tensor:
    """Return ``x`` with ``pad`` more pixels at the end of an axis, mirrored at the last one.

    Where there are fewer pixels to mirror, the first one is repeated: even an image of one pixel can be padded.
    """
    last = x.shape[axis] - 1
    places = torch.arange(x.shape[axis] + pad, device=x.device)
    return x.index_select(axis, (last - (places - last).abs()).clamp(min=0))
