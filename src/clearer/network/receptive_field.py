"""The receptive field of a network: how far away the pixels lie on which one pixel of its result may depend.

It is followed through the plan, layer by layer. A strided convolution and an upsampling treat the positions of their
grid differently, so every feature is followed at each phase: position ``i`` of scale ``s`` begins at pixel
``i * 2**s``, its phase is ``i`` modulo ``2**(scales - 1 - s)``, and its reach is the first and the last pixel that it
depends on, counted from that beginning. Height and width are alike, so one axis is enough. Behind a pixel unshuffle the
positions are blocks of pixels, and the last step counts pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from clearer.network.architecture import Architecture
from clearer.network.graph import Edge, Layer, Upsample
from clearer.network.plan import plan_network

Reach = list[tuple[int, int]]
"""For each phase, the first and the last pixel, counted from where the position begins."""


@lru_cache
def receptive_field(architecture: Architecture) -> int:
    """Return the radius in pixels: no pixel of the result depends on a pixel farther away in its row or column.

    It is exact: some pixel of the result depends on one at this distance (unless weights are zero). The border of the
    image is not considered, where padding substitutes a pixel for those beyond it.

    >>> receptive_field(Architecture.parse("P", width=4))  # two scales
    12
    >>> receptive_field(Architecture.parse("FPPF-FFFF-PFFP"))
    76
    """
    features: list[Reach] = [[(0, 0)] * 2 ** (architecture.scales - 1)]
    for step in plan_network(architecture).steps:
        features = [
            _union([_along(edge, features[edge.source]) for edge in step.into(target)]) for target in range(step.scales)
        ]
    squares = max(max(-first, last) for first, last in features[0])
    # After a pixel shuffle, the nearest pixel of a block looks as far as the farthest.
    return squares * architecture.unshuffle + architecture.unshuffle - 1


def _along(edge: Edge, x: Reach) -> Reach:
    body = _through(edge.layers, x, edge.source)
    return body if edge.shortcut is None else _union([body, _through(edge.shortcut, x, edge.source)])


def _through(layers: Sequence[Layer], x: Reach, scale: int) -> Reach:
    for layer in layers:
        if isinstance(layer, Upsample):
            for _ in range(layer.factor.bit_length() - 1):
                x = _upsampled(x, scale)
                scale -= 1
        else:
            x = _convolved(x, scale, layer.kernel, layer.stride)
            scale += layer.stride - 1
    return x


def _union(reaches: Sequence[Reach]) -> Reach:
    return [(min(first for first, _ in phase), max(last for _, last in phase)) for phase in zip(*reaches, strict=True)]


def _convolved(x: Reach, scale: int, kernel: int, stride: int) -> Reach:
    """Return the reach after a convolution; with stride 2 every other position stays."""
    return [_around(x, stride * phase, 2**scale, kernel // 2) for phase in range(len(x) // stride)]


def _around(x: Reach, phase: int, step: int, radius: int) -> tuple[int, int]:
    near = [(x[(phase + side) % len(x)], side * step) for side in range(-radius, radius + 1)]
    return min(first + move for (first, _), move in near), max(last + move for (_, last), move in near)


def _upsampled(x: Reach, scale: int) -> Reach:
    """Return the reach after nearest upsampling by 2, at ``scale - 1``: the second of a pair looks back."""
    back = 2 ** (scale - 1)
    found = []
    for phase in range(2 * len(x)):
        first, last = x[phase // 2]
        found.append((first - back * (phase % 2), last - back * (phase % 2)))
    return found
