"""Seconds of a step of trainings, measured beside others as the trainings will run."""

from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from clearer.experiments.runner import Plan, carry_out
from clearer.recipe.schema import Recipe

SECONDS, SHARE = 10.0, 0.1
"""Of a timed epoch, about; at most this share of a training."""
AGREE, ROUNDS = 1.1, 3
"""Two timed epochs differ by at most this factor, or both are timed again, so many times in all."""
BUSY = "other programs keep this machine busy"


def timed_steps(
    recipes: Mapping[str, Recipe], place: Path, seconds: float, jobs: int, console: Console
) -> tuple[dict[str, float], list[str]]:
    """Return the seconds of a step of each training by its name, and the names of those that are not sure.

    A step of each is timed roughly, then epochs of `SECONDS`, until two of them agree. Few steps do not tell it: where
    the training beside has just started, they took up to twice as long.

    Args:
        recipes: of the trainings, by a name that a folder can have.
        place: folder of the timed trainings, which is removed.
        seconds: of a training.
        jobs: trainings at a time.
        console: where progress is printed.

    Raises:
        UserError, Interrupted: see `carry_out`.
    """
    trained = _Trained(place, jobs, console)
    rough = {name: ends[1] - ends[0] for name, ends in trained.ends(recipes, dict.fromkeys(recipes, 1), 3).items()}
    found: dict[str, float] = {}
    left = dict(recipes)
    for _ in range(ROUNDS):
        counts = {name: math.ceil(min(SECONDS, SHARE * seconds) / max(rough[name], 1e-4)) for name in left}
        for name, ends in trained.ends(left, counts, 4).items():
            pair = ends[1] - ends[0], ends[2] - ends[1]
            found[name] = min(found.get(name, math.inf), max(1e-4, min(pair) / counts[name]))
            if max(pair) <= AGREE * min(pair):
                del left[name]
        if not left:
            break
    return found, list(left)


@dataclasses.dataclass(frozen=True)
class _Trained:
    place: Path
    jobs: int
    console: Console

    def ends(self, recipes: Mapping[str, Recipe], steps: Mapping[str, int], epochs: int) -> dict[str, list[float]]:
        """Train each for some epochs of so many steps; return the seconds at their ends.

        The first one warms up, and the last one ends with a validation.
        """
        shutil.rmtree(self.place, ignore_errors=True)
        plans = {
            name: with_steps(recipe, name, self.place / name, epochs, steps[name]) for name, recipe in recipes.items()
        }
        carry_out(list(plans.values()), jobs=self.jobs, console=self.console)
        found = {
            name: [line["seconds"] for line in plan.run.train.read_metrics("seconds")] for name, plan in plans.items()
        }
        shutil.rmtree(self.place, ignore_errors=True)
        return found


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
