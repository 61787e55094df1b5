"""The layer graph of a network: what each step computes, from the image to the image.

Everything that depends on the graph reads it here: the modules, the counts of parameters and multiply-adds, the
receptive field, the bound on memory, the drawing, and the fused inference on CPUs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from clearer.network.architecture import Architecture, SearchSpace
from clearer.network.candidates.fusion import edges_to
from clearer.network.candidates.registry import CANDIDATES
from clearer.network.graph import Edge, Step
from clearer.network.operations import STYLES, Operations
from clearer.network.topologies.base import CellForm
from clearer.network.topologies.registry import TOPOLOGIES


@dataclass(frozen=True)
class NetworkPlan:
    """The steps of a network in the order of computation.

    Args:
        space: see `SearchSpace`.
        positions: for each place, the steps that may stand there: one, or in a supernet's searched places all
            candidates, in the space's order.
    """

    space: SearchSpace
    positions: tuple[tuple[Step, ...], ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps; of a supernet, all candidates of a place one after the other."""
        return tuple(step for position in self.positions for step in position)

    @property
    def searched(self) -> tuple[tuple[Step, ...], ...]:
        """The places of searched modules."""
        return tuple(position for position in self.positions if position[0].number)

    @property
    def drawn(self) -> tuple[Step, ...]:
        """The steps that a drawing shows. Parallel streams of S scales with M modules have 2 + (S - 1) + M + 2."""
        return tuple(step for step in self.steps if step.drawn)


@lru_cache
def plan_network(architecture: Architecture) -> NetworkPlan:
    """Return the plan of the network that an architecture names."""
    return _plan(architecture.space, architecture.cells)


@lru_cache
def plan_supernet(space: SearchSpace) -> NetworkPlan:
    """Return the plan of the supernet of a space: every searched place holds all candidates."""
    return _plan(space, None)


def operations_of(space: SearchSpace) -> Operations:
    """Return the operations that the edges of a space's networks consist of."""
    folded = space.channels * space.unshuffle**2
    return STYLES[space.operations](space.widths, folded, space.norm, space.takes_level)


def candidate_step(space: SearchSpace, letter: str, scales: int, **place: Any) -> Step:
    """Return a candidate as a step between ``scales`` scales; ``place`` states the other fields of `Step`."""
    candidate = CANDIDATES.get(letter)
    where = {"name": candidate.name, "label": candidate.name, "group": ""} | place
    edges = candidate.edges(operations_of(space), scales)
    return Step(letter=letter, scales=scales, edges=edges, relu=candidate.relu, **where)


def _plan(space: SearchSpace, chosen: tuple[str, ...] | None) -> NetworkPlan:
    operations, topology = operations_of(space), TOPOLOGIES.get(space.topology)
    positions: list[tuple[Step, ...]] = [(step,) for step in _stem(topology.stem(operations))]
    number = 0
    for cell, depth in enumerate(space.depths):
        group, form = f"cell {cell + 1}", topology.cell(operations, space.scales, cell)
        if form.transition:
            name = f"cells.{cell}.transition"
            positions.append((Step("T", name, f"{group} transition", group, form.scales, form.transition),))
        for index in range(depth):
            number += 1
            place = f"cells.{cell}.searched.{index}"
            letters = space.candidates if chosen is None else chosen[cell][index]
            steps = []
            for letter in letters:
                kind = CANDIDATES.get(letter).name
                name = f"{place}.{kind}" if chosen is None else place
                label = f"{group} module {number} ({kind})"
                where = {"name": name, "label": label, "group": group, "number": number}
                steps.append(_in_cell(candidate_step(space, letter, form.scales, **where), form))
            positions.append(tuple(steps))
    if topology.gathers:
        gather = edges_to(operations, space.scales, 0)
        positions.append((Step("F", "fusion", "fusion to full scale", "to full scale", 1, gather, relu=True),))
    positions.append((Step("C", "last", "last convolution", "to full scale", 1, (operations.last(),)),))
    return NetworkPlan(space, tuple(positions))


def _in_cell(step: Step, form: CellForm) -> Step:
    """Return a candidate's step with the edges into the scales that the cell changes; others pass unchanged."""
    edges = [step.into(s) if s in form.changed else (Edge(s, s, "none"),) for s in range(step.scales)]
    return dataclasses.replace(step, edges=tuple(edge for into in edges for edge in into))


def _stem(edges: tuple[Edge, ...]) -> list[Step]:
    """Return the stem's steps; the convolution that lifts the image is drawn as part of a module after it."""
    alone = len(edges) == 1
    return [
        Step("C" if alone else "P", f"stem.{i}", "stem", "stem", 1, (edge,), drawn=alone or edge.shortcut is not None)
        for i, edge in enumerate(edges)
    ]
