"""What a search within budgets chose: RUN/budget/result.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from clearer.core.errors import UserError
from clearer.core.files import read_json, shaped
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.runs.layout import RunFolder


class _Kept(TypedDict):
    budget: str
    architecture: str
    default: str


class _KeptList(TypedDict):
    """result.json of several budgets; that of one is a `_Kept`."""

    budgets: list[_Kept]


@dataclass(frozen=True)
class Chosen:
    """The choice within one budget: text forms of the network and of the default one, scaled to the budget."""

    budget: str
    architecture: str
    default: str


def read_chosen(folder: RunFolder, budgets: Sequence[str] = ()) -> list[Chosen]:
    """Return the choices of a finished search, in its order.

    Args:
        folder: of the run.
        budgets: those wanted, as a person writes them; all, if empty.

    Raises:
        UserError: the run has no finished search within a budget, the file is damaged, or a budget is not one of it.
    """
    file = folder.budget / "result.json"
    if not file.exists():
        raise UserError(f"{folder}: no finished search within a budget; give a run of 'clearer fit --budget ...'")
    value = read_json(file)
    kept: list[_Kept] = (
        shaped(value, file, _KeptList)["budgets"]
        if isinstance(value, dict) and "budgets" in value
        else [shaped(value, file, _Kept)]
    )
    try:
        found = [Chosen(one["budget"], Architecture.parse(one["architecture"]).text, one["default"]) for one in kept]
    except UserError as error:
        raise UserError(f"{file}: damaged ({error}); run the same 'clearer fit --budget ...' again") from error
    if not budgets:
        return found
    known = {_amount(one.budget): one for one in found}
    for budget in budgets:
        if _amount(budget) not in known:
            names = ", ".join(one.budget for one in found)
            raise UserError(f"{folder}: searched within {names}, not within {budget}; give one of these")
    return [known[_amount(budget)] for budget in budgets]


def _amount(text: str) -> tuple[float, str]:
    """Return what a budget says, however it is written."""
    budget = Budget.parse(text)
    return budget.amount, budget.unit
