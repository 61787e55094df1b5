"""The networks that a search compares: drawn and timed by one process, and kept for all others and for a later call."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from rich.console import Console

from clearer.core.cores import cores
from clearer.core.device import choose_precision
from clearer.core.errors import UserError
from clearer.core.files import read_shaped, write_json, write_text
from clearer.experiments.budget_cost import DEFAULT, cost_of_networks, fixed_fields, scaled_default, timed_precision
from clearer.experiments.short_training import short
from clearer.inference.budget import Budget
from clearer.inference.latency import using_threads
from clearer.inference.latency_table import device_name
from clearer.network.architecture import Architecture
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained
from clearer.search.halving import best
from clearer.search.macro_space import Cost, Form, sampled_forms
from clearer.training import distributed
from clearer.training.run_device import choose_device

MACRO, GENOTYPES = "macro", "genotypes"
"""Spaces: that of `clearer.search.macro_space`, and the published one at the width of the scaled default network."""


class _Form(TypedDict):
    topology: str
    scales: int
    unshuffle: int
    growth: float
    depth: int
    profile: str
    pattern: str
    more: int


class _Priced(TypedDict):
    """A network; the form is that of one which was drawn, and early searches lack it."""

    architecture: str
    cost: float
    form: NotRequired[_Form]


class _KeptCandidates(TypedDict):
    """candidates.json."""

    space: str
    budget: str
    measured_on: str | None
    precision: NotRequired[str]
    networks: list[_Priced]


@dataclass(frozen=True)
class Candidates:
    """The networks of a search, and what each costs.

    Args:
        budget: of the search, in words.
        measured_on: the device whose time counts; None where multiply-adds do.
        costs: of each network, the default network first, in the unit of the budget.
        space: `MACRO`; in that of `GENOTYPES` the default network alone stands for all.
        precision: in which they were timed.
        forms: of those that were drawn.
    """

    budget: str
    measured_on: str | None
    costs: Mapping[Architecture, float]
    space: str = MACRO
    precision: str = "fp32"
    forms: Mapping[Architecture, Form] = field(default_factory=dict)

    @property
    def networks(self) -> list[Architecture]:
        """All of them, the default network first."""
        return list(self.costs)

    def first(self, count: int) -> Candidates:
        """Return the first of them."""
        costs = dict(itertools.islice(self.costs.items(), count))
        return dataclasses.replace(self, costs=costs, forms={a: f for a, f in self.forms.items() if a in costs})

    @classmethod
    def drawn(
        cls, recipe: Recipe, budget: Budget, count: int, console: Console, networks: Sequence[Architecture] = ()
    ) -> Candidates:
        """Draw networks of 90 to 100 % of a budget, the default network among them, unless they are given.

        Raises:
            UserError: nothing in the space meets the budget.
        """
        cost, amount = cost_of_networks(budget, recipe, console)
        forms: dict[Architecture, Form] = {}
        if not networks:
            default = scaled_default(cost, amount, fixed_fields(recipe))
            forms = forms_within(cost, amount, recipe, default, count)
            networks = [default, *forms]
        costs = {network: cost(network) for network in networks}
        precision = timed_precision(recipe.precision)
        return cls(str(budget), device_here(recipe, budget), costs, precision=precision, forms=forms)

    def write(self, file: Path, recipe: Recipe) -> None:
        """Write a file, and beside it the recipe of the trainings."""
        if not (file.parent / "recipe.yaml").exists():
            write_text(file.parent / "recipe.yaml", _common(recipe).to_yaml())
        networks = [self._priced(network) for network in self.costs]
        about = {"budget": self.budget, "measured_on": self.measured_on, "precision": self.precision}
        write_json(file, {"space": self.space, **about, "networks": networks})

    def _priced(self, network: Architecture) -> _Priced:
        found: _Priced = {"architecture": network.text, "cost": self.costs[network]}
        if network in self.forms:
            found["form"] = cast(_Form, dataclasses.asdict(self.forms[network]))
        return found

    @classmethod
    def read(
        cls, file: Path, recipe: Recipe, budget: Budget, space: str = MACRO, *, may_be_none: bool = False
    ) -> Candidates:
        """Read a file of `write`; ``may_be_none``: it may have no networks.

        Raises:
            UserError: the file is damaged, or they are those of another space, budget or recipe.
        """
        out, kept = file.parent, read_shaped(file, _KeptCandidates)
        try:
            read = [(Architecture.parse(each["architecture"]), each) for each in kept["networks"]]
        except UserError as error:
            raise UserError(f"{file}: damaged ({error}); choose another folder with --out") from error
        if not (read or may_be_none):
            raise UserError(f"{file}: damaged (no networks); choose another folder with --out")
        precision = kept.get("precision") or precision_before(recipe)
        costs = {network: each["cost"] for network, each in read}
        forms = {network: Form(**each["form"]) for network, each in read if "form" in each}
        found = cls(kept["budget"], kept["measured_on"], costs, kept["space"], precision, forms)
        for what, before, now in (("space", found.space, space), ("budget", found.budget, str(budget))):
            if before != now:
                raise UserError(
                    f"{out}: holds a search of another {what} ({before}, now {now}); choose another folder with --out"
                )
        refuse_other_recipe(RunFolder(out), _common(recipe))
        return found


def precision_before(recipe: Recipe) -> str:
    """Return the precision in which a search that does not state it timed its networks: that of its trainings."""
    return choose_precision(recipe.precision, choose_device(recipe.device))


def precision_of_search(folder: RunFolder, recipe: Recipe) -> str:
    """Return the precision in which a search timed its networks, by what it kept.

    Raises:
        UserError: what it kept is damaged.
    """
    kept = [read_shaped(file, _KeptCandidates) for file in sorted(folder.budget.glob("candidates*.json"))]
    return (kept[0].get("precision") or precision_before(recipe)) if kept else timed_precision(recipe.precision)


def forms_within(
    cost: Cost, amount: float, recipe: Recipe, default: Architecture, count: int
) -> dict[Architecture, Form]:
    """Return quasi-random networks of 90 to 100 % of a budget and their forms, ``count`` with the default network."""
    sample = sampled_forms(cost, amount, recipe.seed, **fixed_fields(recipe))
    others = ((network, form) for form, network in sample if network != default)
    return dict(itertools.islice(others, count - 1))


def _common(recipe: Recipe) -> Recipe:
    """Return what the short trainings of all networks have in common, as a recipe."""
    return short(recipe, Architecture.parse(DEFAULT, **fixed_fields(recipe)), 0, 1)


def on_all_threads() -> AbstractContextManager[object]:
    """Measure on all threads of the machine: torchrun gives each of its processes one."""
    return using_threads(cores()) if distributed.launched()[1] > 1 else nullcontext()


def device_here(recipe: Recipe, budget: Budget) -> str | None:
    """Return the name of the device of this machine, for a budget in time."""
    return None if budget.milliseconds is None else device_name(choose_device(recipe.device))


def ranking(lines: list[Trained]) -> list[str]:
    """Return the networks of the first seed, the best first: those of the last rung, then those of the one before.

    A network of which a training failed is out.
    """
    own = [line for line in lines if line.seed == 0]
    out = {line.architecture for line in own if line.failed}
    found: list[str] = []
    for rung in sorted({line.rung for line in own}, reverse=True):
        psnr = {x.architecture: x.psnr for x in own if x.rung == rung and x.architecture not in out}
        found += [text for text in best(psnr, len(psnr)) if text not in found]
    return found
