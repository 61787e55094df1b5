"""Parallel streams (the supplement, Fig. 1 (a)): every cell adds a coarser scale, and all scales live to the end."""

from __future__ import annotations

from clearer.network.graph import Edge
from clearer.network.operations import Operations
from clearer.network.topologies.base import CellForm, Topology


class Streams(Topology):
    """A cell is a transition to one more scale, then modules on all scales; a fusion to scale 0 is the end."""

    scales = (2, 5)
    operations = ("supplement", "released")
    gathers = True

    @staticmethod
    def cells(scales: int) -> int:
        return scales - 1

    @staticmethod
    def stem(operations: Operations) -> tuple[Edge, ...]:
        return operations.stem()

    @staticmethod
    def cell(operations: Operations, scales: int, number: int) -> CellForm:
        alive = number + 2
        return CellForm(operations.transition(number + 1), alive, tuple(range(alive)))
