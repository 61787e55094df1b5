"""The type of a candidate: a module that a search may choose, described by the edges between its scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clearer.network.graph import Edge
from clearer.network.operations import Operations


@dataclass(frozen=True)
class Candidate:
    """A module that maps the features of all scales to the features of all scales.

    Args:
        letter: its letter in a genotype.
        name: its name in tables and in the names of a supernet's weights.
        edges: returns its edges, given the network's operations and number of scales. Edges to one scale are summed;
            at most one of them is the identity.
        relu: whether each sum of several edges ends in a ReLU.
        published_cost: its share in the paper's L_Comp, or None where the paper has none.
    """

    letter: str
    name: str
    edges: Callable[[Operations, int], tuple[Edge, ...]]
    relu: bool = False
    published_cost: float | None = None
