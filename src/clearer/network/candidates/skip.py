"""S: every scale stays as it is, at no cost. With it, a search also chooses the depth (not in the paper)."""

from __future__ import annotations

from clearer.network.candidates.base import Candidate
from clearer.network.graph import Edge
from clearer.network.operations import Operations


def skip_edges(operations: Operations, scales: int) -> tuple[Edge, ...]:
    """Return the identity on every scale."""
    return tuple(Edge(scale, scale, "none") for scale in range(scales))


SKIP = Candidate("S", "skip", skip_edges, published_cost=0.0)
