"""Checks before a search within a budget, which are those of a run as far as they need no architecture."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.core.errors import UserError
from clearer.inference.budget import Budget
from clearer.pipeline.loss_checks import check_losses
from clearer.pipeline.run_checks import check_images
from clearer.recipe.schema import Recipe
from clearer.runs.budget_record import read_results
from clearer.runs.layout import RunFolder
from clearer.training import distributed


def check_before_search(recipe: Recipe, folder: RunFolder, budgets: Sequence[Budget], stages: Sequence[str]) -> None:
    """Check that a run can work before its search times and trains anything.

    Args:
        recipe: all settings but the architecture.
        folder: the run folder; it is read, not written.
        budgets: of the search.
        stages: of search, train, evaluate.

    Raises:
        UserError: a loss, the images or a protocol do not fit, or the stages are without the search, which has not
            ended.
    """
    if "search" not in stages:
        _refuse_unsearched(folder, budgets)
    check_losses(recipe)
    if not distributed.launched()[0]:  # of several processes, the first one checks the images for all
        check_images(recipe)


def _refuse_unsearched(folder: RunFolder, budgets: Sequence[Budget]) -> None:
    ended = {(result["unit"], result["amount"]) for result in read_results(folder)}
    if folder.has_several_budgets:
        left = [budget.text for budget in budgets if (budget.unit, budget.amount) not in ended]
    else:
        found = ended or (folder.budget / "choice.json").exists() or folder.architecture.exists()
        left = [] if found else [budget.text for budget in budgets]
    if left:
        raise UserError(
            f"{folder}: the search within {' and '.join(left)} has not ended; run 'clearer search' with the same "
            "options first, or 'clearer fit', which does both"
        )
