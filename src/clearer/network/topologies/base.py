"""The type of a topology: what each cell of a network begins with, and which features its modules change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from clearer.network.graph import Edge
from clearer.network.operations import Operations


@dataclass(frozen=True)
class CellForm:
    """A cell of a network.

    Args:
        transition: the edges of its first step, which adds or removes a scale; none where it begins with a module.
        scales: number of features in the cell.
        changed: the scales whose features its modules change; the other features pass unchanged.
    """

    transition: tuple[Edge, ...]
    scales: int
    changed: tuple[int, ...]


class Topology(ABC):
    """How the scales of a network are connected.

    ``scales``: the smallest and the largest number of scales. ``operations``: the styles that it can consist of.
    ``gathers``: whether a fusion to scale 0 stands behind the last cell.
    """

    scales: ClassVar[tuple[int, int]]
    operations: ClassVar[tuple[str, ...]]
    gathers: ClassVar[bool]

    @staticmethod
    @abstractmethod
    def cells(scales: int) -> int:
        """Return the number of cells."""

    @staticmethod
    @abstractmethod
    def stem(operations: Operations) -> tuple[Edge, ...]:
        """Return the edges before the first cell, one a step, all at scale 0."""

    @staticmethod
    @abstractmethod
    def cell(operations: Operations, scales: int, number: int) -> CellForm:
        """Return a cell of a network with ``scales`` scales; ``number`` counts from 0."""

    @classmethod
    def scales_of(cls, cells: int) -> int | None:
        """Return the number of scales of a network with this many cells; None where there is no such network."""
        least, most = cls.scales
        return next((scales for scales in range(least, most + 1) if cls.cells(scales) == cells), None)
