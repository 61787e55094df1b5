"""ShortWorker: a process that carries out short trainings, as its parent sees it."""

from __future__ import annotations

import json
import queue
import sys
import threading
from contextlib import suppress

from clearer.experiments import runner
from clearer.experiments.runner import Plan


class ShortWorker:
    """A process that trains one network after another; see `clearer.experiments.short_process`.

    Args:
        plan: its first training.
        threads: that it computes on.
    """

    def __init__(self, plan: Plan, threads: int) -> None:
        command = [sys.executable, "-m", "clearer.experiments.short_process"]
        self.process = runner.launch(command, threads, runner.log_of(plan), answers=True)
        self._answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="clearer-answers", daemon=True)
        self._reader.start()
        self.begin(plan)

    @property
    def alive(self) -> bool:
        """Whether the process can take a training."""
        return self.process.poll() is None

    def begin(self, plan: Plan) -> None:
        """Begin a training; the one before has ended."""
        task = [str(runner.write_recipe(plan)), str(plan.folder), str(runner.log_of(plan))]
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # `status` tells that the process has died
            self.process.stdin.write(json.dumps(task).encode() + b"\n")
            self.process.stdin.flush()

    def status(self) -> int | None:
        """Return the exit status of the training in hand, or of the process if that has died; None before its end."""
        ended = self.process.poll()
        if ended is not None:
            self._reader.join()
        with suppress(queue.Empty):
            return self._answers.get_nowait()
        return ended

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(int(line))


def stop(workers: list[ShortWorker]) -> None:
    """Stop workers, and wait for the checkpoints of their trainings."""
    runner.stop([worker.process for worker in workers])
    for worker in workers:
        for pipe in (worker.process.stdin, worker.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
