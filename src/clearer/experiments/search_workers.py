"""The workers of a search: processes, on one machine or several, that share the trainings of a folder.

Each takes what nobody else has claimed, so the same command started on further machines, or under torchrun, is more
workers. Who trains what does not change the result: every training has its own seed and the same number of threads.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from clearer.core.claims import Claim, claim
from clearer.core.console import say
from clearer.core.cores import cores
from clearer.core.errors import Interrupted, UserError
from clearer.experiments import runner, short_worker
from clearer.experiments.runner import Plan
from clearer.experiments.short_worker import ShortWorker
from clearer.inference.latency import using_threads
from clearer.pipeline.fit import fit
from clearer.training import distributed
from clearer.training.loop import caught_signals
from clearer.training.run_device import choose_device

NOT_FINITE = "is not finite"
"""What the error of a diverged training says."""


@dataclass(frozen=True)
class Workers:
    """The trainings that this process does at a time.

    Args:
        jobs: their number.
        threads: of each; rounding depends on it, so all workers of a search have the same.
        device: of the trainings, in place of the recipe's.
    """

    jobs: int
    threads: int
    device: str

    @classmethod
    def here(cls, device: str, jobs: int | None = None, threads: int | None = None) -> Workers:
        """Return the workers for a device of this machine: on a CPU one training a core, else one.

        Args:
            device: as a recipe names it.
            jobs: trainings at a time, if not as many as the machine can hold.
            threads: of a training, if other processes have begun with that many.
        """
        chosen = choose_device(device)
        if distributed.launched()[1] > 1:
            return cls(1, threads or 1, str(chosen))
        jobs = jobs or (max(1, cores() // (threads or 1)) if chosen.type == "cpu" else 1)
        return cls(jobs, threads or max(1, cores() // jobs), device)

    @property
    def of_all(self) -> int:
        """Trainings at a time of all processes that were started together, by torchrun."""
        return self.jobs * distributed.launched()[1]

    def own(self, plan: Plan) -> Plan:
        """Return a plan as it is carried out here."""
        return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, device=self.device))


class Work(Protocol):
    """Trainings to do, as all processes know of them."""

    def pending(self) -> Sequence[Plan]:
        """Return those that are not done."""

    def trained(self, plan: Plan) -> bool:
        """Return whether a plan has been trained, and only `end` is missing."""

    def end(self, plan: Plan, seconds: float, failed: str) -> None:
        """Make known that a plan is done: the seconds that it took here, and why it failed, if it did."""


@dataclass
class _Running:
    plan: Plan
    worker: ShortWorker
    held: Claim
    begun: float = field(default_factory=time.monotonic)


def train_together(
    work: Work,
    *,
    name: str,
    claims: Path,
    workers: Workers,
    console: Console,
    idle: list[ShortWorker] | None = None,
) -> None:
    """Do all of a work, together with all other processes that are given the same one.

    Args:
        work: what is to be done.
        name: of the work, for the progress.
        claims: folder of the claims.
        workers: of this process. A single one trains in this process, unless torchrun started it.
        console: where progress is printed.
        idle: processes of an earlier work, and at the end those of this one: the caller stops them. None: this work
            has its own.

    Raises:
        UserError: a training failed other than by diverging; the others have a checkpoint.
        Interrupted: SIGTERM or Ctrl-C; every training has written its checkpoint.
    """
    inside = workers.jobs == 1 and distributed.launched()[1] == 1
    running: list[_Running] = []
    kept = idle is not None
    idle = [] if idle is None else idle
    told = False
    with ExitStack() as stack:
        caught = [] if inside else stack.enter_context(caught_signals())
        show = stack.enter_context(_bar(name, len(work.pending()), console))
        try:
            while (waiting := work.pending()) or running:
                show(len(waiting) - sum(one.plan.steps_done() / one.plan.steps for one in running))
                taken = _taken(work, waiting, running, claims) if len(running) < workers.jobs else None
                if taken is not None:
                    plan, held = taken
                    if work.trained(plan) or inside:
                        with held:
                            _train_inside(work, plan, workers)
                    else:
                        running.append(_Running(plan, _begun(workers.own(plan), idle, workers.threads), held))
                    continue
                if not running and not told:
                    told = True
                    say(f"search: other processes have the last {len(waiting)} trainings of {name}", console)
                time.sleep(runner.POLL)
                _collect(work, running, idle, bool(caught))
                if caught:
                    raise Interrupted("stopped with a checkpoint of every run; rerun the command to resume", caught[0])
        finally:
            short_worker.stop([*(one.worker for one in running), *([] if kept else idle)])
            for one in running:
                one.held.release()


def _taken(work: Work, waiting: Sequence[Plan], running: list[_Running], claims: Path) -> tuple[Plan, Claim] | None:
    """Claim the first plan that nobody has."""
    mine = {one.plan.folder for one in running}
    for plan in waiting:
        if plan.folder in mine:
            continue
        held = claim(claims / plan.folder.name)
        if held is not None:
            if any(other.folder == plan.folder for other in work.pending()):
                return plan, held
            held.release()  # another process has done it meanwhile
    return None


def _train_inside(work: Work, plan: Plan, workers: Workers) -> None:
    """Train in this process, unless it was trained before."""
    begun, failed = time.monotonic(), ""
    if not work.trained(plan):
        try:
            with using_threads(workers.threads):
                fit(workers.own(plan).recipe, plan.folder, stages=("train",), console=Console(quiet=True))
        except UserError as error:
            if NOT_FINITE not in str(error):
                raise
            failed = str(error)
    work.end(plan, time.monotonic() - begun, failed)


def _begun(plan: Plan, idle: list[ShortWorker], threads: int) -> ShortWorker:
    """Begin a training in a process that has ended its last one, or in a new process."""
    while idle:
        worker = idle.pop()
        if worker.alive:
            worker.begin(plan)
            return worker
        short_worker.stop([worker])  # it was killed while it waited
    return ShortWorker(plan, threads)


def _collect(work: Work, running: list[_Running], idle: list[ShortWorker], stopping: bool) -> None:
    """Take note of the trainings that have ended."""
    for one in list(running):
        status = one.worker.status()
        if status is None:
            continue
        running.remove(one)
        if one.worker.alive:
            idle.append(one.worker)
        else:
            short_worker.stop([one.worker])
        with one.held:
            failed = ""
            try:
                if stopping:
                    continue
                runner.check(one.plan, status)
            except UserError as error:
                if NOT_FINITE not in str(error):
                    raise
                failed = str(error)
            work.end(one.plan, time.monotonic() - one.begun, failed)


@contextmanager
def _bar(name: str, count: int, console: Console) -> Iterator[Callable[[float], None]]:
    """Show how many trainings are left; yield a function to call with that."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]} left"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=max(count, 1), left=count)

        def show(left: float) -> None:
            progress.update(bar, completed=count - left, left=f"{left:.1f}")

        yield show
