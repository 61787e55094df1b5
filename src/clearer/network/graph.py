"""The typed pieces of a network's layer graph: layers, edges between scales, and steps.

Plain values, no torch: `clearer.network.plan` puts them together, and everything that needs to know what a
network computes (modules, cost, receptive field, memory, drawing, fused inference) reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Operation = Literal["none", "conv", "strided", "upsample", "last"]
"""The kinds of edges, as a drawing's legend names them (supplement, Fig. 1 (b)-(d))."""


@dataclass(frozen=True)
class Conv:
    """A convolution that keeps the size, or divides it by ``stride``; batch norm and ReLU follow if asked for.

    Args:
        source, target: channels.
        kernel: side in pixels.
        stride: 1 or 2.
        bias: whether it has one.
        norm: whether a batch norm follows.
        relu: whether a ReLU follows.
    """

    source: int
    target: int
    kernel: int = 3
    stride: int = 1
    bias: bool = False
    norm: bool = False
    relu: bool = False

    @property
    def weights(self) -> int:
        """Number of weights of the convolution itself: one multiply-add each per output position."""
        return self.source * self.target * self.kernel**2

    @property
    def parameters(self) -> int:
        """Number of parameters, with bias and batch norm."""
        return self.weights + self.target * (self.bias + 2 * self.norm)


@dataclass(frozen=True)
class Upsample:
    """Nearest upsampling by ``factor``, a power of two."""

    factor: int


Layer = Conv | Upsample


class Placed(NamedTuple):
    """A convolution and its place in the network.

    Args:
        conv: the convolution.
        scale: scale of its output.
        name: name of its layer, relative to the step's name.
        norm: name of its batch norm, or None.
    """

    conv: Conv
    scale: int
    name: str
    norm: str | None


@dataclass(frozen=True)
class Edge:
    """A path from the feature of one scale to that of another.

    Args:
        source, target: scales; 0 is the finest.
        operation: how a drawing shows it.
        name: name of its weights, relative to the step's name.
        layers: its layers in order; an empty tuple is the identity.
        shortcut: the layers around ``layers`` in a residual block, whose sum ends in a ReLU; an empty tuple is the
            identity. None: the edge is no residual block.
        bare: whether its one convolution has the edge's own name, without a number.
    """

    source: int
    target: int
    operation: Operation
    name: str = ""
    layers: tuple[Layer, ...] = ()
    shortcut: tuple[Layer, ...] | None = None
    bare: bool = False

    @property
    def placed(self) -> tuple[Placed, ...]:
        """All convolutions, those of a shortcut last.

        Where every convolution of an upsampling edge is 1x1, upsampling is done last (`Edge.defers`): its
        convolutions stay at the source's scale.
        """
        body = self._placed(self.layers, "" if self.shortcut is None else "body")
        return (*body, *self._placed(self.shortcut or (), "shortcut"))

    @property
    def defers(self) -> bool:
        """Whether all upsampling can be done last: 1x1 convolutions and nearest upsampling commute."""
        return all(layer.kernel == 1 and layer.stride == 1 for layer in self.layers if isinstance(layer, Conv))

    def _placed(self, layers: tuple[Layer, ...], prefix: str) -> Iterator[Placed]:
        scale, number = self.source, 0
        for layer in layers:
            if isinstance(layer, Upsample):
                scale -= 0 if self.defers else layer.factor.bit_length() - 1
                number += 1
                continue
            scale += layer.stride - 1
            names = [".".join(filter(None, (self.name, prefix, str(number + i)))) for i in (0, 1)]
            yield Placed(layer, scale, self.name if self.bare else names[0], names[1] if layer.norm else None)
            number += 1 + layer.norm + layer.relu


@dataclass(frozen=True)
class Step:
    """A step of the network: maps the features of all scales to the features of all scales.

    Args:
        letter: P, F, ... for a candidate, T for a transition, C for the last convolution and a single first one.
        name: path of its weights in the network, such as ``cells.0.searched.1``.
        label: name, in a table of costs, of the part of the network that it belongs to.
        group: title of the bracket over it in a drawing.
        scales: number of features after it.
        edges: all paths; several to one scale are summed.
        relu: whether each sum of several edges ends in a ReLU.
        number: number of the searched module, from 1; 0 for a fixed step.
        drawn: whether a drawing shows it as a step of its own.
    """

    letter: str
    name: str
    label: str
    group: str
    scales: int
    edges: tuple[Edge, ...]
    relu: bool = False
    number: int = 0
    drawn: bool = True

    @property
    def placed(self) -> tuple[Placed, ...]:
        """All convolutions of the step."""
        return tuple(placed for edge in self.edges for placed in edge.placed)

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(placed.conv.parameters for placed in self.placed)

    def into(self, target: int) -> tuple[Edge, ...]:
        """Return the edges to a scale, in order."""
        return tuple(edge for edge in self.edges if edge.target == target)
