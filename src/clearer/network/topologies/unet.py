"""A U-net (Ronneberger et al., MICCAI 2015) with sums: an encoder, the coarsest scale, and a decoder.

The modules of a cell change the coarsest feature alone, so that each pixel costs less than in parallel streams. The
finer features of the encoder wait for the decoder, which adds what it upsamples to them. With one scale it is a plain
sequence of modules.
"""

from __future__ import annotations

import dataclasses

from clearer.network.graph import Edge
from clearer.network.operations import Operations
from clearer.network.topologies.base import CellForm, Topology


class UNet(Topology):
    """Cells of the encoder from fine to coarse, then those of the decoder from coarse to fine: 2 S - 1 for S scales."""

    scales = (1, 5)
    operations = ("supplement",)
    gathers = False

    @staticmethod
    def cells(scales: int) -> int:
        return 2 * scales - 1

    @staticmethod
    def stem(operations: Operations) -> tuple[Edge, ...]:
        return (dataclasses.replace(operations.stem()[0], operation="last"),)

    @staticmethod
    def cell(operations: Operations, scales: int, number: int) -> CellForm:
        if number == 0:
            return CellForm((), 1, (0,))
        if number < scales:
            return CellForm(operations.transition(number), number + 1, (number,))
        target = 2 * (scales - 1) - number
        kept = tuple(Edge(s, s, "none") for s in range(target + 1))
        return CellForm((*kept, operations.upsample(target + 1, target, "up")), target + 1, (target,))
