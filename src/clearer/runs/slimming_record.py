"""SlimmingRecord: the way from a widest network to a budget, read from a run's folder ``budget`` for its page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from clearer.core.errors import UserError
from clearer.core.files import read_shaped, shaped
from clearer.runs.layout import RunFolder


class SlimmingPlan(TypedDict):
    """slimming.json; runs of early versions lack the budget, its unit (see `Budget.unit`), and its amount in it."""

    minutes: float
    steps: int
    budget: NotRequired[str]
    unit: NotRequired[str]
    amount: NotRequired[float]


class SlimmedLine(TypedDict):
    """A line of slimming.jsonl: a network, its predicted cost in the unit of the budget, and its PSNR in dB."""

    architecture: str
    cost: float
    psnr: float


@dataclass(frozen=True)
class SlimmingRecord:
    """The outcome of a search by slimming.

    Args:
        budget, unit, amount: what a network may cost.
        steps: of the training of the widest network.
        path: from the widest network to the one that meets the budget.
    """

    budget: str
    unit: str
    amount: float
    steps: int
    path: tuple[SlimmedLine, ...]


def read_slimming_record(folder: RunFolder) -> SlimmingRecord | None:
    """Return the outcome of the slimming of a run; None where there was none, or an early version wrote it.

    Raises:
        UserError: a file is damaged.
    """
    plan, path = folder.budget / "slimming.json", folder.budget / "slimming.jsonl"
    if not (plan.is_file() and path.is_file()):
        return None
    kept = read_shaped(plan, SlimmingPlan)
    if "budget" not in kept or "unit" not in kept or "amount" not in kept:
        return None
    try:
        lines = [shaped(json.loads(line), path, SlimmedLine) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}); remove it and rerun the command that writes it") from error
    return SlimmingRecord(kept["budget"], kept["unit"], kept["amount"], kept["steps"], tuple(lines)) if lines else None
