"""Seconds of a step of each training of a comparison at equal times, measured beside others as the trainings run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json
from clearer.experiments.runner import Plan, carry_out
from clearer.experiments.search_claims import CLAIMS, claimed
from clearer.inference.latency_table import device_name
from clearer.pipeline.run_folder import FREE
from clearer.recipe.schema import Recipe
from clearer.training.run_device import choose_device

FILE = "timing.json"
SECONDS, SHARE = 10.0, 0.1
"""Of a timed epoch, about; at most this share of a training."""
AGREE, ROUNDS = 1.1, 3
"""Two timed epochs differ by at most this factor, or both are timed again, so many times in all."""


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
        """Time a step of each roughly, then epochs of `SECONDS`, until two agree."""
        rough = {name: ends[1] - ends[0] for name, ends in self._epochs(recipes, dict.fromkeys(recipes, 1), 3).items()}
        found: dict[str, float] = {}
        left = dict(recipes)
        seconds = min(SECONDS, SHARE * 60 * self.minutes)
        for _ in range(ROUNDS):
            counts = {name: max(1, math.ceil(seconds / max(rough[name], 1e-4))) for name in left}
            for name, ends in self._epochs(left, counts, 4).items():
                pair = ends[1] - ends[0], ends[2] - ends[1]
                found[name] = min(found.get(name, math.inf), max(1e-4, min(pair) / counts[name]))
                if max(pair) <= AGREE * min(pair):
                    del left[name]
            if not left:
                return found
        say(
            f"baselines: other programs keep this machine busy: the steps of {', '.join(left)} took from one time to "
            f"the next over {AGREE - 1:.0%} more; the least is taken. For equal times, stop the programs, remove "
            f"{self.out / FILE} and rerun the command",
            self.console,
        )
        return found

    def _epochs(self, recipes: Mapping[str, Recipe], steps: Mapping[str, int], epochs: int) -> dict[str, list[float]]:
        """Train each for some epochs of so many steps; return the seconds at their ends.

        The first one warms up, and the last one ends with a validation.
        """
        place = self.out / "timing"
        shutil.rmtree(place, ignore_errors=True)
        plans = {name: with_steps(recipe, name, place / name, epochs, steps[name]) for name, recipe in recipes.items()}
        carry_out(list(plans.values()), jobs=self.jobs, console=self.console)
        ends = {
            name: [line["seconds"] for line in plan.run.train.read_metrics("seconds")] for name, plan in plans.items()
        }
        shutil.rmtree(place, ignore_errors=True)
        return ends


def with_steps(recipe: Recipe, title: str, folder: Path, epochs: int, steps: int) -> Plan:
    """Return a training of so many epochs and steps, which is validated once, at its end."""
    settings = dataclasses.replace(
        recipe.train,
        epochs=epochs,
        steps_per_epoch=steps,
        validate_every=epochs,
        optimizer=dataclasses.replace(recipe.train.optimizer, warmup_epochs=min(2, epochs - 1)),
    )
    evaluate = dataclasses.replace(recipe.evaluate, protocols=[], samples=0)
    recipe = dataclasses.replace(recipe, name=folder.name, description=title, train=settings, evaluate=evaluate)
    return Plan(title, recipe, folder, "train")


def _digest(recipe: Recipe) -> str:
    """Return a digest of the settings that may not change when a training goes on."""
    values = {key: value for key, value in recipe.to_dict().items() if key not in FREE}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
