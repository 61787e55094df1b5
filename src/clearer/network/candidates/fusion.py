"""F: every scale becomes the ReLU of the sum of all scales (Fig. 1 (a)).

A scale's own feature enters unchanged, finer ones by strided convolution, coarser ones by upsampling.
"""

from __future__ import annotations

from clearer.network.candidates.base import Candidate
from clearer.network.graph import Edge
from clearer.network.operations import Operations


def fusion_edges(operations: Operations, scales: int) -> tuple[Edge, ...]:
    """Return the edges from all scales to all scales, target by target."""
    return tuple(edge for target in range(scales) for edge in edges_to(operations, scales, target))


def edges_to(operations: Operations, scales: int, target: int) -> tuple[Edge, ...]:
    """Return the edges from all scales to one of them."""
    edges = []
    for source in range(scales):
        name = f"edges.{target}.{source}"
        if source == target:
            edges.append(Edge(source, target, "none"))
        elif source < target:
            edges.append(operations.strided(source, target, name, relu=False))
        else:
            edges.append(operations.upsample(source, target, name))
    return tuple(edges)


FUSION = Candidate("F", "fusion", fusion_edges, relu=True, published_cost=0.3)
