"""Workers on this machine: processes that share its cores or its accelerators, and the shards of a plan."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from clearer.bulk.folder import BulkFolder
from clearer.bulk.plan import BulkPlan
from clearer.bulk.shard import MOST_DEATHS, pending_files
from clearer.bulk.tally import Tally
from clearer.bulk.worker import counted, work
from clearer.core.cores import cores
from clearer.core.errors import UserError
from clearer.core.files import read_json
from clearer.core.signals import PARENT_HOLDS_INPUT
from clearer.inference.latency import using_threads

FILES_PER_WORKER = 16
"""Where the number of workers is not given: one needs seconds to start."""
GRACE = 10.0
"""Seconds in which a worker that is asked to stop finishes its file."""


@dataclass
class Local:
    """Workers on this machine.

    Args:
        workers: processes; None: one a core on a CPU, one an accelerator, and none for less than `FILES_PER_WORKER`.
        threads: of each; None: an equal share of the cores.
        device: of the computation; ``cuda`` workers take the visible devices in turn.
    """

    workers: int | None = None
    threads: int | None = None
    device: str = "auto"

    def resolved(self, files: int, shards: int | None = None) -> Local:
        """Return the workers with their number, at most one a file and a shard, and their threads."""
        accelerators = accelerator_count(self.device)
        most = self.workers or min(accelerators or cores(), files // FILES_PER_WORKER)
        workers = max(1, min(most, files, files if shards is None else shards))
        return Local(workers, self.threads or max(1, cores() // workers), self.device)

    def run(self, folder: BulkFolder, plan: BulkPlan, progress: Callable[[int, int], None]) -> Tally:
        """Restore all shards; return what became of the files.

        A worker that is killed is replaced; see `clearer.bulk.shard.restore_shard` for the file that it was at.

        Raises:
            UserError: a worker cannot go on, for a reason that holds for all.
        """
        pending = pending_files(folder, plan)
        if not pending:
            return Tally(already=plan.files)
        tally = Tally()
        here = self.resolved(pending, plan.shards)
        if here.workers == 1:
            with using_threads(here.threads or 1):
                work(folder, plan, range(plan.shards), self.device, counted(tally, plan.files, progress))
            return tally
        _Pool(here, folder, plan, tally, progress).run()
        return tally


@dataclass
class _Pool:
    local: Local
    folder: BulkFolder
    plan: BulkPlan
    tally: Tally
    progress: Callable[[int, int], None]
    answers: queue.SimpleQueue[tuple[int, object]] = field(default_factory=queue.SimpleQueue)
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    already: dict[int, int] = field(default_factory=dict)

    def run(self) -> None:
        """Start the workers, listen to them, and replace those that are killed."""
        deaths = 0
        try:
            for number in range(self.local.workers or 1):
                self._start(number)
            while self.processes:
                number, answer = self.answers.get()
                if answer is not _ENDED:
                    deaths = self._take(answer, deaths)
                    continue
                status = self.processes.pop(number).wait()
                if status == 0:
                    continue
                deaths += 1
                self._check(status, deaths)
                self._start(number)
        finally:
            self._stop()
        # What a worker did not tell before it was killed is in the markers.
        ended = [read_json(self.folder.marker(self.plan, shard)) for shard in range(self.plan.shards)]
        self.tally.failed = sum(one["failed"] for one in ended)
        self.tally.restored = sum(one["restored"] for one in ended) - self.tally.already - self.tally.skipped

    def _take(self, answer: object, deaths: int) -> int:
        """Count what a worker tells; return the deaths since a file was last restored."""
        assert isinstance(answer, dict)
        if "fault" in answer:
            raise UserError(answer["fault"])
        if "shard" in answer:
            self.already.setdefault(
                answer["shard"], answer["already"]
            )  # a shard whose worker was killed is begun twice
            self.tally.already = sum(self.already.values())
        else:
            self.tally.count(answer["error"], answer["notes"], skipped=answer["skipped"])
            deaths = 0
        self.progress(min(self.tally.files, self.plan.files), self.plan.files)
        return deaths

    def _check(self, status: int, deaths: int) -> None:
        most = (MOST_DEATHS + 1) * (self.local.workers or 1)
        if status > 0 or deaths > most:
            how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            raise UserError(f"a worker was {how}; try fewer --workers, or --tile" if status < 0 else f"a worker {how}")

    def _start(self, number: int) -> None:
        threads = str(self.local.threads or 1)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, PARENT_HOLDS_INPUT: "1"}
        count = accelerator_count(self.local.device)
        if count > 1:
            environment["CUDA_VISIBLE_DEVICES"] = _visible(number % count)
        process = subprocess.Popen(
            [sys.executable, "-m", "clearer.bulk.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        task = [str(self.folder.path), self.plan.to_json(), number, self.local.workers, self.local.device]
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(task).encode() + b"\n")
            process.stdin.flush()
        self.processes[number] = process
        threading.Thread(target=self._listen, args=(number, process), name="clearer-answers", daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(ValueError):  # of a worker that was killed while it wrote
                self.answers.put((number, json.loads(line)))
        self.answers.put((number, _ENDED))

    def _stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


_ENDED = object()


def accelerator_count(device: str) -> int:
    """Return how many accelerators a device name stands for; 0 for a CPU."""
    if device == "cpu":
        return 0
    import torch

    if device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.cuda.device_count()
    return 0 if device == "auto" and not torch.backends.mps.is_available() else 1


def _visible(number: int) -> str:
    """Return the name of an accelerator among those that this process sees."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return seen.split(",")[number].strip() if seen else str(number)
