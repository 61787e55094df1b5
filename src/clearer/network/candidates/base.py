"""What a candidate is: a module that a search may choose, as the edges between its scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clearer.network.graph import Edge
from clearer.network.operations import Operations


@dataclass(frozen=True)
class Candidate:
    """A module from the features of all scales to the features of all scales.

    Args:
        letter: stands for it in a genotype.
        name: stands for it in tables and in the names of a supernet's weights.
        edges: its edges, from the network's operations and its number of scales. Edges to one scale are summed;
            at most one of them is the identity.
        relu: whether each sum ends in a ReLU.
        published_cost: its share in the paper's L_Comp, or None where the paper has none.
    """

    letter: str
    name: str
    edges: Callable[[Operations, int], tuple[Edge, ...]]
    relu: bool = False
    published_cost: float | None = None
