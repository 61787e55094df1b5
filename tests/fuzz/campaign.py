"""Many cases in worker processes, which are watched, ended and replaced; the counts are kept in a file."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fuzz.cases import SHARES, Seeds, write_seeds

CPU_SECONDS, WALL_SECONDS = 20, 400
"""Limits of a case, of its processor time and of the time on the clock."""
PEAK = 2 * 2**30
"""Bytes that a case may keep resident beside what the process had."""
RETIRED = 1000
"""Cases after which a process is replaced, since its memory is in pieces."""
_FORK = mp.get_context("fork")


@dataclass(frozen=True)
class Result:
    """What came of a case; ``violation`` is empty if everything held."""

    number: int
    kind: str
    seed: str
    outcome: str = ""
    violation: str = ""
    said: str = ""
    seconds: float = 0.0
    peak: int = 0


@dataclass
class State:
    """The counts so far, of the cases 0 to ``next`` - 1 of a seed."""

    seed: int = 0
    next: int = 0
    seconds: float = 0.0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    violations: list[dict[str, Any]] = field(default_factory=list)
    slowest: list[list[Any]] = field(default_factory=list)
    largest: list[list[Any]] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result."""
        row = self.counts.setdefault(result.kind, {})
        key = "violations" if result.violation else result.outcome
        row[key] = row.get(key, 0) + 1
        if result.violation:
            self.violations.append({"case": result.number, "seed": result.seed, "what": result.violation})
        name = f"{result.number} {result.seed}"
        self.slowest = sorted([*self.slowest, [round(result.seconds, 2), name]], reverse=True)[:10]
        self.largest = sorted([*self.largest, [result.peak >> 20, name]], reverse=True)[:10]


class _Worker:
    """A process that tries cases, and the connection to it."""

    def __init__(self, folder: Path, seeds: Seeds, seed: int, kinds: dict[str, int]) -> None:
        self.folder = folder
        self.connection, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=_work, args=(theirs, folder, seeds, seed, kinds), daemon=True)
        self.process.start()
        theirs.close()
        self.case: int | None = None
        self.begun = self.cpu = 0.0
        self.tried = 0

    def give(self, number: int) -> None:
        """Start a case."""
        self.tried += 1
        self.case, self.begun, self.cpu = number, time.monotonic(), self._cpu()
        self.connection.send(number)

    def overdue(self) -> str:
        """Return which limit the case has passed, if any."""
        if self.case is None:
            return ""
        if self._cpu() - self.cpu > CPU_SECONDS:
            return f"more than {CPU_SECONDS} seconds of processor time"
        return f"more than {WALL_SECONDS} seconds" if time.monotonic() - self.begun > WALL_SECONDS else ""

    def end(self, why: str = "") -> str:
        """End the process; return what it was doing."""
        if self.process.pid is not None and self.process.is_alive():
            if why:
                os.kill(self.process.pid, signal.SIGUSR2)
                time.sleep(0.5)
            self.process.kill()
        self.process.join()
        text = (self.folder / "crash.txt").read_text(errors="replace") if why else ""
        status = self.process.exitcode or 0
        return (
            f"{why or 'ended'} (status {status}): " + " | ".join(line.strip() for line in text.splitlines()[:25])[:1500]
        )

    def _cpu(self) -> float:
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(connection: Connection, folder: Path, seeds: Seeds, seed: int, kinds: dict[str, int]) -> None:
    """Try the cases that come in, until the connection closes."""
    from fuzz.sandbox import Sandbox, Violation, peak
    from fuzz.trials import Trials, quicken

    quicken()
    sandbox = Sandbox(folder)
    trials = Trials(seeds, sandbox)
    start = before = peak()
    parent = os.getppid()
    while True:
        while not connection.poll(1):
            if os.getppid() != parent:  # which was killed; a pipe would not say so, since other workers hold its end
                return
        try:
            number = connection.recv()
        except EOFError:
            return
        case = seeds.case(seed, number, kinds)
        began, violation, outcome = time.perf_counter(), "", ""
        try:
            outcome = trials.outcome(case)
        except Violation as error:
            violation = str(error)
        # The peak of a process only rises, where the system does not let it be set back.
        after = peak()
        grown, before = (after - start if after > before + 2**26 else 0), after
        if grown > PEAK and not violation:
            violation = f"{grown >> 20} MB of memory"
        said, seconds = trials.said, time.perf_counter() - began
        connection.send(Result(number, case.kind, case.seed, outcome, violation, said, seconds, grown))


def run_campaign(
    folder: Path,
    numbers: range | list[int],
    *,
    seed: int = 0,
    jobs: int = 1,
    kinds: dict[str, int] | None = None,
    see: Callable[[Result], None] = lambda result: None,
) -> None:
    """Try cases in worker processes.

    Args:
        folder: sound files (made once), damaged files of violations, and the folders of the workers.
        numbers: of the cases.
        seed: of the campaign.
        jobs: number of processes.
        kinds: shares by kind; default: all.
        see: called with the result of each case, in any order.
    """
    import fuzz.trials  # noqa: F401  (once, not in each worker)

    folder = folder.absolute()
    _prepared(folder)
    seeds, kinds = Seeds(folder / "seeds"), kinds or SHARES
    todo = iter(numbers)

    def new(index: int) -> _Worker:
        return _Worker(folder / f"worker{os.getpid()}-{index}", seeds, seed, kinds)

    workers = [new(k) for k in range(jobs)]
    busy = {k for k, worker in enumerate(workers) if _next(worker, todo)}
    while busy:
        ready = wait([workers[k].connection for k in busy], timeout=1)
        for k in sorted(busy):
            worker = workers[k]
            why = worker.overdue()
            if worker.connection in ready:
                try:
                    result = worker.connection.recv()
                    see(_kept(result, folder, seeds, seed, kinds))
                except (EOFError, ConnectionResetError):
                    why = "crash"
                else:
                    if worker.tried >= RETIRED or result.violation:  # what it took may show in later cases
                        worker.end()
                        workers[k] = worker = new(k)
                    if not _next(worker, todo):
                        busy.remove(k)
                    continue
            if why:
                assert worker.case is not None
                case = seeds.case(seed, worker.case, kinds)
                what = worker.end(why)
                see(_kept(Result(case.number, case.kind, case.seed, violation=what), folder, seeds, seed, kinds))
                workers[k] = new(k)
                if not _next(workers[k], todo):
                    busy.remove(k)
    for worker in workers:
        worker.connection.close()
        worker.end()
        shutil.rmtree(worker.folder, ignore_errors=True)


def _prepared(folder: Path) -> None:
    """Write the sound files in a fresh process: encoders and threads do not go well with forks."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    maker = mp.get_context("spawn").Process(target=_write_quietly, args=(folder / "seeds",))
    maker.start()
    maker.join()
    if maker.exitcode:
        raise RuntimeError(f"{folder}: the sound files could not be written; see {folder / 'seeds.log'}")


def _write_quietly(folder: Path) -> None:
    log = os.open(folder.with_name("seeds.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    write_seeds(folder)


def _next(worker: _Worker, todo: Any) -> bool:
    number = next(todo, None)
    worker.case = None
    if number is not None:
        worker.give(number)
    return number is not None


def _kept(result: Result, folder: Path, seeds: Seeds, seed: int, kinds: dict[str, int]) -> Result:
    """Keep the damaged file of a violation."""
    if result.violation:
        place = folder / "violations" / f"{result.number}-{Path(result.seed).name}"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(seeds.case(seed, result.number, kinds).data)
    return result


def resume(
    folder: Path, cases: int, *, seed: int = 0, jobs: int = 1, seconds: float | None = None, kind: str | None = None
) -> State:
    """Go on until ``cases`` cases of a seed have been tried in all, by one call or several.

    Args:
        folder: holds ``state-SEED.json``.
        cases: in all.
        seed: of the campaign.
        jobs: number of processes.
        seconds: stop after so long; a later call goes on.
        kind: a key of `SHARES`: files of this kind alone, with counts of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"state-{seed}-{kind.replace(' ', '-')}.json" if kind else f"state-{seed}.json")
    state = State(**json.loads(path.read_text())) if path.exists() else State(seed)
    waiting: dict[int, Result] = {}
    began = saved = time.monotonic()
    before = state.seconds

    def save() -> None:
        state.seconds = before + time.monotonic() - began
        path.with_suffix(".new").write_text(json.dumps(asdict(state), indent=1))
        path.with_suffix(".new").replace(path)

    def see(result: Result) -> None:
        nonlocal saved
        waiting[result.number] = result
        while state.next in waiting:
            state.add(waiting.pop(state.next))
            state.next += 1
        if result.violation:
            print(f"case {result.number} ({result.seed}): {result.violation}", flush=True)
        if time.monotonic() - saved > 10:
            saved = time.monotonic()
            save()

    def numbers() -> Any:
        for number in range(state.next, cases):
            if seconds is not None and time.monotonic() - began > seconds:
                return
            yield number

    run_campaign(folder, numbers(), seed=seed, jobs=jobs, see=see, kinds={kind: 1} if kind else None)
    save()
    return state


def table(state: State) -> str:
    """Return the counts by kind and outcome as a Markdown table."""
    from fuzz.trials import OUTCOMES

    columns = (*OUTCOMES, "violations")
    total: Counter[str] = Counter()
    lines = ["| kind | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for kind in SHARES:
        row = state.counts.get(kind, {})
        total.update(row)
        lines.append(f"| {kind} | " + " | ".join(f"{row.get(column, 0):,}" for column in columns) + " |")
    return "\n".join([*lines, "| all | " + " | ".join(f"{total[column]:,}" for column in columns) + " |"])
