"""How far a network sees: the pixels on which one pixel of its result may depend.

Followed through the network module by module, as modules.py and operations.py have them. A strided
convolution and an upsampling treat the positions of their grid differently, so every feature is
followed at each phase: position ``i`` of scale ``s`` begins at pixel ``i * 2**s``, its phase is
``i`` modulo ``2**(scales - 1 - s)``, and its reach is the first and the last pixel that it depends
on, counted from that beginning. Height and width are alike, so one axis is enough. Where the network
works on squares of pixels (``unshuffle``), these are the positions, and the last step counts pixels.
"""

from __future__ import annotations

from functools import lru_cache

from clearer.network.architecture import PARALLEL, Architecture

Reach = list[tuple[int, int]]
"""For each phase, the first and the last pixel, counted from where the position begins."""


@lru_cache
def receptive_field(architecture: Architecture) -> int:
    """Return the radius in pixels: no pixel of the result depends on a pixel farther away in its row or column.

    It is exact: some pixel of the result depends on one at this distance (unless weights are zero).
    The edge of the image is not counted, where padding lets a pixel stand for those beyond.

    >>> receptive_field(Architecture.parse("P", width=4))  # two scales
    12
    >>> receptive_field(Architecture.parse("FPPF-FFFF-PFFP"))
    76
    """
    released = architecture.operations == "released"
    features: list[Reach] = [[(0, 0)] * 2 ** (architecture.scales - 1)]
    for _ in range(2 if released else 5):  # two bottlenecks; the first convolution and two residual blocks
        features[0] = _convolved(features[0], 0)
    for cell, letters in enumerate(architecture.cells):
        new = _strided(features[-1], cell)
        if released and cell == 0:  # it brings the channels at full resolution down
            features[0] = _convolved(features[0], 0)
        features.append(new)
        for letter in letters:
            if letter == PARALLEL:
                features = [_convolved(_convolved(x, s), s) for s, x in enumerate(features)]
            else:
                features = [_fused(features, target) for target in range(len(features))]
    result = _fused(features, 0)
    if not released:  # its last convolution is 1x1
        result = _convolved(result, 0)
    squares = max(max(-first, last) for first, last in result)
    # Of a square folded into channels the nearest pixel looks as far as the farthest.
    return squares * architecture.unshuffle + architecture.unshuffle - 1


def _convolved(x: Reach, scale: int) -> Reach:
    """Return the reach after a 3x3 convolution: from one position before to one after."""
    return [_around(x, phase, 2**scale) for phase in range(len(x))]


def _strided(x: Reach, scale: int) -> Reach:
    """Return the reach after a 3x3 convolution of stride 2, at ``scale + 1``: every other position stays."""
    return [_around(x, 2 * phase, 2**scale) for phase in range(len(x) // 2)]


def _upsampled(x: Reach, scale: int) -> Reach:
    """Return the reach after nearest upsampling by 2, at ``scale - 1``: the second of a pair looks back."""
    back = 2 ** (scale - 1)
    found = []
    for phase in range(2 * len(x)):
        first, last = x[phase // 2]
        found.append((first - back * (phase % 2), last - back * (phase % 2)))
    return found


def _around(x: Reach, phase: int, step: int) -> tuple[int, int]:
    near = [(x[(phase + side) % len(x)], side * step) for side in (-1, 0, 1)]
    return min(first + move for (first, _), move in near), max(last + move for (_, last), move in near)


def _fused(features: list[Reach], target: int) -> Reach:
    """Return the reach of the sum of all scales at ``target``."""
    found = features[target]
    for source, x in enumerate(features):
        for scale in range(source, target):
            x = _strided(x, scale)
        for scale in range(source, target, -1):
            x = _upsampled(x, scale)
        found = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(found, x, strict=True)]
    return found
