"""The operation sequences of Fig. 1 (b)-(d), in the two published styles, as layers of a graph.

``supplement`` is the paper's supplement; ``released`` is the authors' program. The supplement leaves two things
open. The convolution of an upsample sequence is taken as 1x1, as in the released program (3x3 everywhere else).
Convolutions that a batch norm follows have no bias, as in the released program: the norm would cancel it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from clearer.network.graph import Conv, Edge, Layer, Upsample


@dataclass(frozen=True)
class Operations(ABC):
    """The layers of each kind of edge.

    Args:
        widths: channels of each scale, finest first.
        folded: channels of the image after pixel unshuffle.
        norm: ``"batch"``, ``"none"`` or ``"bias-free"``.
        level: whether the network sees the noise level beside the image.
    """

    widths: tuple[int, ...]
    folded: int
    norm: str
    level: bool = False

    @property
    def seen(self) -> int:
        """Channels that the first convolution sees: the image's, and one of the noise level if the network takes it."""
        return self.folded + self.level

    def conv(self, source: int, target: int, kernel: int = 3, stride: int = 1, *, relu: bool = False) -> Conv:
        """Return a convolution with this network's norm or bias."""
        return Conv(source, target, kernel, stride, bias=self.norm == "none", norm=self.norm == "batch", relu=relu)

    def residual(self, scale: int, name: str) -> Edge:
        """Return the residual convolution sequence: conv, BN, ReLU, conv, BN, + input, ReLU (Fig. 1 (c))."""
        width = self.widths[scale]
        layers = (self.conv(width, width, relu=True), self.conv(width, width))
        return Edge(scale, scale, "conv", name, layers, shortcut=())

    @abstractmethod
    def stem(self) -> tuple[Edge, ...]:
        """Return the edges before the first transition, one a step, all at scale 0."""

    @abstractmethod
    def strided(self, source: int, target: int, name: str, *, relu: bool = True) -> Edge:
        """Return R1 = ``target - source`` stride-2 convolutions (Fig. 1 (b)).

        ``relu``: whether a ReLU ends the sequence, where the style leaves that open.
        """

    @abstractmethod
    def upsample(self, source: int, target: int, name: str) -> Edge:
        """Return the sequence from a coarse to a finer scale, R2 = ``source - target`` (Fig. 1 (d))."""

    @abstractmethod
    def last(self) -> Edge:
        """Return the convolution that makes the image."""

    def transition(self, scales: int) -> tuple[Edge, ...]:
        """Return the edges that keep ``scales`` scales and add a coarser one by strided convolution."""
        kept = tuple(Edge(s, s, "none") for s in range(scales))
        return (*kept, self.strided(scales - 1, scales, "down"))


class Supplement(Operations):
    """The supplement: two parallel modules at full scale, then widths that double at each strided convolution.

    A 3x3 convolution (with BN and ReLU) before the two modules lifts the image to ``width`` channels. The paper does
    not describe it, but every width needs it.
    """

    def stem(self) -> tuple[Edge, ...]:
        lift = Edge(0, 0, "conv", "", (self.conv(self.seen, self.widths[0], relu=True),))
        return lift, self.residual(0, ""), self.residual(0, "")

    def strided(self, source: int, target: int, name: str, *, relu: bool = True) -> Edge:
        layers = tuple(
            self.conv(self.widths[scale], self.widths[scale + 1], stride=2, relu=scale + 1 == target)
            for scale in range(source, target)
        )
        return Edge(source, target, "strided", name, layers)

    def upsample(self, source: int, target: int, name: str) -> Edge:
        layers: list[Layer] = []
        for scale in range(source, target, -1):
            layers += [self.conv(self.widths[scale], self.widths[scale - 1], kernel=1), Upsample(2)]
        return Edge(source, target, "upsample", name, tuple(layers))

    def last(self) -> Edge:
        conv = Conv(self.widths[0], self.folded, bias=self.norm != "bias-free")
        return Edge(0, 0, "last", layers=(conv,), bare=True)


class Released(Operations):
    """The authors' program: two bottlenecks to ``4 * width`` channels, and a first transition that narrows them."""

    def stem(self) -> tuple[Edge, ...]:
        return self._bottleneck(self.seen), self._bottleneck(4 * self.widths[0])

    def _bottleneck(self, source: int) -> Edge:
        """Return 1x1, 3x3, 1x1 to ``4 * width``; the shortcut is a projection where the channels differ."""
        width, target = self.widths[0], 4 * self.widths[0]
        layers = (
            self.conv(source, width, kernel=1, relu=True),
            self.conv(width, width, relu=True),
            self.conv(width, target, kernel=1),
        )
        projection = () if source == target else (self.conv(source, target, kernel=1),)
        return Edge(0, 0, "conv", "", layers, shortcut=projection)

    def strided(self, source: int, target: int, name: str, *, relu: bool = True) -> Edge:
        """Channels stay the source's up to the last step; a ReLU stands between steps."""
        layers = []
        for scale in range(source, target):
            ends = scale + 1 == target
            width = self.widths[target] if ends else self.widths[source]
            layers.append(self.conv(self.widths[source], width, stride=2, relu=relu if ends else True))
        return Edge(source, target, "strided", name, tuple(layers))

    def upsample(self, source: int, target: int, name: str) -> Edge:
        conv = self.conv(self.widths[source], self.widths[target], kernel=1)
        return Edge(source, target, "upsample", name, (conv, Upsample(2 ** (source - target))))

    def transition(self, scales: int) -> tuple[Edge, ...]:
        """The first one also brings the bottlenecks' channels down to ``width``, and makes scale 1 from all of them."""
        if scales > 1:
            return super().transition(scales)
        wide = 4 * self.widths[0]
        narrow = Edge(0, 0, "last", "narrow", (self.conv(wide, self.widths[0], relu=True),))
        down = Edge(0, 1, "strided", "down", (self.conv(wide, self.widths[1], stride=2, relu=True),))
        return narrow, down

    def last(self) -> Edge:
        conv = Conv(self.widths[0], self.folded, kernel=1, bias=self.norm == "none")
        return Edge(0, 0, "last", layers=(conv,), bare=True)


STYLES: dict[str, type[Operations]] = {"supplement": Supplement, "released": Released}
"""By the names of `SearchSpace.operations`."""
