"""TensorBoard's event files: every number of the metrics, and the mixing weights of each module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from clearer.core.errors import UserError
from clearer.core.files import utf8_path
from clearer.runs.schema import EpochLine


@contextmanager
def tensorboard_log(folder: Path, wanted: bool) -> Iterator[TensorBoardLog | None]:
    """Yield a log of metrics into ``folder``, or None if it is not wanted; close its files afterwards.

    Raises:
        UserError: tensorboard is not installed.
    """
    log = TensorBoardLog(folder) if wanted else None
    try:
        yield log
    finally:
        if log is not None:
            log.close()


class TensorBoardLog:
    """Writes lines of metrics as events, each job into a folder of its name.

    Raises:
        UserError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError("--tensorboard: tensorboard is not installed; pip install 'clearer[tensorboard]'") from None
        self._make_writer = SummaryWriter
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._opened = ExitStack()

    def __call__(self, job: str, line: EpochLine) -> None:
        """Write one line of the metrics of ``job``."""
        if job not in self._writers:
            place = self._folder / job
            place.mkdir(parents=True, exist_ok=True)
            self._writers[job] = self._make_writer(str(self._opened.enter_context(utf8_path(place))))
        writer, step = self._writers[job], line["step"]
        for key, value in line.items():
            if isinstance(value, int | float) and key not in ("step", "epoch"):
                writer.add_scalar(key, float(value), step)
        for module, weights in enumerate(line.get("mixing_weights", []), 1):
            for candidate, weight in enumerate(weights, 1):
                writer.add_scalar(f"module {module}/candidate {candidate}", weight, step)

    def close(self) -> None:
        """Flush and close all files."""
        for writer in self._writers.values():
            writer.close()
        self._opened.close()
