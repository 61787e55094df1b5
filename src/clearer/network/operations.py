"""The operation sequences of Fig. 1 (b)-(d): what an edge between two features is.

Shapes: a feature of scale ``s`` is ``(B, width * 2**s, H / 2**s, W / 2**s)``.

The supplement leaves two things open. The kernel of the convolution in an upsample sequence is taken
as 1x1, as in the released program (3x3 everywhere else). Convolutions that a batch norm follows have
no bias, as in the released program: the norm would cancel it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from clearer.network.architecture import SearchSpace


class Sequence(nn.Sequential):
    """Layers in turn. A batch norm that is in eval mode, over weights that do not learn, costs nothing.

    It is then one scale and one shift a channel, which the weights of the convolution before it take:
    in an architecture step and in restoring nothing but convolutions runs over the features.
    """

    def forward(self, x: Tensor) -> Tensor:
        return _run(self, x)


def _run(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    waiting: nn.Conv2d | None = None  # a convolution that may take the norm after it
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


def conv_norm(space: SearchSpace, source: int, target: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps (or divides by ``stride``) the size, and its batch norm if there is one."""
    convolution = nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=space.norm == "none")
    return [convolution, nn.BatchNorm2d(target)] if space.norm == "batch" else [convolution]


class Convolution(nn.Module):
    """The residual convolution sequence: conv, BN, ReLU, conv, BN, + input, ReLU (Fig. 1 (c)).

    ``(B, C, H, W)`` -> the same.
    """

    def __init__(self, space: SearchSpace, scale: int) -> None:
        super().__init__()
        width = space.widths[scale]
        self.body = Sequence(
            *conv_norm(space, width, width),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + x
        return total.relu_()


def strided_convolution(space: SearchSpace, source: int, target: int, *, relu: bool = True) -> Sequence:
    """Return R1 = ``target - source`` pairs of 3x3 stride-2 conv and BN (Fig. 1 (b)).

    ``(B, width * 2**source, H, W)`` -> ``(B, width * 2**target, H / 2**R1, W / 2**R1)``.

    Supplement: channels double at each step, and one ReLU ends the sequence. Released: channels stay
    the source's until the last step, a ReLU stands between steps, and ``relu`` says whether one ends
    the sequence (in a transition it does, in a fusion module it does not).
    """
    layers: list[nn.Module] = []
    widths = space.widths
    for scale in range(source, target):
        last = scale + 1 == target
        if space.operations == "supplement":
            layers += conv_norm(space, widths[scale], widths[scale + 1], stride=2)
            ends_in_relu = last
        else:
            layers += conv_norm(space, widths[source], widths[target] if last else widths[source], stride=2)
            ends_in_relu = relu if last else True
        if ends_in_relu:
            layers.append(nn.ReLU(inplace=True))
    return Sequence(*layers)


def upsample(space: SearchSpace, source: int, target: int) -> UpsampleSequence:
    """Return the sequence from a coarse to a finer scale, R2 = ``source - target`` (Fig. 1 (d)).

    ``(B, width * 2**source, H, W)`` -> ``(B, width * 2**target, H * 2**R2, W * 2**R2)``.

    Supplement: R2 times conv, BN, nearest upsampling by 2. Released: one conv, BN, nearest upsampling
    by ``2**R2``.
    """
    widths = space.widths
    if space.operations == "released":
        steps = [(source, target)]
    else:
        steps = [(scale, scale - 1) for scale in range(source, target, -1)]
    layers: list[nn.Module] = []
    for coarse, fine in steps:
        layers += conv_norm(space, widths[coarse], widths[fine], kernel=1)
        layers.append(nn.Upsample(scale_factor=2 ** (coarse - fine), mode="nearest"))
    return UpsampleSequence(*layers)


class UpsampleSequence(Sequence):
    """conv, BN, upsample (Fig. 1 (d)), R2 times; all of the upsampling is done last.

    A 1x1 convolution and a norm treat every pixel alike, and nearest upsampling only repeats pixels: in
    whatever order, the result is the same, and on the coarse feature the convolutions are 4 to 64 times
    cheaper. (A batch norm's running variance, whose estimate is divided by n - 1, sees a smaller n.)
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


class Bottleneck(nn.Module):
    """The residual bottleneck with which the released program begins: 1x1, 3x3, 1x1 to 4 x width.

    ``(B, source, H, W)`` -> ``(B, 4 * width, H, W)``; a projection shortcut where the channels differ.
    """

    def __init__(self, space: SearchSpace, source: int) -> None:
        super().__init__()
        width, target = space.width, 4 * space.width
        self.body = Sequence(
            *conv_norm(space, source, width, kernel=1),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, width),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, target, kernel=1),
        )
        self.shortcut = Sequence(*conv_norm(space, source, target, kernel=1)) if source != target else None

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return total.relu_()
