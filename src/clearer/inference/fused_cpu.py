"""A trained network as fast as a CPU runs it: the same result, computed by fewer and larger steps.

- Every batch norm is folded into the convolution before it (`clearer.network.operations.folded`).
- ReLUs and sums are done by the convolution before them, while its result is still in the cache
  (oneDNN's post-operations, which torch reaches through ``torch.ops.mkldnn``).
- The 1x1 convolutions of an upsample sequence are one matrix, multiplied out beforehand.
- Weights are laid out once as the convolutions want them, features are channels_last.

In bfloat16 the last convolution still runs in float32: the image has its own precision, and only
the features are rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.backbone import Cell
from clearer.network.candidates.base import Features, FusionModule, ParallelModule, TransitionModule
from clearer.network.network import RestorationNetwork
from clearer.network.operations import Bottleneck, Convolution, Sequence, UpsampleSequence, folded

Forward = Callable[[Tensor], Tensor]


def can_fuse() -> bool:
    """Whether this build of torch has oneDNN's fused convolutions."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return all(hasattr(torch.ops.mkldnn, n) for n in ("_convolution_pointwise", "_convolution_pointwise_"))


def fuse(network: RestorationNetwork, precision: str = "fp32") -> Forward:
    """Return a function equal to ``network`` in eval mode: (B, C, H, W) float32 -> the same, any H and W.

    Args:
        network: on the CPU; its weights are copied, later changes to it are not seen.
        precision: ``fp32`` or ``bf16``.
    """
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    with torch.no_grad():
        stem = [_fused(part, kind) for part in network.stem]
        cells: list[tuple[Callable[[Features], Features], list[Callable[[Features], Features]]]] = []
        for cell in network.cells:
            assert isinstance(cell, Cell)
            cells.append((_transition(cell.transition, kind), [_module(m, kind) for m in cell.searched]))
        gather = _fusion(network.fusion, kind)
        last = _FusedConvolution([(network.last, None)], torch.float32)

    def features_to_image(padded: Tensor) -> Tensor:
        x = padded.to(kind, memory_format=torch.channels_last)
        for part in stem:
            x = part(x)
        features = [x]
        for transition, modules in cells:
            features = transition(features)
            for module in modules:
                features = module(features)
        return last(gather(features)[0].float())

    def forward(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return network.on_multiples(x, features_to_image)

    return forward


class _FusedConvolution:
    """conv, BN and what comes after; or several 1x1 convolutions with nothing but norms between, as one."""

    def __init__(self, parts: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]], kind: torch.dtype) -> None:
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

    def _rest(self) -> tuple[Any, ...]:
        return self.weight, self.bias, self.padding, self.stride, [1, 1], 1

    def __call__(self, x: Tensor, *, relu: bool = False) -> Tensor:
        after = "relu" if relu else "none"
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


def _steps(layers: Sequence, kind: torch.dtype) -> list[tuple[_FusedConvolution, bool]]:
    """Return the convolutions of a sequence, each with whether a ReLU follows."""
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d | None, bool]] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            found.append((layer, None, False))
        elif isinstance(layer, nn.BatchNorm2d):
            found[-1] = (found[-1][0], layer, False)
        elif isinstance(layer, nn.ReLU):
            found[-1] = (*found[-1][:2], True)
    return [(_FusedConvolution([(convolution, norm)], kind), relu) for convolution, norm, relu in found]


def _fused(part: nn.Module, kind: torch.dtype) -> Forward:
    """Return a part of one feature: a sequence, a residual sequence or a bottleneck."""
    if isinstance(part, Convolution | Bottleneck):
        *before, (final, _) = _steps(part.body, kind)
        shortcut = getattr(part, "shortcut", None)
        beside = None if shortcut is None else _steps(shortcut, kind)[0][0]

        def residual(x: Tensor) -> Tensor:
            y = x
            for convolution, relu in before:
                y = convolution(y, relu=relu)
            return final.plus(y, x, relu=True) if beside is None else final.into(beside(x), y, relu=True)

        return residual
    assert isinstance(part, Sequence)
    steps = _steps(part, kind)

    def sequence(x: Tensor) -> Tensor:
        for convolution, relu in steps:
            x = convolution(x, relu=relu)
        return x

    return sequence


def _transition(module: TransitionModule, kind: torch.dtype) -> Callable[[Features], Features]:
    down = _fused(module.down, kind)
    narrow = None if module.narrow is None else _fused(module.narrow, kind)
    return lambda features: [*(features if narrow is None else [narrow(features[0])]), down(features[-1])]


def _module(module: nn.Module, kind: torch.dtype) -> Callable[[Features], Features]:
    if isinstance(module, FusionModule):
        return _fusion(module, kind)
    assert isinstance(module, ParallelModule)
    branches = [_fused(branch, kind) for branch in module.branches]
    return lambda features: [branch(x) for branch, x in zip(branches, features, strict=True)]


def _fusion(module: FusionModule, kind: torch.dtype) -> Callable[[Features], Features]:
    targets = [_gathering(dict(edges.items()), target, kind) for target, edges in enumerate(module.edges)]  # type: ignore[operator]
    return lambda features: [gather(features) for gather in targets]


def _gathering(edges: dict[str, nn.Module], target: int, kind: torch.dtype) -> Callable[[Features], Tensor]:
    """Return the ReLU of the sum of all that reaches ``target``; the last convolution of a path adds it in."""
    downs: list[tuple[int, list[tuple[_FusedConvolution, bool]]]] = []
    ups: list[tuple[int, _FusedConvolution]] = []
    for name, edge in edges.items():
        if isinstance(edge, UpsampleSequence):
            convolutions = [layer for layer in edge if isinstance(layer, nn.Conv2d)]
            norms: list[Any] = [layer for layer in edge if isinstance(layer, nn.BatchNorm2d)]
            parts = list(zip(convolutions, norms or [None] * len(convolutions), strict=True))
            ups.append((int(name), _FusedConvolution(parts, kind)))
        else:
            assert isinstance(edge, Sequence)
            downs.append((int(name), _steps(edge, kind)))
    ups.sort(key=lambda up: -up[0])

    def gather(features: Features) -> Tensor:
        above: Tensor | None = None
        for source, convolution in ups:
            part = convolution(features[source]) if above is None else convolution.into(above, features[source])
            above = F.interpolate(part, scale_factor=2, mode="nearest")
        here = features[target]
        total = here if above is None else above.add_(here)
        for number, (source, steps) in enumerate(downs):
            y = features[source]
            for convolution, relu in steps[:-1]:
                y = convolution(y, relu=relu)
            final, ends_in_relu = steps[-1]
            last = number == len(downs) - 1
            if ends_in_relu:  # a ReLU of its own before the sum
                y = final(y, relu=True)
                total = total + y if total is here else total.add_(y)
                total = total.relu_() if last else total
            elif total is here:
                total = final.plus(y, total, relu=last)
            else:
                total = final.into(total, y, relu=last)
        return total if downs else total.relu_()

    return gather
