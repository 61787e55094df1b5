"""The torch modules of a network's edges and steps.

A step maps a list of features, finest first, feature ``s`` of shape ``(B, widths[s], H / 2**s, W / 2**s)``, to such
a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.graph import Edge, Layer, Step, Upsample

Features = list[Tensor]


class LayerSequence(nn.Sequential):
    """Layers in sequence; a batch norm in eval mode whose weights are frozen costs nothing.

    It is then one scale and one shift per channel, folded into the weights of the convolution before it: in an
    architecture step and when restoring, only convolutions run over the features.
    """

    def forward(self, x: Tensor) -> Tensor:
        return _run(self, x)


def _run(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    waiting: nn.Conv2d | None = None  # a convolution that the norm after it may be folded into
    for layer in layers:
        if waiting is not None:
            if isinstance(layer, nn.BatchNorm2d) and not layer.training:
                weight, bias = folded(waiting, layer)
                x = F.conv2d(x, weight, bias, waiting.stride, waiting.padding)
            else:
                x = layer(waiting(x))
            waiting = None
        elif isinstance(layer, nn.Conv2d) and layer.bias is None and not layer.weight.requires_grad:
            waiting = layer
        else:
            x = layer(x)
    return x if waiting is None else waiting(x)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the one convolution that equals ``norm(convolution(x))`` in eval mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return convolution.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale


class UpsampleSequence(LayerSequence):
    """conv, BN, upsample (Fig. 1 (d)), R2 times; all upsampling is done last.

    A 1x1 convolution and a norm treat every pixel alike, and nearest upsampling only repeats pixels. So the result
    does not depend on the order, and on the coarse feature the convolutions are 4 to 64 times cheaper. (A batch
    norm's running variance, whose estimate is divided by n - 1, sees a smaller n.)
    """

    def coarse(self, x: Tensor) -> Tensor:
        """Return the sequence's result before any upsampling, at the resolution of ``x``."""
        return _run((layer for layer in self if not isinstance(layer, nn.Upsample)), x)

    def forward(self, x: Tensor) -> Tensor:
        factor = 1
        for layer in self:
            if isinstance(layer, nn.Upsample):
                factor *= int(layer.scale_factor)  # type: ignore[arg-type]
        return F.interpolate(self.coarse(x), scale_factor=factor, mode="nearest")


class ResidualBlock(nn.Module):
    """``relu(body(x) + shortcut(x))``; the shortcut is the input itself, or a projection."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self.body = LayerSequence(*_layers(edge.layers))
        self.shortcut = LayerSequence(*_layers(edge.shortcut)) if edge.shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return total.relu_()


def edge_module(edge: Edge) -> nn.Module:
    """Return the module of an edge that has layers."""
    if edge.shortcut is not None:
        return ResidualBlock(edge)
    layers = _layers(edge.layers)
    if edge.bare:
        return layers[0]
    return UpsampleSequence(*layers) if edge.target < edge.source and edge.defers else LayerSequence(*layers)


def _layers(layers: Sequence[Layer]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, Upsample):
            found.append(nn.Upsample(scale_factor=layer.factor, mode="nearest"))
            continue
        found.append(
            nn.Conv2d(layer.source, layer.target, layer.kernel, layer.stride, layer.kernel // 2, bias=layer.bias)
        )
        if layer.norm:
            found.append(nn.BatchNorm2d(layer.target))
        if layer.relu:
            found.append(nn.ReLU(inplace=True))
    return found


class StepModule(nn.Module):
    """One step: every target scale is its edge's result, or the sum of its edges' results.

    Results from coarser scales are summed on the way up, so that only one sum is upsampled to each scale in between:
    nearest upsampling of a sum is the sum of the upsampled.
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.paths: list[list[tuple[Edge, nn.Module | None]]] = []  # for each target; torch tracks them by name
        for target in range(step.scales):
            paths = [(edge, edge_module(edge) if edge.layers else None) for edge in step.into(target)]
            for edge, module in paths:
                if module is not None:
                    _place(self, edge.name, module)
            self.paths.append(paths)

    def forward(self, features: Features) -> Features:
        return [self.into(target, features) for target in range(self.step.scales)]

    def into(self, target: int, features: Features) -> Tensor:
        """Return the feature of one scale after the step."""
        given: Tensor | None = None  # a feature that others read too: it must not be added to in place
        total: Tensor | None = None
        for edge, module in self.paths[target]:
            if module is None:
                given = total = features[edge.source]
        for edge, module in self.paths[target]:
            if module is not None and not isinstance(module, UpsampleSequence):
                total = _sum(total, module(features[edge.source]), given)
        above = self._from_above(target, features)
        if above is not None:
            total = _sum(total, above, given)
        assert total is not None
        if self.step.relu and len(self.paths[target]) > 1:
            return total.relu() if total is given else total.relu_()
        return total

    def _from_above(self, target: int, features: Features) -> Tensor | None:
        """Return the sum of all results from coarser scales, upsampled to ``target``."""
        rising = {e.source: m for e, m in self.paths[target] if isinstance(m, UpsampleSequence)}
        above: Tensor | None = None
        for source in range(max(rising, default=target), target, -1):
            if source in rising:
                part = rising[source].coarse(features[source])
                above = part if above is None else above.add_(part)
            assert above is not None
            above = F.interpolate(above, scale_factor=2, mode="nearest")
        return above


def _sum(total: Tensor | None, part: Tensor, given: Tensor | None) -> Tensor:
    if total is None:
        return part
    return total + part if total is given else total.add_(part)


def _place(parent: nn.Module, path: str, module: nn.Module) -> None:
    """Register ``module`` under a dotted path, creating empty modules on the way."""
    *outer, last = path.split(".")
    for name in outer:
        if name not in parent._modules:
            parent.add_module(name, nn.Module())
        parent = parent.get_submodule(name)
    parent.add_module(last, module)
