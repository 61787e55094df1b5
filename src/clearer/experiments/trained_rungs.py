"""The rungs of a search, trained one after another by all its processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from clearer.core.console import say
from clearer.core.errors import UserError
from clearer.core.text import duration
from clearer.experiments import short_worker
from clearer.experiments.asked_networks import AskedNetworks
from clearer.experiments.search_candidates import Candidates, ranking
from clearer.experiments.search_claims import CLAIMS
from clearer.experiments.search_cost import PlannedSearch
from clearer.experiments.search_rung import Prices, TrainingsOfRung
from clearer.experiments.search_workers import Workers, train_together
from clearer.experiments.short_worker import ShortWorker
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.ledger import Trained
from clearer.search.halving import SEEDS, Gate, Rung, gate


@dataclass
class TrainedRungs:
    """A search by successive halving: what it compares, and how it is planned.

    Args:
        recipe: of the search.
        out: its folder.
        budget: of the networks.
        planned: the rungs.
        workers: of this process.
        console: where progress is printed; what the search costs first.
    """

    recipe: Recipe
    out: Path
    budget: Budget
    planned: PlannedSearch
    workers: Workers
    console: Console
    _shown: bool = False
    _idle: list[ShortWorker] = field(default_factory=list)

    def halved(self, compared: Candidates) -> tuple[list[Trained], Gate]:
        """Train all rungs, unless the first one shows that there is nothing to choose.

        Args:
            compared: the networks, the default first; where a sampler is asked for some, these are the others that are
                drawn, of which the search takes what it does not get from the sampler.

        Returns:
            The lines of the ledger, and the gate.

        Raises:
            UserError: all trainings of the first rung diverged.
        """
        with ExitStack() as stack:
            stack.callback(lambda: short_worker.stop(self._idle))
            return self._halved(compared)

    def _halved(self, compared: Candidates) -> tuple[list[Trained], Gate]:
        begun, (first, *later) = time.monotonic(), self.planned.schedule
        known, lines, judged = self._first(first, compared)
        self._say_time(0, begun)
        if not judged.open:
            return lines, judged
        default, by_text = compared.networks[0], {network.text: network for network in known.costs}
        for number, rung in enumerate(later, 1):
            begun, ranked = time.monotonic(), ranking(lines)
            alive = [by_text[text] for text in ranked[: rung.networks]]
            if self.planned.schedule.with_default and default.text in ranked[rung.networks :]:
                alive.append(default)  # what the choice is compared with, after equal steps
            lines = lines + self._trained(number, rung, known, [(network, 0) for network in alive])
            self._say_time(number, begun)
        return lines, judged

    def _first(self, rung: Rung, compared: Candidates) -> tuple[Candidates, list[Trained], Gate]:
        """Train the first rung; return its networks, too. What is asked for waits for the gate."""
        parts, schedule = self.planned.schedule.parts(), self.planned.schedule
        known = compared.first(parts[0]) if schedule.asked else compared
        default = known.networks[0]
        tasks = [*((default, seed) for seed in range(1, SEEDS)), *((network, 0) for network in known.networks)]
        lines = self._trained(0, rung, known, tasks, waiting=parts[1:])
        if not ranking(lines):
            raise UserError(
                "search: every training of the first rung diverged; lower train.optimizer.lr, "
                "and search in another folder with --out"
            )
        own = [x.psnr for x in lines if x.architecture == default.text and not x.failed]
        judged = gate([x.psnr for x in lines if x.seed == 0 and not x.failed], own)
        if not judged.open or not parts[1:]:
            return known, lines, judged
        asked = AskedNetworks(self.recipe, self.out, self.budget, compared, self.console)
        for number, count in enumerate(parts[1:], 1):
            batch = asked.batch(number, count, known, lines)
            known = replace(known, costs={**known.costs, **batch.costs}, forms={**known.forms, **batch.forms})
            tasks = [(network, 0) for network in batch.networks]
            lines = lines + self._trained(0, rung, known, tasks, waiting=parts[number + 1 :])
        asked.end(known, lines)
        return known, lines, judged

    def _trained(
        self,
        number: int,
        rung: Rung,
        known: Candidates,
        tasks: Sequence[tuple[Architecture, int]],
        waiting: Sequence[int] = (),
    ) -> list[Trained]:
        """Do trainings of a rung; ``waiting``: those that follow in it, one part after another."""
        work = TrainingsOfRung(self.recipe, self.out, (number, rung), tasks, Prices(known.costs, self.budget.unit))
        if pending := len(work.pending()):
            if not self._shown:
                self._shown = True
                left = [pending, *waiting]
                self.planned.show(str(self.budget), self.workers, self.console, rung=number, pending=left)
            name, claims = f"rung {number + 1}", self.out / CLAIMS
            # Processes start in seconds, so those of one part train the next, too.
            train_together(work, name=name, claims=claims, workers=self.workers, console=self.console, idle=self._idle)
        return work.lines()

    def _say_time(self, number: int, begun: float) -> None:
        if self._shown:
            expected = self.planned.timing.of_rungs(self.planned.schedule, self.workers.jobs)[number]
            took = duration(time.monotonic() - begun)
            say(f"search: rung {number + 1} took {took}, expected {duration(expected)}", self.console)
