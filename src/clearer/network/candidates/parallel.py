"""P: every scale goes through a residual convolution sequence of its own (Fig. 1 (a))."""

from __future__ import annotations

from clearer.network.candidates.base import Candidate
from clearer.network.graph import Edge
from clearer.network.operations import Operations


def parallel_edges(operations: Operations, scales: int) -> tuple[Edge, ...]:
    """Return one residual sequence a scale."""
    return tuple(operations.residual(scale, f"branches.{scale}") for scale in range(scales))


PARALLEL = Candidate("P", "parallel", parallel_edges, published_cost=0.7)
