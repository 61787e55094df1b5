"""The trainings of one rung of a search: what is to be done, and the lines of the ledger for what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearer.core.errors import UserError
from clearer.experiments.runner import Plan
from clearer.experiments.search_ledger import add_to_ledger
from clearer.experiments.short_training import end_of, psnr_of, short
from clearer.network.architecture import Architecture
from clearer.recipe.schema import Recipe
from clearer.runs.ledger import Trained, read_ledger
from clearer.search.halving import Rung


@dataclass(frozen=True)
class Prices:
    """The cost of each network that is compared, in a unit; see `Budget.unit`."""

    costs: Mapping[Architecture, float]
    unit: str


class TrainingsOfRung:
    """The trainings of a rung, as work of all processes of a search.

    Args:
        recipe: of the search.
        out: its folder.
        numbered: the rung and its number, from 0.
        tasks: networks and the seeds of their trainings.
        prices: of the networks.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        numbered: tuple[int, Rung],
        tasks: Sequence[tuple[Architecture, int]],
        prices: Prices,
    ) -> None:
        self.number, rung = numbered
        self.ledger, self.prices = out / "ledger.jsonl", prices
        self.tasks = {_name(a, seed): (a, seed) for a, seed in tasks}

        def plan(name: str, network: Architecture, seed: int) -> Plan:
            brief = short(recipe, network, seed, rung.steps, rung.epoch, small_patches=rung.small_patches)
            return Plan(f"{network} {network.digest}", brief, out / "trainings" / name, "train")

        self.plans = [plan(name, *task) for name, task in self.tasks.items()]

    def _known(self) -> dict[tuple[str, int], Trained]:
        lines = [line for line in read_ledger(self.ledger) if line.rung == self.number]
        # An early ledger has no unit.
        return {(line.architecture, line.seed): line for line in lines if line.unit in ("", self.prices.unit)}

    def pending(self) -> list[Plan]:
        """Return the plans that have no line in the ledger."""
        known = self._known()
        tasks = self.tasks.values()
        return [
            plan for plan, (network, seed) in zip(self.plans, tasks, strict=True) if (network.text, seed) not in known
        ]

    def trained(self, plan: Plan) -> bool:
        """Return whether a training has reached the end of the rung."""
        return end_of(plan, plan.steps) is not None

    def end(self, plan: Plan, seconds: float, failed: str) -> None:
        """Add a line to the ledger."""
        network, seed = self.tasks[plan.folder.name]
        found = end_of(plan, plan.steps)
        if found is None and not failed:
            raise UserError(f"{plan.folder}: has no validation at step {plan.steps}; remove the folder and rerun")
        psnr, spent = (psnr_of(found), found["seconds"]) if found is not None else (0.0, seconds)
        cost = self.prices.costs[network]
        line = Trained(self.number, network.text, seed, plan.steps, psnr, spent, cost, self.prices.unit, failed)
        add_to_ledger(self.ledger, line)

    def lines(self) -> list[Trained]:
        """Return the lines of the rung, in the order of its tasks."""
        known = self._known()
        return [known[network.text, seed] for network, seed in self.tasks.values()]


def _name(network: Architecture, seed: int) -> str:
    return f"{network.digest}-seed{seed}"
