"""The search within a budget: equal costs, continued trainings, a ledger that resumes, and a gate."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.core.pressure import Watch
from clearer.experiments import (
    budget_latencies,
    budget_networks,
    search_candidates,
    search_choice,
    search_cost,
    trained_rungs,
)
from clearer.experiments.budget_cost import scaled_default
from clearer.experiments.budget_fit import measured, settings_for
from clearer.experiments.budget_latencies import write_latencies
from clearer.experiments.budget_networks import shared_networks
from clearer.experiments.macro_search import macro_search
from clearer.experiments.search_candidates import Candidates, precision_of_search, ranking
from clearer.experiments.search_choice import Choice, Stopwatch, choose
from clearer.experiments.search_cost import PlannedSearch, plan_search, probe, time_trainings
from clearer.experiments.search_ledger import add_to_ledger
from clearer.experiments.search_workers import Workers
from clearer.experiments.short_training import short
from clearer.inference.budget import Budget, ImageSize
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.fit import fit
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained, read_ledger
from clearer.search.halving import Gate, Schedule, Timing, best
from clearer.training.optimizers import learning_rate
from helpers.tiny_search import tiny_recipe

QUIET = Console(quiet=True)
BUDGET = Budget.parse("2kmac")


@pytest.fixture(scope="module")
def recipe(images: Path) -> Recipe:
    return tiny_recipe(images)


def searched(recipe: Recipe, out: Path, *, early: bool = False, console: Console = QUIET, **more: Any) -> Any:
    """Search; ``early``: as an early version planned it, which trained the default network in the first rung only."""
    out.mkdir(exist_ok=True)
    schedule = {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1}
    write_json(out / "schedule.json", schedule if early else {**schedule, "epoch": 2, "with_default": True})
    return macro_search(recipe, out, BUDGET, minutes=1, jobs=1, console=console, **more)


def test_the_default_network_is_scaled_to_the_budget(recipe: Recipe) -> None:
    fields = {"channels": 1, "norm": "none", "residual": True}
    found = scaled_default(macs_per_pixel, 45_500, fields)
    assert str(found) == "FPFF-FFFF" and 0.9 * 45_500 < macs_per_pixel(found) <= 45_500
    with pytest.raises(UserError, match="smallest default network costs"):
        scaled_default(macs_per_pixel, 10, fields)


def test_short_trainings_can_go_on(recipe: Recipe) -> None:
    fields = {"channels": 1, "norm": "none", "residual": True}
    network = scaled_default(macs_per_pixel, 2_000, fields)
    a, b = short(recipe, network, 0, 200), short(recipe, network, 0, 600)
    assert (a.train.epochs, b.train.epochs, a.train.steps_per_epoch) == (2, 6, 100)
    assert a.train.optimizer == b.train.optimizer and a.train.optimizer.lr == a.train.optimizer.lr_final
    assert a.given == network and a.train.patch % network.multiple == 0


def test_short_trainings_have_a_constant_rate_whatever_the_schedule_of_the_recipe() -> None:
    network = Architecture.parse("P@channels=1,width=4,norm=none,residual")
    steps = {"train.optimizer.schedule": "steps", "train.optimizer.milestones": [2, 4]}
    for given in ({}, steps, {"train.optimizer.schedule": "exponential"}):
        found = short(load_recipe("denoise-gray-standard", given), network, 0, 900).train
        rates = {learning_rate(found.optimizer, epoch, found.epochs) for epoch in range(1, found.epochs)}
        assert rates == {found.optimizer.lr}


def test_short_trainings_heed_no_setting_of_the_published_search() -> None:
    network = Architecture.parse("P-P-P@channels=1,width=4,norm=none,residual,unshuffle=4")
    given = load_recipe("quickstart", {"search.patch": 48})
    found = short(given, network, 0, 200)
    assert network.multiple == 32 and found.search.patch == 48 and found.given == network


def test_short_trainings_get_more_and_smaller_patches(recipe: Recipe) -> None:
    network = Architecture.parse("FPFF-FFFF@channels=1,width=4,norm=none,residual,unshuffle=2")
    given = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, batch=16, patch=64))
    assert [short(given, network, 0, 200, small_patches=small).train.patch for small in (False, True)] == [64, 32]
    assert [short(given, network, 0, 200, small_patches=small).train.batch for small in (False, True)] == [16, 32]
    small = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, batch=16, patch=24))
    assert short(small, network, 0, 200, small_patches=True) == short(small, network, 0, 200)


def test_a_search_of_an_early_version_goes_on_with_its_patches(tmp_path: Path) -> None:
    for stated, small in (({}, False), ({"small_patches": True}, True)):
        write_json(tmp_path / "schedule.json", {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1, **stated})
        planned = PlannedSearch.read(tmp_path / "schedule.json")
        assert {rung.small_patches for rung in planned.schedule} == {small}
        planned.write(tmp_path / "again.json")
        assert PlannedSearch.read(tmp_path / "again.json") == planned


def test_a_search_trains_judges_and_resumes(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Gate, "open", True)
    whole = searched(recipe, tmp_path / "whole")
    lines = read_ledger(tmp_path / "whole" / "ledger.jsonl")
    first = {line.architecture: line.psnr for line in lines if line.rung == 0 and line.seed == 0}
    alive = best(first, 2)
    if whole.default.text not in alive:
        alive.append(whole.default.text)
    assert list(whole.trained) == lines and [line.architecture for line in lines[5:]] == alive
    assert [line.steps for line in lines] == [2] * 5 + [6] * len(alive)
    assert all(line.cost <= 2_000 for line in lines)
    last = {line.architecture: line.psnr for line in lines[5:]}
    assert whole.architecture.text == best(last, 1)[0]  # the default network, too, if it is the best
    assert read_json(tmp_path / "whole" / "choice.json")["psnr"] == last
    # one that has ended says nothing of its cost
    console = Console(record=True, width=200, file=io.StringIO())
    searched(recipe, tmp_path / "whole", console=console)
    assert console.export_text() == ""
    # stopped after its second training, with a line cut short: the same choice, and nothing is trained twice
    kept = (tmp_path / "whole" / "ledger.jsonl").read_text().splitlines()
    (tmp_path / "whole" / "ledger.jsonl").write_text("\n".join([*kept[:2], kept[2][:40]]) + "\n")
    again = searched(recipe, tmp_path / "whole", console=console)
    assert "6 of these trainings are left, expected end" in console.export_text()  # 3, then 3 with the default network
    assert again.architecture == whole.architecture
    assert [(x.architecture, x.psnr) for x in again.trained] == [(x.architecture, x.psnr) for x in whole.trained]
    # a search that an early version planned ends as it was planned
    (tmp_path / "whole" / "choice.json").unlink()
    early = searched(recipe, tmp_path / "whole", early=True)
    assert [line.architecture for line in early.trained[5:]] == best(first, 2)


def test_the_default_network_is_trained_beside_the_others(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    """It may be chosen, and one whose training failed is out."""
    monkeypatch.setattr(Gate, "open", True)
    networks = Candidates.drawn(recipe, BUDGET, 4, QUIET).networks
    default, *others = (network.text for network in networks)
    skill = dict(zip((default, *others), ((24.0, 26.0), (25.2, 25.5), (25.1, 25.4), (25.0, 0.0)), strict=True))
    asked: list[list[tuple[str, int]]] = []

    def trained(work: Any, **_: Any) -> None:
        asked.append([(network.text, seed) for network, seed in work.tasks.values()])
        for network, seed in work.tasks.values():
            psnr = skill[network.text][work.number]
            line = Trained(work.number, network.text, seed, 2, psnr, 1.0, 1.0, "MAC/pixel", "" if psnr else "failed")
            add_to_ledger(work.ledger, line)

    monkeypatch.setattr(trained_rungs, "train_together", trained)
    (tmp_path / "out").mkdir()
    schedule = {"networks": 4, "steps": 2, "rungs": 2, "minutes": 1, "epoch": 2, "with_default": True}
    write_json(tmp_path / "out" / "schedule.json", schedule)
    found = macro_search(recipe, tmp_path / "out", BUDGET, minutes=1, jobs=1, networks=networks, console=QUIET)
    assert asked == [
        [(default, 1), (default, 2), *((text, 0) for text in (default, *others))],
        [(text, 0) for text in (others[0], others[1], default)],
    ]
    assert found.architecture == found.default
    lines = [line for line in found.trained if line.seed == 0]
    assert ranking(lines) == [default, others[0], others[1], others[2]]
    assert ranking([*lines, Trained(1, others[0], 0, 6, 0.0, 1.0, 1.0, failed="diverged")])[1] == others[1]


def test_a_closed_gate_takes_the_default_network(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(Gate, "open", False)
    found = searched(recipe, tmp_path / "closed")
    assert found.architecture == found.default and {line.rung for line in found.trained} == {0}


@pytest.mark.parametrize(
    ("sound", "taken"), [((), None), ((0,), 0), ((2,), 2)], ids=["none", "the default network", "another"]
)
def test_diverged_trainings_are_no_reason_to_take_the_default_network(
    recipe: Recipe, tmp_path: Path, monkeypatch: Any, sound: tuple[int, ...], taken: int | None
) -> None:
    networks = Candidates.drawn(recipe, BUDGET, 4, QUIET).networks

    def trained(work: Any, **_: Any) -> None:
        for network, seed in work.tasks.values():
            failed = "" if networks.index(network) in sound else "loss is not finite"
            add_to_ledger(work.ledger, Trained(0, network.text, seed, 2, 25.0, 1.0, 1.0, "MAC/pixel", failed))

    monkeypatch.setattr(trained_rungs, "train_together", trained)
    (tmp_path / "out").mkdir()
    schedule = {"networks": 4, "steps": 2, "rungs": 2, "minutes": 1, "epoch": 2, "with_default": True}
    write_json(tmp_path / "out" / "schedule.json", schedule)
    console = Console(record=True, width=300, file=io.StringIO())

    def search() -> Any:
        return macro_search(recipe, tmp_path / "out", BUDGET, minutes=1, jobs=1, networks=networks, console=console)

    if taken is None:
        with pytest.raises(UserError, match=r"every training of the first rung diverged; lower train\.optimizer\.lr"):
            search()
    else:
        assert search().architecture == networks[taken]
        assert "diverged" in console.export_text()


def test_a_few_short_trainings_set_the_schedule(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(search_cost, "TIMED_STEPS", 1)
    monkeypatch.setattr(search_cost, "TIMED_NETWORKS", 3)
    workers = Workers(1, 1, "cpu")
    networks = Candidates.drawn(recipe, BUDGET, 4, QUIET).networks
    around: list[float] = []
    timing = time_trainings(recipe, networks, tmp_path / "timing", workers, QUIET, around.append)
    assert timing.step > 0 and timing.around > 0 and not (tmp_path / "timing").exists()
    assert len(around) == 4 and around == sorted(around, reverse=True) and around[-1] <= timing.around
    found = PlannedSearch(Schedule.of(27, 310), timing, 10, 1)
    found.write(tmp_path / "schedule.json")
    assert PlannedSearch.read(tmp_path / "schedule.json") == found
    # no more than the minutes that are left, and nearly all of them
    asked = plan_search(recipe, [networks], tmp_path, workers, 60_000, 1000, QUIET)
    longer = Schedule.of(asked.schedule.networks, round(asked.schedule.steps * 1.02))
    assert asked.minutes == 1000 and asked.schedule.seconds(asked.timing, 1) <= 60_000
    assert longer.seconds(asked.timing, 1) > 60_000 - 600  # what timing took


def test_schedules_of_earlier_versions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    early = {"networks": 12, "steps": 300, "rungs": 3, "minutes": 13}
    for steps, epoch in ((300, 100), (1200, 100), (100, 100)):
        write_json(file, early | {"steps": steps})
        schedule = Schedule(12, steps, 3, epoch, with_default=False, small_patches=False)
        assert PlannedSearch.read(file) == PlannedSearch(schedule, Timing(0, 0), 13, 1)
    for epoch in (0, 7):
        write_json(file, early | {"epoch": epoch})
        with pytest.raises(UserError, match=rf"schedule.json: damaged \(epochs of {epoch} steps\)"):
            PlannedSearch.read(file)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"rungs": 9999}, "9999 rungs"),
        ({"rungs": 11}, "11 rungs"),
        ({"rungs": 0}, "0 rungs"),
        ({"networks": 0}, "0 networks"),
        ({"networks": 10_001}, "10001 networks"),
        ({"steps": 0}, "0 steps"),
        ({"steps": -300}, "-300 steps"),
        ({"threads": 0}, "0 threads"),
        ({"minutes": 1e300}, r"1e\+300 minutes"),
        ({"timing": {"around": -1, "step": 1}}, "-1 seconds around steps"),
        ({"timing": {"around": 1, "step": 1e308}}, r"1e\+308 seconds a step"),
        ({"timing": {"around": 1, "step": 1e5}, "rungs": 10}, r"\S* seconds in all"),
    ],
)
def test_a_damaged_schedule_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    file = tmp_path / "schedule.json"
    write_json(file, {"networks": 27, "steps": 3000, "rungs": 3, "minutes": 13} | change)
    with pytest.raises(UserError, match=rf"schedule.json: damaged \({what}\); choose another folder"):
        PlannedSearch.read(file)


def test_the_longest_schedules_that_are_read_have_an_end(tmp_path: Path) -> None:
    file = tmp_path / "schedule.json"
    timing = {"around": 9e5, "step": 15}
    write_json(file, {"networks": 27, "steps": 3000, "rungs": 10, "minutes": 9e8, "timing": timing})
    console = Console(record=True, width=100, file=io.StringIO())
    PlannedSearch.read(file).show("9 ms", Workers(1, 1, "cpu"), console)
    assert "expected end" in console.export_text()


def test_a_damaged_schedule_is_refused_before_a_network_is_timed(
    recipe: Recipe, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Candidates, "drawn", lambda *_: pytest.fail("drawn"))
    monkeypatch.setattr(budget_networks, "cost_of_networks", lambda *_: pytest.fail("timed"))
    folder = RunFolder(tmp_path)
    write_json(folder.budget / "schedule.json", {"networks": 27, "steps": 0, "rungs": 3, "minutes": 13})
    with pytest.raises(UserError, match=r"damaged \(0 steps\)"):
        macro_search(recipe, folder.budget, BUDGET, minutes=1, jobs=1, console=QUIET)
    with pytest.raises(UserError, match=r"damaged \(0 steps\)"):
        shared_networks(recipe, folder, [BUDGET, Budget.parse("3kmac")], minutes=1, jobs=1, console=QUIET)


def test_a_few_minutes_give_a_line_or_are_refused_early(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    """With two budgets the minutes are those of both; where starting alone takes too long, one training tells."""
    trained: list[str] = []

    def timed(work: Any, **_: Any) -> None:
        for plan in work.pending():
            trained.append(plan.name)
            work.done[plan.folder] = Timing(8.0, 0.1)
            work.check(8.0)

    monkeypatch.setattr(search_cost, "train_together", timed)
    workers, networks = Workers(2, 1, "cpu"), Candidates.drawn(recipe, BUDGET, 12, QUIET).networks
    console = Console(record=True, width=300, file=io.StringIO())

    def plan(minutes: float, budgets: int) -> PlannedSearch:
        trained.clear()
        return plan_search(recipe, [networks] * budgets, tmp_path, workers, 60 * minutes, minutes, console)

    assert plan(11.5, 2).schedule.networks == 8
    assert "of 300, which tell more surely which is best, take 13 minutes" in console.export_text()
    found = plan(12, 1)
    assert found.schedule.tells and len(trained) == 5 and console.export_text() == ""
    refused = r"for each of 2 budgets, takes at least 1.3 minutes, and [\d.]+ are left; allow"
    with pytest.raises(UserError, match=refused):
        plan(1, 2)
    assert len(trained) == 1
    probe(recipe, networks[0], tmp_path, 11, workers, 2, console)
    assert len(trained) == 1
    with pytest.raises(UserError, match=r"3 networks of 90 steps for each of 2 budgets, takes at least"):
        probe(recipe, networks[0], tmp_path, 2, workers, 2, console)


def test_too_few_minutes_are_refused_before_a_network_is_drawn(
    recipe: Recipe, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(search_cost, "TIMED_STEPS", 1)
    monkeypatch.setattr(Candidates, "drawn", lambda *_: pytest.fail("drawn"))
    monkeypatch.setattr(budget_networks, "cost_of_networks", lambda *_: pytest.fail("drawn"))
    with pytest.raises(UserError, match=r"3 networks of 90 steps, takes at least .* minutes, and 0 are left"):
        macro_search(recipe, tmp_path / "one", BUDGET, minutes=1e-4, jobs=1, console=QUIET)
    budgets = [BUDGET, Budget.parse("3kmac")]
    with pytest.raises(UserError, match=r"of 90 steps for each of 2 budgets, takes at least"):
        shared_networks(recipe, RunFolder(tmp_path / "two"), budgets, minutes=1e-4, jobs=1, console=QUIET)


def test_the_cost_is_shown_before_the_search(recipe: Recipe) -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    planned = PlannedSearch(Schedule(27, 300), Timing(6, 0.1), 60, 1)
    planned.show("100 ms at 1000x1000", Workers(2, 1, "cpu"), console)
    text = console.export_text()
    assert "43 trainings of 27 networks within 100 ms at 1000x1000, 2 at a time, 1 thread each" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["1", "27", "+", "2", "seeds", "300", "0.6", "9.0"] in rows
    assert ["2", "9", "+", "default", "600", "1.1", "5.5"] in rows
    assert ["3", "3", "+", "default", "1,800", "3.1", "6.2"] in rows
    assert ["all", "43", "20.7"] in rows and "expected end" in text and "20 min 42 s of the 60 minutes" in text
    assert "are left" not in text
    planned.show("100 ms at 1000x1000", Workers(2, 1, "cpu"), console, rung=1, pending=[3])  # 2 x 66 s, 2 x 186 s
    text = console.export_text()
    assert "7 of these trainings are left, expected end" in text and "in 8 min 24 s" in text


def test_a_search_of_something_else_is_refused_in_one_line(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "candidates.json"
    Candidates.drawn(recipe, BUDGET, 3, QUIET).write(file, recipe)
    found = Candidates.read(file, recipe, BUDGET)
    assert found.networks[0] == scaled_default(macs_per_pixel, 2000, {"channels": 1, "norm": "none", "residual": True})
    costs = list(found.costs.values())
    assert all(0.9 * 2000 <= cost <= 2000 for cost in costs[1:]) and costs[0] <= 2000 and found.measured_on is None
    with pytest.raises(UserError, match=r"another budget \(2 kMAC/pixel, now 3 kMAC/pixel\); choose another folder"):
        Candidates.read(file, recipe, Budget.parse("3kmac"))
    other = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, batch=4))
    with pytest.raises(UserError, match=r"another recipe \(train.batch was 2, now 4\); choose another folder"):
        Candidates.read(file, other, BUDGET)
    kept = read_json(file)
    write_json(file, {**kept, "space": "other"})
    with pytest.raises(UserError, match=r"another space \(other, now macro\)"):
        Candidates.read(file, recipe, BUDGET)
    for damaged in ("{", "[]", "{}", json.dumps({**kept, "networks": [{"architecture": "?", "cost": 1}]})):
        file.write_text(damaged)
        with pytest.raises(UserError, match=r"candidates\.json"):
            Candidates.read(file, recipe, BUDGET)


def test_the_finalists_are_measured_as_a_whole(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    ranked = [f"{letters}@channels=1,width=8" for letters in ("P-P", "F-P", "F-F", "P-F")]
    times = dict(zip(ranked, (11.0, 10.4, 8.0, 7.0), strict=True))
    asked: list[str] = []

    def measured(network: Any, **_: Any) -> dict[str, float]:
        asked.append(str(network))
        return {"milliseconds": load * times[next(text for text in ranked if text.startswith(str(network)))]}

    def watch(budget: str) -> Stopwatch:
        return Stopwatch(Budget.parse(budget), "cpu", "fp32", Architecture.parse(ranked[3]), times[ranked[3]], console)

    monkeypatch.setattr(search_choice, "measure_latency", measured)
    console, load = Console(record=True, width=300, file=io.StringIO()), 1.0
    found = choose(ranked, 3, watch("10ms@1mp"))
    assert found.architecture == ranked[1] and set(found.milliseconds) == set(ranked[:3])
    assert asked == ["P-P", "P-F", "P-P", "P-F", "F-P", "F-F"]  # twice where it is over, and the default beside it
    text = console.export_text()
    assert "takes 11 ms, more than 5% over 10 ms at 1000x1000; the next is taken" in text and "busy" not in text
    assert choose(ranked, 3, watch("7ms@1mp")).architecture == ranked[3]
    assert choose(ranked, 3, watch("5ms@1mp")).architecture == ranked[3]
    assert choose(ranked, 3, watch("2kmac")) == Choice(ranked[0], {})
    load = 5.0  # other programs slow all networks
    assert choose(ranked, 3, watch("10ms@1mp")) == found
    assert "this machine is busy: the default network takes 35 ms, and took 7;" in console.export_text()
    found.write(tmp_path / "choice.json")
    assert Choice.read(tmp_path / "choice.json") == found
    write_json(tmp_path / "choice.json", {"architecture": ranked[1], "milliseconds": {}})  # of an early version
    assert Choice.read(tmp_path / "choice.json").psnr == {}


def test_fit_takes_a_budget(recipe: Recipe, tmp_path: Path, monkeypatch: Any) -> None:
    """The search and then the training of its choice, into one run folder; a contradiction is refused."""
    monkeypatch.setattr(Gate, "open", True)
    monkeypatch.setattr("clearer.experiments.budget_latencies.PUBLISHED", {})
    monkeypatch.setattr("clearer.experiments.budget_latencies.SECONDS", 0.0)
    (tmp_path / "run" / "budget").mkdir(parents=True)
    write_json(tmp_path / "run" / "budget" / "schedule.json", {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1})
    data = {"data.train": recipe.data.train, "data.validation": recipe.data.validation}
    small = {"train.batch": 2, "train.patch": 24, "train.epochs": 1, "train.steps_per_epoch": 2}
    overrides = {**data, **small, "evaluate.protocols": [], "evaluate.samples": 0, "train.validation_crop": 32}
    folder, found = settings_for("denoise-gray", tmp_path / "run", overrides, "2kmac", jobs=1, console=QUIET)
    kept = read_json(folder / "budget" / "result.json")
    assert found["architecture"] == kept["architecture"] and len(kept["trained"]) == 7
    facts, lines = measured(folder, "2kmac"), {(x["architecture"], x["rung"]): x for x in kept["trained"]}
    rung = max(rung for text, rung in lines if text == kept["default"])
    if kept["architecture"] != kept["default"]:
        psnr = [lines[kept[role], rung]["psnr"] for role in ("architecture", "default")]
        assert list(facts["short_trainings"].values()) == [2 * 3**rung, *psnr]
    run = fit("denoise-gray", folder, found, console=QUIET)
    assert run.architecture.text == kept["architecture"] and macs_per_pixel(run.architecture) <= 2_000
    assert run.restorer("cpu").architecture == run.architecture
    for more in ({"architecture": "PF-FF"}, {"train.start": "denoise-gray"}):
        with pytest.raises(UserError, match="one is given too; leave out one of them"):
            settings_for("denoise-gray", folder, {**overrides, **more}, "2kmac", console=QUIET)


def test_a_search_that_states_no_precision_keeps_that_of_its_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, budget = load_recipe("denoise-gray"), Budget.parse("40ms@64x48")
    monkeypatch.setattr(search_candidates, "choose_precision", lambda *_: "bf16")
    network = Architecture.parse("PP@channels=1,width=8,norm=none,residual,unshuffle=2")
    folder = RunFolder(tmp_path)
    assert precision_of_search(folder, recipe) == "fp32"
    folder.budget.mkdir()
    file = folder.budget / "candidates.json"
    Candidates(str(budget), "a device", {network: 30.0}).write(file, recipe)
    assert Candidates.read(file, recipe, budget).precision == precision_of_search(folder, recipe) == "fp32"
    kept = json.loads(file.read_text())
    del kept["precision"]
    file.write_text(json.dumps(kept))
    assert Candidates.read(file, recipe, budget).precision == precision_of_search(folder, recipe) == "bf16"


def test_a_time_of_a_busy_machine_is_marked_and_said_and_threads_alone_measure_nothing_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, size = load_recipe("denoise-gray"), ImageSize(48, 32)
    network = Architecture.parse("P@channels=1,width=2,norm=none,topology=unet")
    folder = RunFolder(tmp_path)
    folder.budget.mkdir()
    monkeypatch.setattr(budget_latencies, "PUBLISHED", {})
    monkeypatch.setattr(budget_latencies, "SECONDS", 0.0)
    monkeypatch.setattr(Watch, "share", lambda _: 0.8)
    console = Console(file=io.StringIO(), width=500)
    (line,) = write_latencies(folder, recipe, {size: [network]}, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert line["busy"] == 0.8 and "kept this machine busy" in said and f"remove {folder.latencies} " in said
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    assert write_latencies(folder, recipe, {size: [network]}, Console(quiet=True)) == [line]


@pytest.mark.parametrize(("took", "said"), [(3.0, 0), (110.0, 1)])
def test_the_minutes_begin_when_the_networks_are_drawn(took: float, said: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_cost.time, "monotonic", lambda: 1000.0 + took)
    console = Console(file=io.StringIO(), width=500)
    assert search_cost.minutes_begin(1000.0, Budget.parse("9ms@1mp"), console) == 1000.0 + took
    assert console.file.getvalue().count("once for this machine and size, took 1 min 50 s;") == said  # type: ignore[attr-defined]
