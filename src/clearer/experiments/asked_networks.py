"""The networks of a first rung that a sampler asks for, some at a time, by the PSNR of those trained before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError, one_line
from clearer.core.text import duration
from clearer.experiments.budget_cost import cost_of_networks, fixed_fields
from clearer.experiments.published_search import HALVING
from clearer.experiments.search_candidates import Candidates, device_here, on_all_threads
from clearer.experiments.search_claims import CLAIMS, WAIT, claimed, is_anyone_present, once
from clearer.experiments.search_cost import LONG
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.ledger import Trained
from clearer.search.macro_space import Cost, Form
from clearer.search.tpe import Estimator, Told, checked_optuna, write_journal

SOBOL, TPE = "sobol", "tpe"
"""Samplers of the first rung: quasi-random points, and Optuna's tree-structured Parzen estimator after some of them."""
JOURNAL = "optuna.journal"
MISSES = 64
"""Forms in a row that are no new network of the budget, after which quasi-random ones are taken."""


def check_sampler(sampler: str | None) -> None:
    """Refuse a sampler that is unknown or not installed.

    Raises:
        UserError: see above.
    """
    if sampler not in (None, SOBOL, TPE):
        raise UserError(f"--sampler: {sampler!r} is not one of {SOBOL}, {TPE}")
    if sampler == TPE:
        checked_optuna()


def check_use(sampler: str, way: str | None, budgets: Sequence[str]) -> None:
    """Refuse a sampler where the other options of a search have none.

    Raises:
        UserError: see above, or `check_sampler`.
    """
    check_sampler(sampler)
    if way not in (None, HALVING) or not budgets:
        raise UserError(f"--sampler {sampler}: is for a search with --budget by {HALVING}; leave it out")
    if sampler != SOBOL and len(budgets) > 1:
        raise UserError(f"--sampler {sampler}: serves one --budget, {len(budgets)} are given; leave it out")


@dataclass(frozen=True)
class AskedNetworks:
    """What the estimator asks for, kept in files, so that all processes and a later call train the same networks.

    Args:
        recipe: of the search.
        out: its folder.
        budget: of the networks.
        drawn: quasi-random networks, the default first.
        console: where a wait is told.
    """

    recipe: Recipe
    out: Path
    budget: Budget
    drawn: Candidates
    console: Console

    @cached_property
    def _cost(self) -> Cost:
        console = Console(quiet=True) if self.budget.milliseconds is None else self.console
        return cost_of_networks(self.budget, self.recipe, console)[0]

    def batch(self, number: int, count: int, before: Candidates, lines: Sequence[Trained]) -> Candidates:
        """Return the networks to train next, timed by a process on the device whose time counts.

        Args:
            number: of the batch, from 1.
            count: networks of it; fewer where the space has no more.
            before: all networks of the search so far.
            lines: their trainings, in the order of the search.

        Raises:
            UserError: Optuna is not installed, or this is another device, and no other process can ask.
        """
        file = self.out / f"asked-{number}.json"
        self._wait(file)

        def ask() -> None:
            begun = time.monotonic()
            with on_all_threads():
                self._asked(count, before, lines).write(file, self.recipe)
            self._write_journal(before, lines)
            if (took := time.monotonic() - begun) > LONG:
                say(f"search: timing the pieces of the next networks took {duration(took)}", self.console)

        once(file, ask, self.console)
        return Candidates.read(file, self.recipe, self.budget, may_be_none=True)

    def _wait(self, file: Path) -> None:
        """Wait for a process that can ask, where this one cannot."""
        here, needed = device_here(self.recipe, self.budget), self.drawn.measured_on
        fault: UserError | None = None
        try:
            checked_optuna()
        except UserError as error:
            fault = error
        if here != needed:
            fault = UserError(
                f"search: the next networks are to be timed on {needed}, where no process is at work, and this is "
                f"{here}; rerun the command there"
            )
        while fault is not None and not file.exists():
            # Without Optuna, this process may itself be the one that is present.
            if not is_anyone_present(self.out, besides=here == needed):
                raise fault
            time.sleep(WAIT)

    def _asked(self, count: int, before: Candidates, lines: Sequence[Trained]) -> Candidates:
        estimator = Estimator(_told(before, lines), self.recipe.seed)
        forms: dict[Architecture, Form] = {}
        misses = 0
        while len(forms) < count and misses < MISSES:
            form = estimator.ask()
            network = form.fitted(self._cost, self.budget.amount, **fixed_fields(self.recipe))
            if network is None or network in before.costs or network in forms:
                estimator.reject()
                misses += 1
                continue
            misses = 0
            forms[network] = form
        left = (network for network in self.drawn.networks if network not in before.costs and network not in forms)
        for network, _ in zip(left, range(count - len(forms)), strict=False):
            forms[network] = self.drawn.forms[network]
        costs = {network: self._cost(network) for network in forms}
        return replace(self.drawn, costs=costs, forms=forms)

    def end(self, known: Candidates, lines: Sequence[Trained]) -> None:
        """Keep a journal of all trainings, the last ones too, unless one is there that is newer than they are."""
        journal, ledger = self.out / JOURNAL, self.out / "ledger.jsonl"
        if not journal.exists() or journal.stat().st_mtime <= ledger.stat().st_mtime:
            with claimed(self.out / CLAIMS / JOURNAL):
                self._write_journal(known, lines)

    def _write_journal(self, known: Candidates, lines: Sequence[Trained]) -> None:
        try:
            write_journal(_told(known, lines), self.out / JOURNAL)
        except (OSError, UserError) as error:  # the search does not need it
            say(f"search: {self.out / JOURNAL} is not written ({one_line(error)})", self.console)


def _told(known: Candidates, lines: Sequence[Trained]) -> list[Told]:
    """Return the trainings of the first seed; the default network is of no form."""
    forms = {network.text: form for network, form in known.forms.items()}
    return [
        Told(forms[line.architecture], None if line.failed else line.psnr)
        for line in lines
        if line.seed == 0 and line.architecture in forms
    ]
