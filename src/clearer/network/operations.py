"""The operation sequences of Fig. 1 (b)-(d): what an edge between two features is.

Shapes: a feature of scale ``s`` is ``(B, width * 2**s, H / 2**s, W / 2**s)``.

The supplement leaves two things open. The kernel of the convolution in an upsample sequence is taken
as 1x1, as in the released program (3x3 everywhere else). Convolutions that a batch norm follows have
no bias, as in the released program: the norm would cancel it.
"""

from __future__ import annotations

from torch import Tensor, nn

from clearer.architecture import SearchSpace


def conv_norm(space: SearchSpace, source: int, target: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps (or divides by ``stride``) the size, and its batch norm if there is one."""
    bare = space.norm == "none"
    convolution = nn.Conv2d(source, target, kernel, stride, kernel // 2, bias=bare)
    return [convolution] if bare else [convolution, nn.BatchNorm2d(target)]


class Convolution(nn.Module):
    """The residual convolution sequence: conv, BN, ReLU, conv, BN, + input, ReLU (Fig. 1 (c)).

    ``(B, C, H, W)`` -> the same.
    """

    def __init__(self, space: SearchSpace, scale: int) -> None:
        super().__init__()
        width = space.widths[scale]
        self.body = nn.Sequential(
            *conv_norm(space, width, width),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + x
        return total.relu_()


def strided_convolution(space: SearchSpace, source: int, target: int, *, relu: bool = True) -> nn.Sequential:
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
    return nn.Sequential(*layers)


def upsample(space: SearchSpace, source: int, target: int) -> nn.Sequential:
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
    return nn.Sequential(*layers)


class Bottleneck(nn.Module):
    """The residual bottleneck with which the released program begins: 1x1, 3x3, 1x1 to 4 x width.

    ``(B, source, H, W)`` -> ``(B, 4 * width, H, W)``; a projection shortcut where the channels differ.
    """

    def __init__(self, space: SearchSpace, source: int) -> None:
        super().__init__()
        width, target = space.width, 4 * space.width
        self.body = nn.Sequential(
            *conv_norm(space, source, width, kernel=1),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, width),
            nn.ReLU(inplace=True),
            *conv_norm(space, width, target, kernel=1),
        )
        self.shortcut = nn.Sequential(*conv_norm(space, source, target, kernel=1)) if source != target else None

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return total.relu_()
