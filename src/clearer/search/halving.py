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
"""Steps and networks of a first rung that are sure to tell networks apart and leave a choice."""
FEWEST, LEAST = 6, 90
"""Networks below which a rung is rather shorter than smaller, and steps below which it tells nothing."""
EPOCH, EPOCHS = 100, 3
"""Steps of an epoch, about, and epochs of a first rung, at least: the first epoch warms up."""
SHORTEST = 1e-4
"""Seconds of a step, at least: a clock too coarse for steps says 0."""
SEEDS = 3
"""Trainings of the default network in the first rung: what they differ by, only the seed can have made."""
UNGUIDED = 9
"""Networks of the first rung that are trained before a sampler that learns from them is asked for others."""


@dataclass(frozen=True)
class Rung:
    """A round of trainings: ``networks`` networks, each trained to ``steps`` steps; ``new`` of them are new.

    ``epoch``: steps of an epoch. ``small_patches``: see `Schedule`.
    """

    networks: int
    steps: int
    new: int
    epoch: int = EPOCH
    small_patches: bool = True


@dataclass(frozen=True)
class Schedule:
    """The rungs of a search.

    Args:
        networks: in the first rung.
        steps: of each in the first rung.
        rungs: number of rounds.
        epoch: steps of an epoch of every training; those of a rung are a multiple of it.
        with_default: the default network is trained in every rung, beside those that go on.
        small_patches: twice as many patches of at most 32 pixels instead of those of the recipe.
        asked: networks of the first rung that are asked for at a time, once those before are trained; see
            `clearer.search.tpe`. With 0 all are known before.
    """

    networks: int
    steps: int
    rungs: int = 3
    epoch: int = EPOCH
    with_default: bool = True
    small_patches: bool = True
    asked: int = 0

    def __iter__(self) -> Iterator[Rung]:
        done = 0
        for number in range(self.rungs):
            # Where one would be left, two go on: a training of one compares nothing.
            count = max(min(FINALISTS, self.networks), self.networks // KEPT**number)
            steps = self.steps * KEPT**number
            yield Rung(count, steps, steps - done, self.epoch, self.small_patches)
            done = steps

    def beside(self) -> list[int]:
        """Return for each rung the trainings of the default network beside those of the networks that go on.

        They are its further seeds in the first rung, then one, which is spared where it goes on itself.
        """
        return [SEEDS - 1, *(int(self.with_default and rung.networks < self.networks) for rung in list(self)[1:])]

    def parts(self) -> list[int]:
        """Return the networks of the first rung that are trained together, before others are asked for."""
        first = min(self.networks, UNGUIDED) if self.asked else self.networks
        left = self.networks - first
        more = [min(self.asked, left - done) for done in range(0, left, self.asked)] if left else []
        return [first, *more]

    def together(self) -> list[list[int]]:
        """Return for each rung the trainings that do not wait for each other, those of the default network included."""
        first, *rest = zip(self, self.beside(), strict=True)
        parts = self.parts()
        return [[parts[0] + first[1], *parts[1:]], *([rung.networks + beside] for rung, beside in rest)]

    def trainings(self) -> list[int]:
        """Return the trainings of each rung, those of the default network included."""
        return [sum(parts) for parts in self.together()]

    @property
    def tells(self) -> bool:
        """Whether it is sure to tell networks apart, and leaves a choice."""
        return self.networks >= FEW and self.steps >= ENOUGH

    @classmethod
    def of(cls, networks: int, steps: int, rungs: int = 3, asked: int = 0) -> Schedule:
        """Return the schedule of at most so many steps in the first rung: whole epochs of about `EPOCH` steps.

        It has fewer rungs where a third one would drop less than two of three networks.

        >>> Schedule.of(9, 500).epoch, Schedule.of(9, 317), Schedule.of(18, 100).rungs
        (100, Schedule(networks=9, steps=315, rungs=2, epoch=105, with_default=True, small_patches=True, asked=0), 3)
        """
        epochs = max(EPOCHS, steps // EPOCH)
        while rungs > 2 and networks < FINALISTS * KEPT ** (rungs - 1):
            rungs -= 1
        return cls(networks, steps // epochs * epochs, rungs, steps // epochs, asked=asked)

    @classmethod
    def within(
        cls,
        seconds: float,
        timing: Timing,
        workers: int,
        networks: int,
        rungs: int = 3,
        budgets: int = 1,
        asked: int = 0,
    ) -> Schedule:
        """Return the longest schedule that ends in time.

        Args:
            seconds: of the searches of all budgets.
            timing, workers: see `Timing.of_rungs`.
            networks: in the first rung; fewer where each would get less than `ENOUGH` steps: as many as are enough for
                three rungs, see `of`, then down to `FEWEST`, with two; then with less than `ENOUGH` steps each, and
                fewer still, down to `KEPT`, where each would get less than `LEAST`.
            rungs: number of rounds, at most.
            budgets: whose searches follow each other.
            asked: see `Schedule`.

        Raises:
            UserError: not even the smallest search ends in time.
        """
        timing = Timing(timing.around, max(timing.step, SHORTEST))
        least = FINALISTS * KEPT ** (rungs - 1)
        wanted = [(count, ENOUGH, rungs) for count in range(networks, least - 1, -1)]
        wanted += [(count, ENOUGH, 2) for count in range(min(networks, least - 1), FEWEST - 1, -1)]
        wanted += [(count, LEAST, 2) for count in range(min(networks, FEWEST), KEPT - 1, -1)]
        for count, enough, most in wanted:
            some = cls.of(count, enough, most, asked)
            idle = some.seconds(Timing(timing.around, 0.0), workers)
            each = (some.seconds(timing, workers) - idle) / some.steps
            steps = int((seconds / budgets - idle) / each)
            if steps >= enough:
                return cls.of(count, steps, most, asked)
        raise too_short(seconds, budgets * cls.smallest().seconds(timing, workers), budgets)

    @classmethod
    def smallest(cls) -> Schedule:
        """Return the least that is a search."""
        return cls.of(KEPT, LEAST, 2)

    @classmethod
    def telling(cls) -> Schedule:
        """Return the least that `tells`."""
        return cls.of(FEW, ENOUGH, 2)

    def seconds(self, timing: Timing, workers: int) -> float:
        """Return the seconds of all rungs; see `Timing.of_rungs`."""
        return sum(timing.of_rungs(self, workers))


def too_short(seconds: float, needed: float, budgets: int) -> UserError:
    """Return the error of a search without enough time: the seconds left, and those of the smallest search."""
    each = f" for each of {budgets} budgets" if budgets > 1 else ""
    return UserError(
        f"search minutes: the smallest search, {KEPT} networks of {LEAST} steps{each}, takes at least "
        f"{needed / 60:.2g} minutes, and {max(0.0, seconds) / 60:.2g} are left; allow more minutes"
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

    def of_rungs(
        self, schedule: Schedule, workers: int, together: Sequence[Sequence[int]] | None = None
    ) -> list[float]:
        """Return the seconds of each rung, with this many trainings at a time; the last of a rung do not wait.

        ``together``: trainings of each rung, if not all; see `Schedule.together`.
        """
        together = schedule.together() if together is None else together
        return [
            sum(math.ceil(count / workers) for count in parts) * (self.around + self.step * rung.new)
            for parts, rung in zip(together, schedule, strict=True)
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
