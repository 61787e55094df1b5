"""A search within a budget by one slimmable network: it is trained by the sandwich rule, then slimmed to the budget."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from clearer.core.console import say
from clearer.core.device import autocast
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json, write_text
from clearer.core.text import duration
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields, scaled_default, timed_precision
from clearer.experiments.budget_fit import recipe_and_folder, settings_of_training
from clearer.experiments.published_search import SLIMMABLE
from clearer.experiments.search_candidates import Candidates, device_here
from clearer.experiments.search_choice import TOLERANCE, Choice, Stopwatch
from clearer.experiments.search_claims import once
from clearer.experiments.short_training import short
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.pipeline.fit import STAGES
from clearer.pipeline.prepared_run import prepared_run
from clearer.pipeline.teacher import taught
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.slimming_record import SlimmingPlan
from clearer.search.halving import ENOUGH, EPOCH
from clearer.search.macro_space import Cost
from clearer.search.sandwich import SandwichTraining
from clearer.search.slimmable import Quality, Slimmed, Slimming, slim
from clearer.training import distributed
from clearer.training.loop import run_job

JUDGED = 16
"""Validation images by which networks are slimmed, at most."""
TIMED_EPOCHS, TIMED_STEPS = 3, 5


def slimmable_within(
    recipe: str | Path | None,
    out: str | Path | None,
    overrides: dict[str, Any],
    budget: str,
    *,
    minutes: float = 60,
    stages: Sequence[str] = STAGES,
    console: Console,
) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """Search for what `clearer.fit` trains next; return its run folder, all its overrides, and facts for the result.

    The search is in the sub-folder ``budget`` of the run folder, and resumes there.

    Args:
        recipe, out, overrides, stages, console: see `clearer.fit`.
        budget: such as ``100ms@1mp``; see `Budget.parse`.
        minutes: about as long as the search may take, once the pieces of networks are timed on this machine.

    Raises:
        UserError: the budget cannot be met, the minutes are too few, several processes were started, or the folder
            holds a search of another budget, way or recipe.
        Interrupted: see `clearer.fit`.
    """
    wanted = Budget.parse(budget)
    if distributed.launched()[1] > 1:
        raise UserError(f"--search {SLIMMABLE}: trains one network in one process; leave torchrun out")
    resolved, folder = recipe_and_folder(recipe, out, overrides, [wanted], stages, console)
    if folder.has_several_budgets:
        raise UserError(f"{folder}: holds a search for several budgets; choose another folder with --out")
    file = folder.budget / "candidates.json"
    folder.budget.mkdir(parents=True, exist_ok=True)
    cost, amount = cost_of_networks(wanted, resolved, console)

    def draw() -> None:
        default = scaled_default(cost, amount, fixed_fields(resolved))
        slimming = Slimming.of(cost, amount, **fixed_fields(resolved))
        if (least := cost(slimming.narrowest)) > amount:
            raise UserError(
                f"budget: {wanted} is less than the narrowest slimmed network costs, {least:.4g}; use --search halving"
            )
        widest = slimming.widest
        costs = {network: cost(network) for network in (default, widest)}
        precision = timed_precision(resolved.precision)
        Candidates(str(wanted), device_here(resolved, wanted), costs, SLIMMABLE, precision).write(file, resolved)

    once(file, draw, console)
    candidates = Candidates.read(file, resolved, wanted, SLIMMABLE)
    choice = folder.budget / "choice.json"
    if not choice.exists():
        _Search(resolved, folder, wanted, candidates, minutes, console).run(cost, choice)
    found = Choice.read(choice)
    network = Architecture.parse(found.architecture)
    price = f"{found.milliseconds[found.architecture]:.4g} ms" if found.milliseconds else f"{cost(network):.4g}"
    say(f"search within {wanted}: {found.architecture}, which takes {price}", console)
    facts: dict[str, Any] = {"budget": budget}
    if found.milliseconds:
        facts |= {"at": [wanted.size.width, wanted.size.height], "milliseconds": found.milliseconds[network.text]}
    return folder.path, settings_of_training(resolved, overrides, network), facts


@dataclass(frozen=True)
class _Search:
    recipe: Recipe
    folder: RunFolder
    budget: Budget
    candidates: Candidates
    minutes: float
    console: Console

    @property
    def slimming(self) -> Slimming:
        return Slimming(self.candidates.networks[-1])

    def run(self, cost: Cost, choice: Path) -> None:
        """Train, slim, and keep the choice."""
        begun = time.monotonic()
        plan = self.folder.budget / "slimming.json"
        once(plan, lambda: write_json(plan, self._planned(cost, begun)), self.console)
        kept = read_shaped(plan, SlimmingPlan)
        if kept["minutes"] != self.minutes:
            say(f"search: goes on as it was planned, for {kept['minutes']:g} minutes", self.console)
        widest = self.slimming.widest
        say(f"search: {kept['steps']:,} steps of {widest.text}, which is slimmed to {self.budget}", self.console)
        with self._training(self.folder.budget / "supernet", kept["steps"], EPOCH) as training:
            run_job(training, training.context, minutes=self.recipe.checkpoint_minutes)
            self._slimmed(training, cost).write(choice)
        say(f"search: took {duration(time.monotonic() - begun)}", self.console)

    def _planned(self, cost: Cost, begun: float) -> SlimmingPlan:
        """Time some steps and a validation; return the steps of the minutes."""
        place = self.folder.budget / "timing"
        shutil.rmtree(place, ignore_errors=True)
        with self._training(place, TIMED_EPOCHS * TIMED_STEPS, TIMED_STEPS) as training:
            run_job(training, training.context, minutes=math.inf)
            ends = [line["seconds"] for line in training.context.folder.train.read_metrics("seconds")]
            step = max(1e-4, (ends[1] - ends[0]) / TIMED_STEPS)
            quality, before = self._quality(training), time.monotonic()
            quality(self.slimming.widest)
            judging = time.monotonic() - before
        shutil.rmtree(place, ignore_errors=True)
        amount = self.budget.amount
        slimming = judging * self.slimming.evaluations(cost, amount)
        left = 60 * self.minutes - (time.monotonic() - begun) - slimming
        steps = int(left / step)
        if steps < ENOUGH:
            needed = (60 * self.minutes - left + ENOUGH * step) / 60
            raise UserError(
                f"search minutes: a slimmable network of {ENOUGH} steps takes at least {math.ceil(needed)} minutes, "
                f"and {self.minutes:g} are given; allow more minutes"
            )
        planned: SlimmingPlan = {"minutes": self.minutes, "steps": steps // EPOCH * EPOCH}
        planned |= {"budget": str(self.budget), "unit": self.budget.unit, "amount": amount}
        return planned

    @contextmanager
    def _training(self, place: Path, steps: int, epoch: int) -> Iterator[SandwichTraining]:
        """Open the run folder of a training of the widest network."""
        widest = self.slimming.widest
        recipe = short(self.recipe, widest, 0, steps, epoch, small_patches=True)
        judged = dataclasses.replace(
            recipe.train, validation_images=min(JUDGED, recipe.train.validation_images or JUDGED)
        )
        recipe = dataclasses.replace(recipe, train=judged)
        with prepared_run(recipe, RunFolder(place), ("train",), Console(quiet=True)) as (resolved, context, _):
            context = taught(resolved, widest, dataclasses.replace(context, console=self.console))
            yield SandwichTraining(resolved, self.slimming, context)

    def _quality(self, training: SandwichTraining) -> Quality:
        context = training.context

        def quality(network: Architecture) -> float:
            with autocast(context.precision, context.device):
                return training.validation.measure(training.part(network).eval())

        return quality

    def _slimmed(self, training: SandwichTraining, cost: Cost) -> Choice:
        """Slim until the network meets the budget, by the sum of its pieces and then measured as a whole."""
        quality, history = self._quality(training), self.folder.budget / "slimming.jsonl"
        here = Slimmed(self.slimming.widest, cost(self.slimming.widest), quality(self.slimming.widest))
        path, target = [here], self.budget.amount
        default = self.candidates.networks[0]
        expected = self.candidates.costs[default]
        watch = Stopwatch(self.budget, self.recipe.device, self.candidates.precision, default, expected, self.console)
        while True:
            path += slim(self.slimming, here, cost, target, quality)
            here = path[-1]
            _keep(history, path)
            text = here.network.text
            if self.budget.milliseconds is None:
                return Choice(text, {}, {text: here.psnr})
            most = self.budget.milliseconds * (1 + TOLERANCE)
            taken = watch.milliseconds(text, most)
            is_narrowest = not self.slimming.smaller(here.network)
            if taken > most and is_narrowest:
                say(
                    f"search: {text}, the narrowest network, takes {taken:.4g} ms, more than {self.budget}",
                    self.console,
                )
            if taken <= most or is_narrowest:
                return Choice(text, {text: taken}, {text: here.psnr})
            say(f"search: {text} takes {taken:.4g} ms as a whole; it is slimmed further", self.console)
            target = here.cost * min(0.99, self.budget.milliseconds / taken)


def _keep(file: Path, path: list[Slimmed]) -> None:
    lines = ({"architecture": each.network.text, "cost": each.cost, "psnr": each.psnr} for each in path)
    write_text(file, "".join(json.dumps(line) + "\n" for line in lines))
