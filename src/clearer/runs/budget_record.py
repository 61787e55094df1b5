"""BudgetRecord: the outcome of a search within budgets, read from a run's folder ``budget`` for its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from clearer.core.errors import UserError
from clearer.core.files import read_json, read_shaped, shaped
from clearer.network.architecture import Architecture
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained


class BudgetResult(TypedDict):
    """result.json: the choice for a budget, and a `Trained` for every network that was trained for it.

    ``amount`` and costs are in ``unit``; ``spread`` and ``chance`` are standard deviations in dB, see `Gate`. ``run``
    is the folder of its training, beside ``budget``; a single budget is trained in the folder itself.
    """

    budget: str
    run: NotRequired[str]
    unit: str
    amount: float
    architecture: str
    default: str
    spread: float
    chance: float
    trained: list[dict[str, Any]]


class SeveralResults(TypedDict):
    """result.json of several budgets."""

    budgets: list[BudgetResult]


class LatencyLine(TypedDict):
    """A network of latencies.json, measured whole on an image of ``at``.

    ``name`` is that of a published network; a network of the search has its ``architecture`` instead. ``psnr`` is that
    of its published weights on the validation images, where benchmarks/studies/front_baselines.py measured it.
    ``busy``: for what share of the time programs waited for a processor, where others kept the machine busy.
    """

    name: NotRequired[str]
    architecture: NotRequired[str]
    at: list[int]
    milliseconds: float
    quartiles: list[float]
    macs_per_pixel: float
    psnr: NotRequired[float]
    device: str
    threads: int
    precision: str
    busy: NotRequired[float]


@dataclass(frozen=True)
class Choice:
    """The outcome for one budget.

    Args:
        budget: as it was given.
        unit, amount: what a network may cost.
        architecture, default: the choice, and the default network scaled to the budget.
        spread, chance: standard deviation of PSNR over networks, and over seeds of one network.
        tried: every network of this budget after each of its rungs.
        folder: of its run: the whole one where there is a single budget.
    """

    budget: str
    unit: str
    amount: float
    architecture: Architecture
    default: Architecture
    spread: float
    chance: float
    tried: tuple[Trained, ...]
    folder: RunFolder

    @property
    def trained_psnr(self) -> float | None:
        """PSNR on the validation images after the whole training; None before its end, or without ground truth."""
        return self.folder.train.read_result().get("best_psnr") if self.folder.train.finished else None

    @property
    def longest(self) -> int:
        """Steps of the last rung."""
        return max((line.steps for line in self.tried), default=0)

    def best_of(self, architecture: Architecture) -> Trained | None:
        """Return a network after its longest training with the first seed."""
        own = [
            line for line in self.tried if line.architecture == architecture.text and line.seed == 0 and not line.failed
        ]
        return max(own, key=lambda line: line.steps, default=None)

    def beside_default(self) -> tuple[Trained, Trained] | None:
        """Return the choice and the default network after equal steps, as many as both were trained.

        None where the default network is the choice.
        """
        pair = (self.architecture.text, self.default.text)
        chosen, default = (
            {x.steps: x for x in self.tried if x.architecture == text and x.seed == 0 and not x.failed} for text in pair
        )
        both = chosen.keys() & default.keys()
        return (chosen[max(both)], default[max(both)]) if both and len(set(pair)) == 2 else None


@dataclass(frozen=True)
class BudgetRecord:
    """The outcome of a search within one or several budgets, the smallest first, and the measured latencies."""

    choices: tuple[Choice, ...]
    latencies: tuple[LatencyLine, ...]

    @property
    def units(self) -> list[str]:
        """The units of the budgets, each once."""
        return list(dict.fromkeys(choice.unit for choice in self.choices))

    def of(self, unit: str) -> list[Choice]:
        """Return the outcomes of the budgets of a unit."""
        return [choice for choice in self.choices if choice.unit == unit]

    def latency(self, architecture: Architecture, unit: str) -> LatencyLine | None:
        """Return how fast a network was measured; where multiply-adds are the unit, at any size."""
        own = (line for line in self.latencies if line.get("architecture") == architecture.text)
        return next((line for line in own if unit in (unit_at(line), "MAC/pixel")), None)

    def published(self, unit: str) -> list[LatencyLine]:
        """Return the measured networks of others."""
        return [line for line in self.latencies if line.get("name") and unit in (unit_at(line), "MAC/pixel")]

    def trainings(self) -> list[Trained]:
        """Return each training once, as long as it lasted; one that counted for two budgets, too."""
        last: dict[tuple[str, int], Trained] = {}
        for line in (line for choice in self.choices for line in choice.tried):
            known = last.get((line.architecture, line.seed))
            if known is None or line.steps > known.steps:
                last[line.architecture, line.seed] = line
        return list(last.values())


def unit_at(line: LatencyLine) -> str:
    """Return the unit of a measured time, as `Budget.unit`.

    >>> unit_at({"at": [1000, 500]})
    'ms at 1000x500'
    """
    return "ms at " + "x".join(map(str, line["at"]))


def read_results(folder: RunFolder) -> list[BudgetResult]:
    """Return the outcomes in result.json, in its order; none where there was no search, or it has not ended.

    Raises:
        UserError: the file is damaged.
    """
    file = folder.budget_result
    if not file.is_file():
        return []
    value = read_json(file)
    if isinstance(value, dict) and "budgets" in value:
        return shaped(value, file, SeveralResults)["budgets"]
    # A search before results stated the unit has no page.
    return [] if isinstance(value, dict) and "unit" not in value else [shaped(value, file, BudgetResult)]


def read_budget_record(folder: RunFolder) -> BudgetRecord | None:
    """Return the outcome of the search within budgets of a folder; None where there was none, or it has not ended.

    Raises:
        UserError: a file is damaged.
    """
    results = read_results(folder)
    if not results:
        return None
    choices = [
        _choice(result, RunFolder(folder.path / result.get("run", "")), folder.budget_result) for result in results
    ]
    ordered = sorted(choices, key=lambda choice: (choice.unit, choice.amount))
    return BudgetRecord(tuple(ordered), tuple(read_latencies(folder)))


def read_latencies(folder: RunFolder) -> list[LatencyLine]:
    """Return the lines of latencies.json; none where it is missing or damaged, since it can be measured again."""
    try:
        return read_shaped(folder.latencies, list[LatencyLine])
    except UserError:
        return []


def _choice(result: BudgetResult, folder: RunFolder, file: Path) -> Choice:
    try:
        tried = tuple(Trained.read(line, f"trained[{number}]") for number, line in enumerate(result["trained"]))
    except ValueError as error:
        raise UserError(
            f"{file}: {error}; put the file back, or remove it and rerun the command that writes it"
        ) from error
    return Choice(
        budget=result["budget"],
        unit=result["unit"],
        amount=float(result["amount"]),
        architecture=Architecture.parse(result["architecture"]),
        default=Architecture.parse(result["default"]),
        spread=float(result["spread"]),
        chance=float(result["chance"]),
        tried=tried,
        folder=folder,
    )
