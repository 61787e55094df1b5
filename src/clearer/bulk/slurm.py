"""The place of this process in a Slurm job: which shards it restores, by array index and task."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from clearer.core.errors import UserError


@dataclass(frozen=True)
class Slurm:
    """This process among those of a job array.

    Attributes:
        index: its number, from 0.
        count: how many there are.
        threads: cores that Slurm gave it; None if it does not say.
        job: the number of the job array, the same for all of them; a requeued one has the same, and goes on.
    """

    index: int
    count: int
    threads: int | None
    job: str

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Slurm:
        """Read what Slurm states: the index in the array times the tasks of each, as ``srun`` numbers them.

        Raises:
            UserError: this is no job of Slurm, or the array has gaps.
        """
        job = environment.get("SLURM_ARRAY_JOB_ID") or environment.get("SLURM_JOB_ID")
        if job is None:
            raise UserError(
                "--distributor slurm: no job of Slurm; submit it: sbatch --array=0-9 --wrap 'clearer restore ...'"
            )
        tasks = _number(environment, "SLURM_NTASKS", 1) if "SLURM_STEP_ID" in environment else 1
        task = _number(environment, "SLURM_PROCID", 0) if tasks > 1 else 0
        first, last = _number(environment, "SLURM_ARRAY_TASK_MIN", 0), _number(environment, "SLURM_ARRAY_TASK_MAX", 0)
        step = _number(environment, "SLURM_ARRAY_TASK_STEP", 1)
        count = _number(environment, "SLURM_ARRAY_TASK_COUNT", 1)
        place = (_number(environment, "SLURM_ARRAY_TASK_ID", first) - first) // step
        if count != (last - first) // step + 1:
            raise UserError(
                f"--distributor slurm: the array has {count} tasks from {first} to {last}; submit one without gaps"
            )
        threads = environment.get("SLURM_CPUS_PER_TASK")
        return cls(place * tasks + task, count * tasks, int(threads) if threads else None, job)

    def shards(self, count: int) -> list[int]:
        """Return the shards, of so many, that this process restores.

        >>> Slurm(1, 4, None, "7").shards(10)
        [1, 5, 9]
        """
        return list(range(self.index, count, self.count))


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{name}: {text!r} is not a number; let Slurm set it") from None
