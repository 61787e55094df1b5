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
FINALISTS = 2
"""Networks of a rung, at least."""
ENOUGH, FEW = 300, 9
"""Steps of the first rung that tell networks apart, and networks below which a rung is rather shorter than smaller."""
SEEDS = 3
"""Trainings of the default network in the first rung: what they differ by, only the seed can have made."""


@dataclass(frozen=True)
class Rung:
    """A round of trainings: ``networks`` networks, each trained to ``steps`` steps; ``new`` of them are new."""

    networks: int
    steps: int
    new: int


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
        done = 0
        for number in range(self.rungs):
            # Where one would be left, two go on: a training of one compares nothing.
            count = max(min(FINALISTS, self.networks), self.networks // KEPT**number)
            steps = self.steps * KEPT**number
            yield Rung(count, steps, steps - done)
            done = steps

    @property
    def total_steps(self) -> int:
        """Steps of all trainings together; those of a network that goes on count once."""
        return sum(rung.networks * rung.new for rung in self) + (SEEDS - 1) * self.steps

    def trainings(self) -> list[int]:
        """Return the trainings of each rung, those of further seeds included."""
        return [rung.networks + (SEEDS - 1 if number == 0 else 0) for number, rung in enumerate(self)]

    @classmethod
    def within(
        cls, seconds: float, timing: Timing, workers: int, networks: int, rungs: int = 3, least: int = 100
    ) -> Schedule:
        """Return the longest schedule that ends in time.

        Args:
            seconds: of the whole search.
            timing, workers: see `Timing.of_rungs`.
            networks: in the first rung; fewer, down to `FEW`, where each would get less than `ENOUGH` steps, and fewer
                still where each would get less than ``least``.
            rungs: number of rounds.
            least: steps of the first rung, at least, in hundreds.

        Raises:
            UserError: not even 3 networks get ``least`` steps.
        """
        wanted = [(count, ENOUGH) for count in range(networks, FEW - 1, -1)]
        wanted += [(count, least) for count in range(min(networks, FEW), KEPT - 1, -1)]
        for count, enough in wanted:
            idle = sum(Timing(timing.around, 0.0).of_rungs(cls(count, 0, rungs), workers))
            each = sum(timing.of_rungs(cls(count, 100, rungs), workers)) - idle
            hundreds = int((seconds - idle) / each)
            if 100 * hundreds >= enough:
                return cls(count, 100 * hundreds, rungs)
        needed = sum(timing.of_rungs(cls(KEPT, least, rungs), workers))
        raise UserError(
            f"search minutes: {KEPT} networks of {least} steps take {needed / 60:.2g} minutes, and "
            f"{max(0.0, seconds) / 60:.2g} are left; allow more minutes"
        )


@dataclass(frozen=True)
class Timing:
    """What a short training costs.

    Args:
        around: seconds besides its steps: reading the images, and the validation.
        step: seconds of a step.
    """

    around: float
    step: float

    def of_rungs(self, schedule: Schedule, workers: int) -> list[float]:
        """Return the seconds of each rung, with this many trainings at a time; the last of a rung do not wait."""
        return [
            math.ceil(count / workers) * (self.around + self.step * rung.new)
            for count, rung in zip(schedule.trainings(), schedule, strict=True)
        ]


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
    spread, chance = (statistics.stdev(values) if len(values) > 1 else 0.0 for values in (networks, seeds))
    return Gate(spread, chance)
