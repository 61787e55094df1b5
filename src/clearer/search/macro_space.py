"""The space over what moves quality at a given cost: unshuffle, topology, scales, width, growth, depth and patterns.

A `Form` states everything but the width, and is fitted to a budget: the widest network of it that the budget allows,
then as many further modules as fit. So all networks that a search compares cost the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.genotype import SKIP
from clearer.network.topologies.registry import STREAMS, TOPOLOGIES

T = TypeVar("T")
Cost = Callable[[Architecture], float]
"""What a network costs, in the unit of the budget."""

WIDTHS = tuple(range(8, 97, 8))
UNSHUFFLES = (1, 2, 4)
SCALES = (1, 2, 3, 4)
GROWTHS = (1.0, 1.5, 2.0)
DEPTHS = (1, 2, 3, 4, 5, 6)
DRAWN_DEPTHS = DEPTHS[:3]
"""Those of forms: a profile and what is left of a budget make cells deeper."""
PROFILES = ("flat", "coarse", "fine")
PATTERNS = {"streams": ("P", "PF", "PPF", "F", "SP"), "unet": ("P", "SP")}
"""Modules of a cell by topology, repeated to its depth. S (skip) leaves its place empty: with SP the depth counts half,
and a cell of depth 1 has no module, such as those at fine scales with the profile ``coarse``."""
LEAST_SHARE = 0.9
"""A network that costs less of its budget is not compared: it would lose by its size."""


@dataclass(frozen=True)
class Form:
    """A network without its width.

    Args:
        topology, scales, unshuffle: see `SearchSpace`.
        growth: the width of a scale over that of the next finer one.
        depth: modules of a cell.
        profile: ``flat``, or one module more in each cell for each scale that is ``coarse``-r or ``fine``-r.
        pattern: letters of a cell, repeated to its depth.
        more: further modules, one a cell in turn, the coarsest first.
    """

    topology: str
    scales: int
    unshuffle: int
    growth: float
    depth: int
    profile: str
    pattern: str
    more: int = 0

    @property
    def depths(self) -> tuple[int, ...]:
        """Modules of each cell."""
        cells = TOPOLOGIES.get(self.topology).cells(self.scales)
        coarse = [self._coarseness(cell) for cell in range(cells)]
        turns = sorted(range(cells), key=lambda cell: (-coarse[cell], cell))
        extra = [self.more // cells + (turns.index(cell) < self.more % cells) for cell in range(cells)]
        rank = {"flat": [0] * cells, "coarse": coarse, "fine": [max(coarse) - c for c in coarse]}[self.profile]
        return tuple(self.depth + r + e for r, e in zip(rank, extra, strict=True))

    def _coarseness(self, cell: int) -> int:
        if self.topology == STREAMS:
            return cell
        return min(cell, 2 * (self.scales - 1) - cell)

    def widths(self, width: int) -> tuple[int, ...]:
        """Return the channels of each scale, multiples of 8."""
        return tuple(max(8, round(width * self.growth**scale / 8) * 8) for scale in range(self.scales))

    @property
    def cells(self) -> tuple[str, ...]:
        """The letters of each cell; S stands alone in a cell without other modules, and is left out elsewhere."""
        return tuple((self.pattern * depth)[:depth].replace(SKIP, "") or SKIP for depth in self.depths)

    def architecture(self, width: int, **fields: Any) -> Architecture:
        """Return the network of a width; ``fields`` are the others of `SearchSpace`."""
        return Architecture(
            cells=self.cells, width=self.widths(width), unshuffle=self.unshuffle, topology=self.topology, **fields
        )

    def fitted(self, cost: Cost, budget: float, **fields: Any) -> Architecture | None:
        """Return its largest network within a budget, or None where none costs at least 90 % of it.

        The widest that fits, then as many modules as fit; no cell gets more than 6.
        """
        found = self.nearest(cost, budget, **fields)
        return found if _is_member(found, cost, budget) else None

    def nearest(self, cost: Cost, budget: float, **fields: Any) -> Architecture:
        """Return its largest network within a budget; the smallest where all cost more."""
        if cost(self.architecture(WIDTHS[0], **fields)) > budget:
            return self.architecture(WIDTHS[0], **fields)
        # By bisection: a cost that is measured takes seconds for each new width.
        fitting = bisect_right(WIDTHS, budget, key=lambda width: cost(self.architecture(width, **fields)))
        form, width = self, WIDTHS[fitting - 1]
        while True:
            larger = replace(form, more=form.more + 1)
            if max(larger.depths) > DEPTHS[-1] or cost(larger.architecture(width, **fields)) > budget:
                break
            form = larger
        return form.architecture(width, **fields)


def _is_member(network: Architecture, cost: Cost, budget: float) -> bool:
    """Return whether a search compares a network: it costs 90 to 100 % of the budget, and has modules."""
    return LEAST_SHARE * budget <= cost(network) <= budget and set(network.choices) != {SKIP}


def largest_networks(**fields: Any) -> list[Architecture]:
    """Return the networks of the space that cost most, one of each letter; ``fields`` as in `Form.architecture`."""
    return [
        Form(STREAMS, SCALES[-1], 1, GROWTHS[-1], DEPTHS[-1], "flat", letter).architecture(WIDTHS[-1], **fields)
        for letter in "PF"
    ]


def form_at(point: Sequence[float]) -> Form:
    """Return the form of a point of the unit cube of 7 dimensions; each choice has an equal share of its axis."""
    unshuffle, topology, scales, growth, depth, profile, pattern = point
    chosen = _pick(("streams", "unet"), topology)
    least = TOPOLOGIES.get(chosen).scales[0]
    return Form(
        topology=chosen,
        scales=_pick([number for number in SCALES if number >= least], scales),
        unshuffle=_pick(UNSHUFFLES, unshuffle),
        growth=_pick(GROWTHS, growth),
        depth=_pick(DRAWN_DEPTHS, depth),
        profile=_pick(PROFILES, profile),
        pattern=_pick(PATTERNS[chosen], pattern),
    )


def _pick(values: Sequence[T], share: float) -> T:
    return values[min(int(share * len(values)), len(values) - 1)]


def is_form(form: Form) -> bool:
    """Return whether the space has a form: not all patterns and numbers of scales are of each topology."""
    return form.pattern in PATTERNS[form.topology] and form.scales >= TOPOLOGIES.get(form.topology).scales[0]


def sampled(cost: Cost, budget: float, seed: int, **fields: Any) -> Iterator[Architecture]:
    """Yield the networks of `sampled_forms`."""
    return (network for _, network in sampled_forms(cost, budget, seed, **fields))


def sampled_forms(cost: Cost, budget: float, seed: int, **fields: Any) -> Iterator[tuple[Form, Architecture]]:
    """Yield forms with different networks of 90 to 100 % of a budget, quasi-randomly spread over the space (Sobol).

    ``fields`` are those of `SearchSpace` that a form does not state: channels, norm, residual, condition.

    Raises:
        UserError: 256 points in a row gave no new network; the message has the nearest cost that can be met.
    """
    from torch.quasirandom import SobolEngine

    points = SobolEngine(dimension=7, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
    seen: set[Architecture] = set()
    misses, nearest = 0, float("inf")
    while misses < 256:
        form = form_at(points.draw(1)[0].tolist())
        found = form.nearest(cost, budget, **fields)
        if found in seen or not _is_member(found, cost, budget):
            misses += 1
            nearest = min(nearest, cost(found), key=lambda value: abs(value - budget))
            continue
        misses = 0
        seen.add(found)
        yield form, found
    if not seen:
        raise UserError(
            f"budget: no network of the space costs 90 to 100 % of {budget:.4g}; the nearest: {nearest:.4g}"
        )
