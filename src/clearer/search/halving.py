"""Successive halving: train many networks briefly, keep the best third, train these longer, and so on.

Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization" (AISTATS 2016). A
training goes on where it stopped, at a constant learning rate, so no step is lost; averaged weights are compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clearer.core.errors import UserError

KEPT = 3
"""One of this many networks goes on from a rung to the next, and is then trained this many times as long."""
SEEDS = 3
"""Trainings of the default network in the first rung: what they differ by, only the seed can have made."""


@dataclass(frozen=True)
class Rung:
    """A round of trainings: ``networks`` networks, each trained to ``steps`` steps."""

    networks: int
    steps: int


@dataclass(frozen=True)
class Schedule:
    """The rungs of a search.

    Args:
        networks: in the first rung.
        steps: of each in the first rung.
        rungs: number of rounds.
    """

    networks: int
    steps: int
    rungs: int = 3

    def __iter__(self) -> Iterator[Rung]:
        for number in range(self.rungs):
            yield Rung(max(1, self.networks // KEPT**number), self.steps * KEPT**number)

    @property
    def total_steps(self) -> int:
        """Steps of all trainings together; those of a network that goes on count once."""
        done, total = 0, 0
        for rung in self:
            total += rung.networks * (rung.steps - done)
            done = rung.steps
        return total + (SEEDS - 1) * self.steps

    @classmethod
    def within(cls, steps: int, networks: int, rungs: int = 3, least: int = 100) -> Schedule:
        """Return the schedule of about ``steps`` steps in all.

        Args:
            steps: of all trainings together.
            networks: in the first rung; fewer where each would get less than ``least`` steps.
            rungs: number of rounds.
            least: steps of the first rung, at least, in hundreds.

        Raises:
            UserError: not even 3 networks get ``least`` steps.
        """
        for count in range(networks, KEPT - 1, -1):
            each = steps // cls(count, 1, rungs).total_steps // 100 * 100
            if each >= least:
                return cls(count, each, rungs)
        raise UserError(
            f"search minutes: they allow {steps} steps in all, and {KEPT} networks need "
            f"{least * cls(KEPT, 1, rungs).total_steps}; allow more minutes"
        )


def best(psnr: Mapping[str, float], count: int) -> list[str]:
    """Return the names of the ``count`` highest figures, the best first; equal ones by name."""
    return sorted(psnr, key=lambda name: (-psnr[name], name))[:count]


@dataclass(frozen=True)
class Gate:
    """Whether networks of equal cost differ by more than chance makes one network differ.

    Args:
        spread: standard deviation over the networks, in dB.
        chance: standard deviation over seeds of one network, in dB.
    """

    spread: float
    chance: float

    @property
    def open(self) -> bool:
        """Whether a search can find anything."""
        return math.isfinite(self.spread) and self.spread > 1.5 * self.chance


def gate(networks: Sequence[float], seeds: Sequence[float]) -> Gate:
    """Judge by the first rung: the figures of the networks, and those of one network with several seeds."""
    return Gate(statistics.stdev(networks), statistics.stdev(seeds))
