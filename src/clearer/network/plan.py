"""A network as the steps that its drawing shows, from the input to the output."""

from __future__ import annotations

from dataclasses import dataclass

from clearer.network.architecture import FUSION, Architecture

Edge = tuple[int, int, str]  # source scale, target scale, operation


@dataclass(frozen=True)
class Step:
    """One step of the network, between two columns of feature maps.

    ``letter`` is P, F, T (transition) or C (last convolution); ``number`` counts searched modules
    from 1 and is 0 for fixed steps; ``scales`` are the feature maps after the step; ``group`` names
    the bracket the step stands under.
    """

    letter: str
    number: int
    scales: int
    edges: tuple[Edge, ...]
    group: str


def network_steps(architecture: Architecture) -> list[Step]:
    """Return the steps from the input to the output, in order.

    A network of ``S`` scales with ``M`` modules has ``2 + (S - 1) + M + 2`` steps.
    """
    stem = Step("P", 0, 1, ((0, 0, "conv"),), "stem")
    steps = [stem, stem]
    number = 0
    for index, letters in enumerate(architecture.cells):
        scales, group = index + 2, f"cell {index + 1}"
        kept = tuple((s, s, "none") for s in range(scales - 1))
        steps.append(Step("T", 0, scales, (*kept, (scales - 2, scales - 1, "strided")), group))
        for letter in letters:
            number += 1
            edges = _fusion_edges(scales) if letter == FUSION else tuple((s, s, "conv") for s in range(scales))
            steps.append(Step(letter, number, scales, edges, group))
    gather = tuple(edge for edge in _fusion_edges(architecture.scales) if edge[1] == 0)
    return [*steps, Step("F", 0, 1, gather, "to full scale"), Step("C", 0, 1, ((0, 0, "last"),), "to full scale")]


def _fusion_edges(scales: int) -> tuple[Edge, ...]:
    """All scales to all scales, as in the supplement's Fig. 1(a)."""
    return tuple(
        (source, target, "none" if source == target else "strided" if source < target else "upsample")
        for source in range(scales)
        for target in range(scales)
    )
