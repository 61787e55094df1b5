"""Checks before a search within a budget: nothing is timed, trained or written where the run could not work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.experiments.budget_checks import check_before_search
from clearer.experiments.budget_fit import fit_budgets, settings_for
from clearer.experiments.published_search import published_within
from clearer.experiments.runner import data_settings
from clearer.experiments.slimmable_search import slimmable_within
from clearer.inference.budget import Budget
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from helpers.command import clearer

ALONE = ("train", "evaluate")
Search = Callable[..., Any]


def several(recipe: str, out: Path, given: dict[str, Any], budget: str, **more: Any) -> Any:
    return fit_budgets(recipe, out, given, [budget, "3kmac"], **more)


WAYS = [settings_for, several, published_within, slimmable_within]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Search:
    def run(given: dict[str, Any], **more: Any) -> Any:
        return request.param("denoise-gray", tmp_path / "run", given, "2kmac", console=Console(quiet=True), **more)

    return run


def test_images_that_are_missing_are_refused_first(search: Search, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        search({"data.folder": str(tmp_path / "nowhere")})
    assert not (tmp_path / "run").exists()


def test_a_protocol_that_does_not_fit_is_refused_first(search: Search, images: Path, tmp_path: Path) -> None:
    given = {**data_settings(str(images), None, None), "evaluate.protocols": ["color-awgn-25"]}
    with pytest.raises(UserError, match="color-awgn-25 is for 3 channel"):
        search(given)
    assert not (tmp_path / "run").exists()


def test_a_training_alone_needs_the_search(search: Search, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the search within 2kmac.* has not ended; run 'clearer search'"):
        search(data_settings(str(images), None, None), stages=ALONE)
    assert not (tmp_path / "run").exists()


def test_a_training_alone_goes_on_after_the_search(images: Path, tmp_path: Path) -> None:
    recipe = load_recipe("denoise-gray", data_settings(str(images), None, None))
    two, three, four = (Budget.parse(f"{amount}kmac") for amount in (2, 3, 4))
    for name, file in (("halving", "budget/choice.json"), ("published", "architecture.json")):
        (tmp_path / name / "budget").mkdir(parents=True)
        (tmp_path / name / file).write_text("{}")
        check_before_search(recipe, RunFolder(tmp_path / name), [two], ALONE)
    both = RunFolder(tmp_path / "both")
    write_json(both.budgeted_networks, {})
    ended = [
        {"budget": budget.text, "run": "x", "unit": budget.unit, "amount": budget.amount, "architecture": "P"}
        | {"default": "P", "spread": 0.0, "chance": 0.0, "trained": []}
        for budget in (two, three)
    ]
    write_json(both.budget_result, {"budgets": ended})
    check_before_search(recipe, both, [two, three], ALONE)
    with pytest.raises(UserError, match="the search within 4kmac has not ended"):
        check_before_search(recipe, both, [two, four], ALONE)


def test_train_with_a_budget_and_no_search_says_so_in_one_line(images: Path, tmp_path: Path) -> None:
    folders = ["--train", images / "train", "--validation", images / "val"]
    ended = clearer("train", "denoise-gray", "--budget", "2kmac", *folders, "-o", tmp_path / "run")
    assert ended.status == 2 and ended.err.count("\n") == 1
    assert "has not ended; run 'clearer search' with the same options first" in ended.err
    assert not (tmp_path / "run").exists()
