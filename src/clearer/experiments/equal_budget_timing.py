"""Seconds of a step of each training of a comparison at equal times, measured beside others as the trainings run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.experiments.search_claims import CLAIMS, claimed
from clearer.experiments.step_timing import AGREE, BUSY, timed_steps
from clearer.inference.latency_table import device_name
from clearer.pipeline.run_folder import FREE
from clearer.recipe.schema import Recipe
from clearer.training.run_device import choose_device

FILE = "timing.json"


class Timed(TypedDict):
    """timing.json: what the steps of the trainings were timed for, and the seconds of each by its name.

    Files of an earlier version lack the last two.
    """

    minutes: float
    jobs: int
    seconds_per_step: dict[str, float]
    measured_on: NotRequired[str]
    recipes: NotRequired[dict[str, str]]


@dataclass(frozen=True)
class Timing:
    """How steps are timed.

    Args:
        out: folder of the comparison.
        minutes: of each training.
        jobs: trainings at a time.
        console: where progress is printed, and a busy machine.
    """

    out: Path
    minutes: float
    jobs: int
    console: Console

    def seconds_per_step(self, recipes: Mapping[str, Recipe]) -> dict[str, float]:
        """Return the seconds of a step of each recipe, by its name; those timed before are kept.

        Raises:
            UserError: the folder holds trainings of other minutes, of another machine or of an earlier version, or
                that ran otherwise beside each other; or a training fails.
        """
        with claimed(self.out / CLAIMS / "timing"):
            return self._kept_or_timed(recipes)

    def _kept_or_timed(self, recipes: Mapping[str, Recipe]) -> dict[str, float]:
        file = self.out / FILE
        kept = read_shaped(file, Timed) if file.is_file() else None
        here = self._here(next(iter(recipes.values())).device)
        digests = {name: _digest(recipe) for name, recipe in recipes.items()}
        known: dict[str, float] = {}
        if kept is not None:
            self._check(kept, here)
            before = kept.get("recipes", {})
            digests = {**before, **digests}  # a call may have some of the networks only
            known = {name: s for name, s in kept["seconds_per_step"].items() if before[name] == digests[name]}
        left = {name: recipe for name, recipe in recipes.items() if name not in known}
        if left:
            known |= self._timed(left)
            facts = {"minutes": self.minutes, "jobs": self.jobs, "measured_on": here}
            write_json(file, {**facts, "seconds_per_step": known, "recipes": {name: digests[name] for name in known}})
        return known

    def _check(self, kept: Timed, here: str) -> None:
        if (kept["minutes"], kept["jobs"]) != (self.minutes, self.jobs):
            raise UserError(
                f"{self.out}: holds trainings of {kept['minutes']:g} minutes, {kept['jobs']} at a time, not of "
                f"{self.minutes:g} minutes, {self.jobs} at a time; give these, or another folder with --out"
            )
        if kept["seconds_per_step"].keys() - kept.get("recipes", {}).keys():
            raise UserError(
                f"{self.out}: an earlier version timed its steps otherwise, so that trainings would not take equal "
                "times; choose another folder with --out"
            )
        before = kept.get("measured_on", here)
        if before != here:
            raise UserError(
                f"{self.out}: its steps were timed on another machine ({before}; this is {here}), so that trainings "
                "would not take equal times; choose another folder with --out"
            )

    @staticmethod
    def _here(device: str) -> str:
        return f"{device_name(choose_device(device))}, torch {torch.__version__}"

    def _timed(self, recipes: Mapping[str, Recipe]) -> dict[str, float]:
        found, unsure = timed_steps(recipes, self.out / "timing", 60 * self.minutes, self.jobs, self.console)
        if unsure:
            say(
                f"baselines: {BUSY}: the steps of {', '.join(unsure)} took from one time to the next over "
                f"{AGREE - 1:.0%} more; the least is taken. For equal times, stop the programs, remove "
                f"{self.out / FILE} and rerun the command",
                self.console,
            )
        return found


def _digest(recipe: Recipe) -> str:
    """Return a digest of the settings that may not change when a training goes on."""
    values = {key: value for key, value in recipe.to_dict().items() if key not in FREE}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
