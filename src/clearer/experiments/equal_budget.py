"""Train the learned baselines and networks of clearer for equal times on the same images, and measure them.

All are trained with one schedule, the recipes ``baselines/NAME-short``, which differ in the loss and, for two networks,
in the learning rate; docs/baselines.md says what such a comparison can show. Ours are among them: the published
architecture, also with a residual, which most of the others have, and that of a pretrained model; the latter also with
the settings of its own recipe. Each training gets as many steps as its time allows, by a step timed before.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError, nearest
from clearer.core.files import read_shaped
from clearer.core.text import duration
from clearer.data.folders import find_items, short_name
from clearer.experiments.equal_budget_timing import FILE, Timed, Timing
from clearer.experiments.records import Tables
from clearer.experiments.runner import Plan, carry_out, default_jobs
from clearer.experiments.step_timing import with_steps
from clearer.experiments.tables import tables
from clearer.methods.base import Method
from clearer.methods.trained_model import Running, method_of_model
from clearer.network.baselines.registry import BASELINES
from clearer.recipe.load import load_recipe, recipe_from_dict
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder

EPOCHS = 40
TRAININGS = "trainings"
UNEQUAL = 0.05
"""A training whose time differs by this share from that of the others has it stated."""
FASTEST = 10
"""One of so many epochs may be faster than the one that states what an epoch takes."""
PUBLISHED = "FPPF-FFFF-PFFP@width=16,channels={channels}"
OURS: dict[str, tuple[str, str]] = {"denoise": ("red", "denoise-gray-fast"), "derain": ("scan", "derain")}
"""By task: the baseline whose short recipe our networks are trained with, and the recipe of a model of ours."""


@dataclass(frozen=True)
class Contestant:
    """A network of the comparison: the name of its row, its task, and its recipe without images."""

    title: str
    task: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """The name of its files."""
        return re.sub(r"[^a-z0-9.-]+", "-", f"{self.task}-{self.title}".lower()).strip("-")


def contestants(tasks: Sequence[str], only: Sequence[str] = ()) -> list[Contestant]:
    """Return the networks of the comparison.

    Args:
        tasks: of ``"denoise"`` and ``"derain"``.
        only: titles or names of baselines; empty for all.

    Raises:
        UserError: ``only`` names none of them.
    """
    found = {name: load_recipe(f"baselines/{name}-short") for name in BASELINES}
    every = {name: Contestant(_title(name), recipe.task, recipe) for name, recipe in found.items()}
    for task, (shared, own) in OURS.items():
        every |= _ours(task, found[shared], load_recipe(own))
    of_tasks = {name: one for name, one in every.items() if one.task in tasks}
    for wanted in only:
        other = every.get(wanted)
        if other is not None and other.task not in tasks:
            option = {"denoise": "--noise", "derain": "--rain"}[other.task]
            raise UserError(f"only: {wanted} is to {other.task}, and there are no images for it; give {option} FOLDER")
        known = [*of_tasks, *(one.title for one in of_tasks.values())]
        if wanted not in known:
            raise UserError(f"only: {wanted!r} is not one of {', '.join(known)}{nearest(wanted, known)}")
    return [one for name, one in of_tasks.items() if not only or name in only or one.title in only]


def _title(name: str) -> str:
    network: Any = BASELINES.get(name)
    title: str = network.card.title
    return title


def _ours(task: str, shared: Recipe, own: Recipe) -> dict[str, Contestant]:
    """Return our networks of a task: with the schedule of the baselines, and with the settings of a recipe of ours."""
    text = PUBLISHED.format(channels=shared.network.channels)
    genotype = text.partition("@")[0]
    title = f"CLEARER {genotype}, width 16"
    found = [
        Contestant(title, task, _with_architecture(shared, text)),
        Contestant(f"{title}, residual", task, _with_architecture(shared, f"{text},residual=true")),
    ]
    own_title = f"CLEARER {own.name}"
    if own.given is None:
        own_title = f"CLEARER {genotype}, recipe {own.name}"
    else:
        found.append(Contestant(f"CLEARER network of {own.name}", task, _with_architecture(shared, own.given.text)))
    own = dataclasses.replace(
        own, data=shared.data, precision=shared.precision, architecture=own.architecture or genotype
    )
    found.append(Contestant(own_title, task, own))
    return {one.name: one for one in found}


def _with_architecture(shared: Recipe, text: str) -> Recipe:
    values = shared.to_dict()
    del values["baseline"]
    return recipe_from_dict(values | {"architecture": text})


def equal_budget(
    out: str | Path,
    minutes: float,
    *,
    noise: str | Path | None = None,
    rain: str | Path | None = None,
    only: Sequence[str] = (),
    jobs: int | None = None,
    running: Running | None = None,
    others: Sequence[Method] = (),
    console: Console | None = None,
    **measuring: Any,
) -> Tables | None:
    """Train all networks for equal times; with test images, measure them as `clearer.experiments.tables.tables` does.

    Finished trainings and measurements are kept; a repeated call resumes.

    Args:
        out: the folder of the experiment.
        minutes: of each training, on its share of the cores.
        noise: folder of clean images to train denoisers on; validation images are split off it.
        rain: folder of rainy pairs to train derainers on.
        only: see `contestants`.
        jobs: trainings at a time; by default one a core, or one on a GPU.
        running: device, precision and ensemble of all trained networks in the tables. The trainings take the device
            alone, since their recipes state fp32.
        others: further methods for the tables.
        console: where progress is printed; by default standard error.
        measuring: ``data_noise``, ``data_rain``, ``sigmas``, ``rain_y``, ``limit`` and ``seed`` of `tables`.

    Returns:
        The content of tables.json; None without test images.

    Raises:
        UserError: no training images are given, or see `tables`.
        Interrupted: every training has written its checkpoint.
    """
    out, console, running = Path(out), console or Console(stderr=True), running or Running()
    folders = {"denoise": noise, "derain": rain}
    tasks = [task for task, folder in folders.items() if folder is not None]
    if minutes <= 0:
        raise UserError(f"minutes: {minutes:g} is not above 0; give the minutes of each training")
    if not tasks:
        raise UserError(
            "images: none to train on; give --noise FOLDER of clean images, --rain FOLDER of pairs, or both"
        )
    chosen = [
        dataclasses.replace(one, recipe=_with_images(one.recipe, str(folders[one.task]), running.device))
        for one in contestants(tasks, only)
    ]
    jobs = jobs or default_jobs(running.device, len(chosen))
    times = Timing(out, minutes, jobs, console).seconds_per_step({one.name: one.recipe for one in chosen})
    plans = [_plan(one, out, minutes * 60 / times[one.name]) for one in chosen]
    left = minutes * 60 * sum(1 - plan.steps_done() / plan.steps for plan in plans) / jobs
    say(f"baselines: {len(plans)} trainings, about {duration(left)} left, {jobs} at a time", console)
    carry_out(plans, jobs=jobs, console=console)
    if measuring.get("data_noise") is None and measuring.get("data_rain") is None:
        return None
    methods = [_method(plan.run, running) for plan in plans]
    return tables(out, [*methods, *others], console=console, **measuring)


def _with_images(recipe: Recipe, folder: str, device: str) -> Recipe:
    data = dataclasses.replace(recipe.data, train=folder)
    if recipe.task == "derain" and not find_items(folder)[0].is_pair:
        data = dataclasses.replace(data, layout="side-by-side")  # as tables take a folder of test pairs
    return dataclasses.replace(recipe, device=device, data=data)


def _plan(one: Contestant, out: Path, steps: float) -> Plan:
    """Return the training of about so many steps, in 40 epochs or a few more: whole steps an epoch lose the least."""
    each = max(1, int(steps / EPOCHS))
    return with_steps(one.recipe, one.title, out / TRAININGS / one.name, max(1, round(steps / each)), each)


def trained_methods(folder: str | Path, running: Running | None = None) -> list[Method]:
    """Return the networks that `equal_budget` trained into a folder as methods, ours last; without unfinished ones.

    Raises:
        UserError: it holds none, or the device or the precision is not available.
    """
    runs = [RunFolder(path.parent) for path in sorted(Path(folder).glob(f"{TRAININGS}/*/recipe.yaml"))]
    runs.sort(key=lambda run: run.read_recipe().baseline is None)
    found = [_method(run, running or Running()) for run in runs if run.train.finished]
    if not found:
        raise UserError(f"{folder}: holds no finished training of 'clearer reproduce baselines'; name its folder")
    return found


def _method(run: RunFolder, running: Running) -> Method:
    """Return a trained network as a method; its notes state its training, and our reading of a baseline."""
    recipe = run.read_recipe()
    method = method_of_model(f"{recipe.description}={run}", running.device, running.precision, running.ensemble)
    notes = _trained_for(run)
    if recipe.baseline is not None:
        network: Any = BASELINES.get(recipe.baseline)
        notes += f". {network.card.reading}"
    return dataclasses.replace(method, notes=notes)


def _trained_for(run: RunFolder) -> str:
    """Return in words how long a training took by its fastest steps, as other programs only add time.

    They are those of the fastest tenth of its epochs, or those timed before, if these were faster.
    """
    ends = [0.0, *(line["seconds"] for line in run.train.read_metrics("seconds"))]
    each = sorted(after - before for before, after in itertools.pairwise(ends))
    seconds = len(each) * each[len(each) // FASTEST]
    steps, images = run.train.read_result("steps")["steps"], short_name(str(run.read_recipe().data.train))
    file = run.path.parents[1] / FILE
    minutes = seconds / 60
    if file.is_file():
        timed = read_shaped(file, Timed)
        minutes = timed["minutes"]
        seconds = min(seconds, steps * timed["seconds_per_step"].get(run.path.name, float("inf")))
    wanted = f" instead of {duration(60 * minutes)}" if abs(seconds / 60 - minutes) > UNEQUAL * minutes else ""
    return f"trained for {duration(seconds)}{wanted} ({steps:,} steps) on {images}"
