"""What a search costs: trainings timed on this machine, the schedule that the minutes allow, and a table of both."""

from __future__ import annotations

import dataclasses
import datetime
import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from rich.console import Console

from clearer.core.console import print_table, say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.core.text import duration
from clearer.experiments.runner import Plan
from clearer.experiments.search_workers import Workers, train_together
from clearer.experiments.short_training import short
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.search.halving import ENOUGH, EPOCH, FEW, Schedule, Timing, too_short

TIMED_EPOCHS, TIMED_STEPS, TIMED_NETWORKS = 3, 10, 6
"""Of the trainings that are timed: the first epoch warms up, the second has steps alone, the third a validation."""
LONGEST = 1e11
"""Seconds of all trainings beyond which the end is no date."""
PROBED = 5
"""Minutes of each budget up to which a training is timed before anything else, to refuse what cannot end in time."""

LONG = 10.0
"""Seconds of drawing networks from which it is said how long it took."""


class _KeptTiming(TypedDict):
    around: float
    step: float


class _Kept(TypedDict):
    """schedule.json; early searches lack the last six."""

    networks: int
    steps: int
    rungs: int
    minutes: float
    threads: NotRequired[int]
    timing: NotRequired[_KeptTiming]
    epoch: NotRequired[int]
    with_default: NotRequired[bool]
    small_patches: NotRequired[bool]
    asked: NotRequired[int]


@dataclass(frozen=True)
class PlannedSearch:
    """A schedule as it was made, for all processes that work on it.

    Args:
        schedule: the rungs.
        timing: of a training, by which it was made.
        minutes: that it fills.
        threads: of each training.
    """

    schedule: Schedule
    timing: Timing
    minutes: float
    threads: int

    def write(self, file: Path) -> None:
        """Write the file."""
        schedule = dataclasses.asdict(self.schedule)
        rest = {"minutes": self.minutes, "threads": self.threads, "timing": dataclasses.asdict(self.timing)}
        write_json(file, schedule | rest)

    @classmethod
    def read(cls, file: Path) -> PlannedSearch:
        """Read a file of `write`.

        Raises:
            UserError: it is damaged.
        """
        kept = read_shaped(file, _Kept)
        threads, timing = kept.get("threads", 1), Timing(0.0, 0.0)
        if "timing" in kept:
            timing = Timing(kept["timing"]["around"], kept["timing"]["step"])
        epoch = kept.get("epoch", math.gcd(kept["steps"], EPOCH))  # early searches counted steps in hundreds
        sound = {
            f"{kept['networks']} networks": 1 <= kept["networks"] <= 10_000,
            f"{kept['steps']} steps": kept["steps"] >= 1,
            f"{kept['rungs']} rungs": 1 <= kept["rungs"] <= 10,
            f"{threads} threads": 1 <= threads <= 10_000,
            f"{kept['minutes']:g} minutes": 0 <= kept["minutes"] < 1e9,
            f"{timing.around:g} seconds around steps": 0 <= timing.around < 1e6,
            f"{timing.step:g} seconds a step": 0 <= timing.step < 1e6,
            f"epochs of {epoch} steps": epoch >= 1 and kept["steps"] % epoch == 0,
            f"{kept.get('asked', 0)} asked": kept.get("asked", 0) >= 0,
        }
        later = kept.get("with_default", False), kept.get("small_patches", False), kept.get("asked", 0)
        schedule = Schedule(kept["networks"], kept["steps"], kept["rungs"], epoch, *later)
        if all(sound.values()):
            seconds = schedule.seconds(timing, 1)
            sound[f"{seconds:g} seconds in all"] = seconds < LONGEST
        for what, fits in sound.items():
            if not fits:
                raise UserError(
                    f"{file}: damaged ({what}); choose another folder with --out, or remove the search in this one"
                )
        return cls(schedule, timing, kept["minutes"], threads)

    def show(
        self, within: str, workers: Workers, console: Console, *, rung: int = 0, pending: Sequence[int] | None = None
    ) -> None:
        """Print what the search costs, before it starts: trainings, minutes of each and of all, and the end.

        Args:
            within: the budget.
            workers: of this process.
            console: where it is printed.
            rung: where the search goes on, from 0.
            pending: trainings of this rung that are left, if not all; see `Schedule.together`.
        """
        jobs = f"{workers.jobs} at a time, {workers.threads} thread{'s' * (workers.threads > 1)} each"
        counts = self.schedule.trainings()
        say(f"search: {sum(counts)} trainings of {self.schedule.networks} networks within {within}, {jobs}", console)
        seconds = self.timing.of_rungs(self.schedule, workers.jobs)
        rows = [
            [
                f"{number + 1}",
                f"{rung.networks}" + (f" + {beside} seeds" if number == 0 else " + default" * beside),
                f"{rung.new:,}",
                f"{(self.timing.around + self.timing.step * rung.new) / 60:.1f}",
                f"{all_of_it / 60:.1f}",
            ]
            for number, (rung, beside, all_of_it) in enumerate(
                zip(self.schedule, self.schedule.beside(), seconds, strict=True)
            )
        ]
        heads = ["rung", "trainings", "steps of each", "minutes of each", "minutes of all"]
        print_table("", heads, rows, console, total=["all", f"{sum(counts)}", "", "", f"{sum(seconds) / 60:.1f}"])
        together = self.schedule.together()
        rest = [*([0] for _ in range(rung)), together[rung] if pending is None else pending, *together[rung + 1 :]]
        number = sum(map(sum, rest))
        some = f"{number} of these trainings are left, " if number < sum(counts) else ""
        left = sum(self.timing.of_rungs(self.schedule, workers.jobs, rest))
        end = datetime.datetime.now() + datetime.timedelta(seconds=left)
        say(
            f"search: {some}expected end {end:%H:%M}, in {duration(left)} of the {self.minutes:g} minutes; more "
            f"workers end earlier{', except those of the first rung' if len(rest[0]) > 1 else ''}",
            console,
        )


def minutes_begin(drawing: float, budget: Budget, console: Console) -> float:
    """Return when the minutes of a search begin: after the networks are drawn, which took since ``drawing``.

    The first search within a time on a machine times the pieces of networks meanwhile, for minutes; later ones have
    these times.
    """
    timed = "timing the pieces of networks, once for this machine and size,"
    what = "drawing the networks" if budget.milliseconds is None else timed
    now = time.monotonic()
    if now - drawing > LONG:
        say(
            f"search: {what} took {duration(now - drawing)}; the minutes of the search begin now",
            console,
        )
    return now


def plan_search(
    recipe: Recipe, compared: Sequence[Sequence[Architecture]], out: Path, workers: Workers, seconds: float,
    minutes: float, console: Console, *, asked: int = 0,
) -> PlannedSearch:  # fmt: skip
    """Time short trainings of some of the networks, and return the longest search of the time that is left.

    Args:
        recipe: of the search.
        compared: for each budget all networks that it may compare, the default network first.
        out: its folder.
        workers: of this process.
        seconds: until the search has to end, at this moment.
        minutes: of which that is the rest.
        console: where a search is told that is too short to be sure.
        asked: see `Schedule`.

    Raises:
        UserError: the time is too short, or a training fails.
    """
    end, budgets = time.monotonic() + seconds, len(compared)
    chosen = [network for networks in compared for network in _some(networks, -(-TIMED_NETWORKS // budgets))]

    def refuse(around: float) -> None:
        refuse_too_short(end - time.monotonic(), Timing(around, 0.0), workers, budgets)

    refuse(0.0)
    timing = time_trainings(recipe, chosen, out / "timing", workers, console, refuse)
    left = end - time.monotonic()
    schedule = Schedule.within(left, timing, workers.jobs, min(map(len, compared)), budgets=budgets, asked=asked)
    if not schedule.tells:
        more = budgets * Schedule.telling().seconds(timing, workers.jobs) - left
        say(
            f"search: {minutes:g} minutes allow {schedule.networks} networks of {schedule.steps} steps"
            f"{' for each budget' if budgets > 1 else ''}; {FEW} of {ENOUGH}, which tell more surely which is best, "
            f"take {math.ceil(minutes + more / 60)} minutes",
            console,
        )
    return PlannedSearch(schedule, timing, minutes, workers.threads)


def refuse_too_short(seconds: float, timing: Timing, workers: Workers, budgets: int) -> None:
    """Refuse a search of which even the smallest takes longer.

    Raises:
        UserError: it does.
    """
    needed = budgets * Schedule.smallest().seconds(timing, workers.jobs)
    if needed > seconds:
        raise too_short(seconds, needed, budgets)


def probe(
    recipe: Recipe, network: Architecture, out: Path, minutes: float, workers: Workers, budgets: int, console: Console
) -> None:
    """Refuse a search of a few minutes before its networks are drawn, which takes time too.

    A training of ``network``, the fastest of all, is timed for that.

    Raises:
        UserError: not even the smallest search of such networks ends in time.
    """
    if minutes > PROBED * budgets:
        return
    begun = time.monotonic()
    timing = time_trainings(recipe, [network], out / "timing", workers, console)
    refuse_too_short(60 * minutes - (time.monotonic() - begun), timing, workers, budgets)


def time_trainings(
    recipe: Recipe,
    networks: Sequence[Architecture],
    place: Path,
    workers: Workers,
    console: Console,
    check: Callable[[float], None] = lambda around: None,
) -> Timing:
    """Train networks for some steps; return what a training costs in the mean.

    Args:
        recipe: of the search.
        networks: to be trained.
        place: folder of the trainings, which is removed.
        workers: of this process.
        console: where progress is printed.
        check: called with the least seconds besides steps so far, after each training.
    """
    recipes = [short(recipe, network, 0, TIMED_STEPS, small_patches=True) for network in networks]
    shutil.rmtree(place, ignore_errors=True)  # a killed call has left trainings whose times are unknown
    work = _Timed([_timed_plan(one, place / str(k)) for k, one in enumerate(recipes)], check)
    train_together(work, name="timing", claims=place / "claims", workers=workers, console=console)
    shutil.rmtree(place, ignore_errors=True)
    timings = [work.done[plan.folder] for plan in work.plans]
    return Timing(*(statistics.mean(getattr(one, name) for one in timings) for name in ("around", "step")))


def _some(networks: Sequence[Architecture], count: int) -> list[Architecture]:
    """Return the first network, and others at equal distances."""
    others = max(1, len(networks) - 1)
    return [networks[0], *networks[1 :: max(1, -(-others // max(1, count - 1)))]]


def _timed_plan(recipe: Recipe, folder: Path) -> Plan:
    train = dataclasses.replace(recipe.train, epochs=TIMED_EPOCHS, steps_per_epoch=TIMED_STEPS)
    return Plan(str(recipe.form), dataclasses.replace(recipe, train=train), folder, "train")


@dataclass
class _Timed:
    """The timed trainings, as work of one process."""

    plans: list[Plan]
    check: Callable[[float], None]
    done: dict[Path, Timing] = field(default_factory=dict)

    def pending(self) -> list[Plan]:
        return [plan for plan in self.plans if plan.folder not in self.done]

    def trained(self, plan: Plan) -> bool:
        return False

    def end(self, plan: Plan, seconds: float, failed: str) -> None:
        if failed:
            raise UserError(f"{plan.name}: {failed}")
        ends = [line["seconds"] for line in plan.run.train.read_metrics("seconds")]
        step = max(1e-4, (ends[1] - ends[0]) / TIMED_STEPS)  # lines of metrics state hundredths of a second
        self.done[plan.folder] = Timing(max(0.0, seconds - TIMED_EPOCHS * TIMED_STEPS * step), step)
        self.check(min(timing.around for timing in self.done.values()))
