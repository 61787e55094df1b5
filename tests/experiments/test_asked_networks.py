"""A search whose sampler learns: what it trains when, that it resumes, and what it refuses."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.experiments import asked_networks
from clearer.experiments import macro_search as macro_search_module
from clearer.experiments.asked_networks import AskedNetworks, check_use
from clearer.experiments.budget_networks import shared_networks
from clearer.experiments.macro_search import Found, macro_search
from clearer.experiments.search_candidates import Candidates
from clearer.experiments.search_claims import is_anyone_present, present
from clearer.experiments.search_cost import PlannedSearch
from clearer.experiments.trained_rungs import TrainedRungs
from clearer.inference.budget import Budget
from clearer.network.cost import macs_per_pixel
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained, read_ledger
from clearer.search import halving
from clearer.search.halving import Gate, Schedule, Timing
from helpers.command import clearer as command
from helpers.tiny_search import lines_of, tiny_recipe

pytest.importorskip("optuna")
QUIET = Console(quiet=True)
BUDGET = Budget.parse("2kmac")
SCHEDULE = {"networks": 8, "steps": 2, "rungs": 2, "minutes": 1, "epoch": 2, "with_default": True, "asked": 2}


@pytest.fixture(scope="module")
def recipe(images: Path) -> Recipe:
    return tiny_recipe(images)


def searched(recipe: Recipe, out: Path, *, console: Console = QUIET, **more: Any) -> Found:
    out.mkdir(exist_ok=True)
    write_json(out / "schedule.json", SCHEDULE)
    return macro_search(recipe, out, BUDGET, minutes=1, jobs=1, console=console, **more)


@pytest.fixture(scope="module")
def searches(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a search of which 3 networks are drawn and 5 asked for."""
    out = tmp_path_factory.mktemp("asked") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(halving, "UNGUIDED", 3)
        patch.setattr(Gate, "open", True)
        searched(recipe, out, sampler="tpe")
    return out


def test_some_are_drawn_and_the_others_asked_for(searches: Path, recipe: Recipe) -> None:
    lines = read_ledger(searches / "ledger.jsonl")
    first = [line.architecture for line in lines if line.rung == 0 and line.seed == 0]
    drawn = Candidates.read(searches / "candidates.json", recipe, BUDGET)
    files = [searches / f"asked-{number}.json" for number in (1, 2, 3)]
    asked = [Candidates.read(file, recipe, BUDGET) for file in files]
    assert [len(each.networks) for each in asked] == [2, 2, 1] and not (searches / "asked-4.json").exists()
    expected = [*drawn.networks[:3], *itertools.chain.from_iterable(each.networks for each in asked)]
    assert first == [network.text for network in expected] and len(set(first)) == 8
    for each in asked:
        assert all(
            each.forms[a].fitted(macs_per_pixel, 2000, channels=1, norm="none", residual=True) for a in each.forms
        )
        assert all(0.9 * 2000 <= cost <= 2000 for cost in each.costs.values())
    last = [line for line in lines if line.rung == 1]
    assert len(last) in (2, 3) and {line.architecture for line in last} <= set(first)
    assert (searches / "optuna.journal").exists()


def test_after_a_stop_the_same_networks_are_asked_for(
    searches: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the second batch is drawn, with a journal that a crash cut short; the sampler need not be named again."""
    monkeypatch.setattr(halving, "UNGUIDED", 3)
    monkeypatch.setattr(Gate, "open", True)
    out = tmp_path / "out"
    shutil.copytree(searches, out)
    for name in ("asked-2.json", "asked-3.json", "choice.json"):
        (out / name).unlink()
    kept = (searches / "ledger.jsonl").read_text().splitlines()
    (out / "ledger.jsonl").write_text("\n".join(kept[: 2 + 3 + 2]) + "\n")
    journal = (searches / "optuna.journal").read_text()
    (out / "optuna.journal").write_text(journal[: len(journal) // 2])
    console = Console(record=True, width=200, file=io.StringIO())
    found = searched(recipe, out, console=console)
    assert lines_of(out) == lines_of(searches)
    assert found.architecture.text == read_json(searches / "choice.json")["architecture"]
    assert "6 of these trainings are left" in console.export_text()  # 1 + 2 of this rung, 2 and the default network
    with pytest.raises(UserError, match="holds a search with tpe; leave the option out"):
        searched(recipe, out, sampler="sobol")


def test_what_the_space_lacks_is_taken_from_the_drawn_ones(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Candidates.drawn(recipe, BUDGET, 6, QUIET)
    monkeypatch.setattr(asked_networks, "MISSES", 0)
    asked = AskedNetworks(recipe, tmp_path, BUDGET, drawn, QUIET)
    known = drawn.first(3)
    assert asked.batch(1, 2, known, []).networks == drawn.networks[3:5]
    assert asked.batch(2, 2, drawn.first(5), []).networks == drawn.networks[5:]
    assert asked.batch(3, 2, drawn, []).networks == []


def test_a_training_that_diverged_is_told(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Candidates.drawn(recipe, BUDGET, 4, QUIET)
    told: list[Any] = []
    monkeypatch.setattr(asked_networks, "write_journal", lambda known, _: told.extend(known))
    default, first, second, _ = drawn.networks
    lines = [Trained(0, a.text, s, 2, 25.0, 1.0, 1.0, "mac", f) for a, s, f in
             ((default, 1, ""), (default, 0, ""), (first, 0, ""), (second, 0, "loss is not finite"))]  # fmt: skip
    AskedNetworks(recipe, tmp_path, BUDGET, drawn, QUIET).end(drawn, lines)
    assert [(each.form, each.psnr) for each in told] == [(drawn.forms[first], 25.0), (drawn.forms[second], None)]


@pytest.mark.parametrize("fault", ["device", "optuna"])
def test_a_process_that_cannot_ask_waits_for_one_that_can(
    fault: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with a line where no other is at work; it may itself be on the device whose time counts."""
    drawn = Candidates.drawn(recipe, BUDGET, 4, QUIET)
    message = "optuna is not installed"
    if fault == "device":
        drawn, message = dataclasses.replace(drawn, measured_on="a camera"), "to be timed on a camera, where no process"
    asked = AskedNetworks(recipe, tmp_path, BUDGET, drawn, QUIET)
    with contextlib.nullcontext() if fault == "device" else present(tmp_path):
        monkeypatch.setitem(sys.modules, "optuna", sys.modules["optuna"] if fault == "device" else None)
        with pytest.raises(UserError, match=message):
            asked.batch(1, 2, drawn, [])
        waited: list[float] = []

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            dataclasses.replace(drawn, costs=dict(list(drawn.costs.items())[2:])).write(
                tmp_path / "asked-1.json", recipe
            )

        monkeypatch.setattr(asked_networks.time, "sleep", sleep)
        with present(tmp_path):
            assert asked.batch(1, 2, drawn, []).networks == drawn.networks[2:]
        assert waited


def test_all_processes_on_the_device_are_present_until_they_end(tmp_path: Path) -> None:
    assert not is_anyone_present(tmp_path)
    with present(tmp_path):
        with present(tmp_path):
            assert is_anyone_present(tmp_path) and is_anyone_present(tmp_path, besides=True)
        assert is_anyone_present(tmp_path) and not is_anyone_present(tmp_path, besides=True)
    assert not is_anyone_present(tmp_path)


def test_a_journal_that_cannot_be_written_is_said(recipe: Recipe, tmp_path: Path) -> None:
    drawn = Candidates.drawn(recipe, BUDGET, 4, QUIET)
    (tmp_path / "optuna.journal").mkdir()
    console = Console(record=True, width=300, file=io.StringIO())
    AskedNetworks(recipe, tmp_path, BUDGET, drawn, console).batch(1, 2, drawn.first(2), [])
    assert "optuna.journal is not written (" in console.export_text()


def test_what_is_of_several_budgets_or_of_an_early_version_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    """The schedule of one budget, taken for several, and networks whose forms are not known."""
    drawn = Candidates.drawn(recipe, BUDGET, 8, QUIET)
    write_json(tmp_path / "budget" / "schedule.json", SCHEDULE)
    with pytest.raises(UserError, match="holds a search with --sampler tpe for one budget; choose another with --out"):
        shared_networks(recipe, RunFolder(tmp_path), [BUDGET, Budget.parse("3kmac")], minutes=1, jobs=1, console=QUIET)
    dataclasses.replace(drawn, forms={}).write(tmp_path / "budget" / "candidates.json", recipe)
    with pytest.raises(UserError, match="from which --sampler tpe cannot go on; choose another folder"):
        macro_search(recipe, tmp_path / "budget", BUDGET, minutes=1, jobs=1, console=QUIET)


def test_a_search_that_has_ended_needs_no_optuna(
    searches: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halving, "UNGUIDED", 3)
    monkeypatch.setattr(Gate, "open", True)
    monkeypatch.setitem(sys.modules, "optuna", None)
    out = tmp_path / "out"
    shutil.copytree(searches, out)
    found = searched(recipe, out, sampler="tpe")
    assert found.architecture.text == read_json(searches / "choice.json")["architecture"]
    with pytest.raises(UserError, match="optuna is not installed"):
        macro_search(recipe, tmp_path / "new", BUDGET, minutes=1, jobs=1, sampler="tpe", console=QUIET)
    assert not (tmp_path / "new" / "candidates.json").exists()


def test_a_search_too_short_for_the_sampler_says_so(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[int] = []

    def plan(*_: Any, asked: int) -> PlannedSearch:
        planned.append(asked)
        return PlannedSearch(dataclasses.replace(Schedule.of(9, 3), asked=asked), Timing(1.0, 0.1), 10, 1)

    def halved(*_: Any) -> Any:
        raise UserError("enough")

    monkeypatch.setattr(macro_search_module, "plan_search", plan)
    monkeypatch.setattr(TrainedRungs, "halved", halved)
    for sampler, said in (("tpe", 1), (None, 0)):
        console = Console(record=True, width=200, file=io.StringIO())
        with pytest.raises(UserError, match="enough"):
            macro_search(recipe, tmp_path / f"{sampler}", BUDGET, minutes=10, jobs=2, sampler=sampler, console=console)
        assert (
            console.export_text().count("10 minutes allow 9, which are all quasi-random; to use it, allow more") == said
        )
    assert planned == [2, 0]


def test_a_sampler_fits_its_search(tmp_path: Path) -> None:
    check_use("tpe", "halving", ["9ms@1mp"])
    for sampler, way, budgets, message in (
        ("random", None, ["9ms@1mp"], "'random' is not one of sobol, tpe"),
        ("tpe", None, [], "for a search with --budget by halving"),
        ("sobol", "slimmable", ["9ms@1mp"], "for a search with --budget by halving"),
        ("tpe", None, ["9ms@1mp", "5ms@1mp"], "serves one --budget, 2 are given"),
    ):
        with pytest.raises(UserError, match=message):
            check_use(sampler, way, budgets)
    found = command("fit", "denoise-gray", "--sampler", "tpe", "-o", tmp_path / "run")
    assert found.status == 2 and "--sampler tpe: is for a search with --budget" in found.err
    write_json(RunFolder(tmp_path / "several").budgeted_networks, {})
    found = command("search", "denoise-gray", "--budget", "2kmac", "--sampler", "tpe", "-o", tmp_path / "several")
    assert found.status == 2 and "--sampler tpe: serves one --budget, and" in found.err
    assert not (tmp_path / "run").exists()
