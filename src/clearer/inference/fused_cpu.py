"""Fast inference on CPUs: the same result from fewer and larger steps.

- Every batch norm is folded into the convolution before it (`clearer.network.modules.folded`).
- The convolution before a ReLU or a sum computes it, while its result is still in the cache (oneDNN's
  post-operations, which torch offers in ``torch.ops.mkldnn``).
- The 1x1 convolutions of an upsample sequence are one matrix, multiplied out beforehand.
- Weights are reordered once into the layout that the convolutions use; features are channels_last.

In bfloat16 only features are rounded, not the image: a residual network's last convolution predicts what is added to
the image in float32, and that of other networks runs in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.backbone import Level
from clearer.network.graph import Edge, Placed, Step, Upsample
from clearer.network.modules import Features, folded
from clearer.network.network import RestorationNetwork


class FusedNetwork(Protocol):
    """A network in eval mode; see `RestorationNetwork.forward`."""

    def __call__(self, x: Tensor, level: Level | None = None) -> Tensor: ...


Forward = Callable[[Tensor], Tensor]
Gather = Callable[[Features], Tensor]
Find = Callable[[Placed], tuple[nn.Conv2d, nn.BatchNorm2d | None]]
"""Returns the torch layers of a convolution of the plan."""


def can_fuse() -> bool:
    """Return whether this build of torch has oneDNN's fused convolutions."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return all(hasattr(torch.ops.mkldnn, n) for n in ("_convolution_pointwise", "_convolution_pointwise_"))


def fuse(network: RestorationNetwork, precision: str = "fp32") -> FusedNetwork:
    """Return a function equal to ``network`` in eval mode: (B, C, H, W) float32 -> the same, any H and W.

    The function takes a noise level as the network does.

    Args:
        network: on the CPU; its weights are copied, so later changes to it have no effect.
        precision: ``fp32`` or ``bf16``.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    *inner, final = network.plan.steps
    with torch.no_grad():
        steps = [fused_step(network, step, kind) for step in inner]
        kind_of_last = kind if network.architecture.residual else torch.float32
        (last,) = fused_step(network, final, kind_of_last)

    def features_to_image(padded: Tensor) -> Tensor:
        features = [padded.to(kind, memory_format=torch.channels_last)]
        for targets in steps:
            features = [gather(features) for gather in targets]
        return last([features[0].to(kind_of_last)])

    def forward(x: Tensor, level: Level | None = None) -> Tensor:
        with torch.inference_mode():
            return network.on_multiples(x, features_to_image, level)

    return forward


def _finder(network: RestorationNetwork, step: Step) -> Find:
    def find(placed: Placed) -> tuple[nn.Conv2d, nn.BatchNorm2d | None]:
        names = [None if name is None else ".".join(filter(None, (step.name, name))) for name in placed[2:]]
        conv, norm = (None if name is None else network.get_submodule(name) for name in names)
        return conv, norm  # type: ignore[return-value]

    return find


class _FusedConvolution:
    """conv, BN and the operations after them; or several 1x1 convolutions with only norms between them, as one."""

    def __init__(self, parts: Sequence[tuple[nn.Conv2d, nn.BatchNorm2d | None]], kind: torch.dtype, relu: bool) -> None:
        weight, bias = _folded(*parts[0])
        for part in parts[1:]:
            outer, shift = _folded(*part)
            # 1x1 after 1x1: a product of matrices, in double so that it rounds once.
            product = outer.double().flatten(1) @ weight.double().flatten(1)
            bias = (outer.double().flatten(1) @ bias.double() + shift).to(bias.dtype)
            weight = product.to(weight.dtype)[:, :, None, None]
        first = parts[0][0]
        self.weight = weight.to(kind).contiguous(memory_format=torch.channels_last)
        self.bias = bias.to(kind)
        self.padding, self.stride = list(first.padding), list(first.stride)
        self.relu = relu

    def _rest(self) -> tuple[Any, ...]:
        return self.weight, self.bias, self.padding, self.stride, [1, 1], 1

    def __call__(self, x: Tensor) -> Tensor:
        after = "relu" if self.relu else "none"
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *self._rest(), after, [], "")
        return result

    def plus(self, x: Tensor, other: Tensor, *, relu: bool = False) -> Tensor:
        """Return conv(x) + other, a new tensor."""
        after: tuple[Any, ...] = ("add", 1.0, "relu" if relu else None, [], None)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(x, other, *self._rest(), *after)
        return result

    def into(self, total: Tensor, x: Tensor, *, relu: bool = False) -> Tensor:
        """Add conv(x) to ``total`` in place."""
        after: tuple[Any, ...] = ("add", 1.0, "relu" if relu else None, [], None)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(total, x, *self._rest(), *after)
        return result


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    if norm is not None:
        return folded(convolution, norm)
    bias = convolution.bias
    return convolution.weight, convolution.weight.new_zeros(convolution.out_channels) if bias is None else bias


def _convolutions(placed: Sequence[Placed], find: Find, kind: torch.dtype) -> list[_FusedConvolution]:
    return [_FusedConvolution([find(one)], kind, one.conv.relu) for one in placed]


def fused_step(network: RestorationNetwork, step: Step, kind: torch.dtype) -> list[Gather]:
    """Return one function per scale: features before a step of the network -> the feature of this scale after it."""
    find = _finder(network, step)
    return [_target(step.into(target), step.relu, find, kind) for target in range(step.scales)]


def _target(edges: Sequence[Edge], relu: bool, find: Find, kind: torch.dtype) -> Gather:
    if len(edges) > 1:
        return _sum(edges, relu, find, kind)
    source, run = edges[0].source, _path(edges[0], find, kind)
    return lambda features: run(features[source])


def _path(edge: Edge, find: Find, kind: torch.dtype) -> Forward:
    """Return one edge as a function: the identity, a sequence, or a residual block."""
    if edge.shortcut is not None:
        return _residual(edge, find, kind)
    convolutions = _convolutions(edge.placed, find, kind)
    factor = 1
    for layer in edge.layers:
        factor *= layer.factor if isinstance(layer, Upsample) else 1

    def sequence(x: Tensor) -> Tensor:
        for convolution in convolutions:
            x = convolution(x)
        return x if factor == 1 else F.interpolate(x, scale_factor=factor, mode="nearest")

    return sequence


def _residual(edge: Edge, find: Find, kind: torch.dtype) -> Forward:
    count = len(edge.placed) - len(edge.shortcut or ())
    *before, final = _convolutions(edge.placed[:count], find, kind)
    beside = _convolutions(edge.placed[count:], find, kind)

    def residual(x: Tensor) -> Tensor:
        y = x
        for convolution in before:
            y = convolution(y)
        if not beside:
            return final.plus(y, x, relu=True)
        around = x
        for convolution in beside:
            around = convolution(around)
        return final.into(around, y, relu=True)

    return residual


def _sum(edges: Sequence[Edge], relu: bool, find: Find, kind: torch.dtype) -> Gather:
    """Return the sum of all edges to a scale (Fig. 1 (a), fusion); the last convolution of a path adds it in.

    One edge is the identity; coarser scales enter by 1x1 convolutions and upsampling, finer ones by convolutions.
    """
    target = edges[0].target
    ups: dict[int, _FusedConvolution] = {}
    downs: list[tuple[int, list[_FusedConvolution]]] = []
    for edge in edges:
        if edge.source > target:
            ups[edge.source] = _FusedConvolution([find(one) for one in edge.placed], kind, relu=False)
        elif edge.layers:
            downs.append((edge.source, _convolutions(edge.placed, find, kind)))

    def gather(features: Features) -> Tensor:
        above: Tensor | None = None
        for source in range(max(ups, default=target), target, -1):
            if source in ups:
                x, convolution = features[source], ups[source]
                above = convolution(x) if above is None else convolution.into(above, x)
            assert above is not None
            above = F.interpolate(above, scale_factor=2, mode="nearest")
        here = features[target]
        total = here if above is None else above.add_(here)
        for number, (source, convolutions) in enumerate(downs):
            y = features[source]
            for convolution in convolutions[:-1]:
                y = convolution(y)
            final, last = convolutions[-1], relu and number == len(downs) - 1
            if final.relu:  # a ReLU of its own before the sum
                y = final(y)
                total = total + y if total is here else total.add_(y)
                total = total.relu_() if last else total
            elif total is here:
                total = final.plus(y, total, relu=last)
            else:
                total = final.into(total, y, relu=last)
        if downs or not relu:
            return total
        return total.relu() if total is here else total.relu_()

    return gather
