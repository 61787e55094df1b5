"""The verdict on a search within budgets: arms of equal training, paired seeds, resuming, and what it says."""

from __future__ import annotations

import copy
import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.data.folders import find_items
from clearer.experiments import macro_verdict as module
from clearer.experiments import macro_verdict_time, verdict_images
from clearer.experiments.budget_cost import scaled_default
from clearer.experiments.budget_results import read_chosen
from clearer.experiments.macro_verdict import MacroVerdictSettings, macro_verdict
from clearer.experiments.macro_verdict_page import as_markdown, figure, judgement
from clearer.experiments.macro_verdict_time import search_seconds, seconds_per_budget, seconds_per_step
from clearer.experiments.runner import Plan, data_settings
from clearer.experiments.search_cost import PlannedSearch
from clearer.experiments.search_ledger import add_to_ledger
from clearer.experiments.step_timing import timed_steps
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.network.network import RestorationNetwork
from clearer.pipeline.fit import fit
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import Trained
from clearer.search.halving import Schedule, Timing
from clearer.zoo.card import ModelCard
from clearer.zoo.weights import save_weights
from helpers.photos import NAMES, write_photos

QUIET = Console(quiet=True)
FIELDS = {"channels": 1, "norm": "none", "residual": True}
CHOSEN = Architecture.parse("PP", width=8, unshuffle=2, topology="unet", **FIELDS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as ``fit --budget`` leaves it, without the trainings of its search."""
    folder = tmp_path_factory.mktemp("macro")
    for part, names in (("train", NAMES[:3]), ("val", NAMES[3:4]), ("test", NAMES[4:6])):
        write_photos(folder / part, names)
    out = folder / "run"
    small = {"train.batch": 2, "train.patch": 16, "train.validation_crop": 32, "train.validation_images": 1,
             "train.epochs": 1, "train.steps_per_epoch": 1, "evaluate.protocols": ["gray-awgn-25"],
             "evaluate.samples": 0, "architecture": CHOSEN.text}  # fmt: skip
    fit("denoise-gray", out, {**data_settings(str(folder), None, None), **small}, stages=("train",), console=QUIET)
    default = scaled_default(macs_per_pixel, 2_000, FIELDS)
    (out / "budget").mkdir()
    ledger = out / "budget" / "ledger.jsonl"
    for rung, network, seed, steps, seconds in (
        (0, default, 0, 100, 2.0), (0, default, 1, 100, 2.0), (0, CHOSEN, 0, 100, 1.0), (1, CHOSEN, 0, 300, 4.0),
    ):  # fmt: skip
        add_to_ledger(ledger, Trained(rung, network.text, seed, steps, 25.0, seconds, 2_000))
    early = Schedule(3, 100, 2, small_patches=False)  # trained on the patches of the recipe
    PlannedSearch(early, Timing(0.5, 0.02), 1, 1).write(out / "budget" / "schedule.json")
    result = {"budget": "2kmac", "architecture": CHOSEN.text, "default": default.text}
    write_json(out / "budget" / "result.json", result)
    return out


def test_the_search_is_paid_for(run: Path) -> None:
    folder = RunFolder(run)
    assert search_seconds(folder) == 2 + 2 + 4 + 4 * 0.5  # a training that went on counts once
    assert seconds_per_step(folder, {"2kmac": []}, run, seconds=1, jobs=1, console=QUIET) == pytest.approx(
        {"2kmac": 0.02}
    )
    assert [one.budget for one in read_chosen(folder, ["2kMAC"])] == ["2kmac"]
    with pytest.raises(UserError, match="searched within 2kmac, not within"):
        read_chosen(folder, ["3kmac"])
    with pytest.raises(UserError, match="no finished search within a budget"):
        read_chosen(RunFolder(run.parent))


@pytest.mark.long
def test_a_verdict(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "STEPS_PER_EPOCH", 2)
    settings = MacroVerdictSettings(
        minutes=4 * 0.02 / 60, seeds=2, random=2, test=str(run.parent / "test"), jobs=1
    )  # 4 steps of the default network
    monkeypatch.setattr(module, "seconds_per_budget", lambda folder: 0.04)
    result = macro_verdict(run, tmp_path, settings, console=QUIET)
    (one,) = result["latencies"]
    kinds = [arm["kind"] for arm in one["arms"]]
    assert kinds == ["chosen", "default", "random", "random"]
    assert [arm["steps"] for arm in one["arms"]] == [4, 6, 4, 4]  # the default one trains for the search's seconds more
    assert len({arm["architecture"] for arm in one["arms"]}) == 4
    assert all(0.9 * 2_000 <= arm["macs_per_pixel"] <= 2_000 for arm in one["arms"] if arm["kind"] == "random")
    assert all(np.shape(arm["per_image"]) == (2, 2) for arm in one["arms"])
    chosen, default = (np.mean(arm["test"]) for arm in one["arms"][:2])
    assert one["over_default"]["mean"] == pytest.approx(chosen - default)
    text = (tmp_path / "macro-verdict.md").read_text()
    assert "gray-awgn-25" in text and "the search's choice" in text and (tmp_path / "macro-verdict.png").exists()

    monkeypatch.setattr(module, "carry_out", lambda plans, **_: [fail(plan) for plan in plans if not plan.finished])
    monkeypatch.setattr(module, "sampled", lambda *_, **__: pytest.fail("random networks are kept"))
    monkeypatch.setattr(verdict_images, "evaluate", lambda *_, **__: pytest.fail("test scores are kept"))
    again = macro_verdict(run, tmp_path, settings, console=QUIET)
    assert again["latencies"] == result["latencies"] == read_json(tmp_path / "macro-verdict.json")["latencies"]


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The trainings that verdicts plan; none is carried out or measured."""
    found: list[Plan] = []
    monkeypatch.setattr(module, "carry_out", lambda plans, **_: found.extend(plans))
    monkeypatch.setattr(module, "_compared", lambda *_: {})
    monkeypatch.setattr(module, "_measured", lambda *_: [])
    monkeypatch.setattr(module, "redraw", lambda out: None)
    return found


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_random_networks_are_timed_as_the_search_timed_its_own(
    run: Path, monkeypatch: pytest.MonkeyPatch, planned: list[Plan], tmp_path: Path, precision: str
) -> None:
    networks = [{"architecture": CHOSEN.text, "cost": 2_000}]
    about = {"space": "macro", "budget": "2kmac", "measured_on": None, "precision": precision}
    monkeypatch.setattr(module, "seconds_per_budget", lambda folder: 0.04)
    seen = []

    def cost(budget: Budget, recipe: Recipe, console: Console) -> tuple[Any, float]:
        seen.append(recipe.precision)
        return macs_per_pixel, 2_000

    monkeypatch.setattr(module, "cost_of_networks", cost)
    file = run / "budget" / "candidates.json"
    write_json(file, about | {"networks": networks})
    try:
        settings = MacroVerdictSettings(seeds=1, random=2, test=str(run.parent / "test"), jobs=1)
        macro_verdict(run, tmp_path, settings, console=QUIET)
    finally:
        file.unlink()
    assert [*seen, *(plan.recipe.precision for plan in planned)] == [
        precision,
        *["auto"] * 4,
    ]  # the trainings keep the precision of the run


def test_steps_on_larger_patches_than_those_of_the_search_are_timed_once(
    run: Path, monkeypatch: pytest.MonkeyPatch, planned: list[Plan], tmp_path: Path
) -> None:
    copied = shutil.copytree(run, tmp_path / "run")
    PlannedSearch(Schedule(3, 100, 2), Timing(0.5, 0.02), 1, 1).write(copied / "budget" / "schedule.json")
    timed: list[Recipe] = []

    def timings(recipes: Any, place: Path, seconds: float, *_: Any) -> tuple[dict[str, float], list[str]]:
        assert seconds == 240
        timed.extend(recipes.values())
        return dict(zip(recipes, (0.3, 0.5), strict=True)), []

    monkeypatch.setattr(macro_verdict_time, "timed_steps", timings)
    settings = MacroVerdictSettings(minutes=4, seeds=1, random=2, test=str(run.parent / "test"), jobs=2)
    for _ in range(2):
        macro_verdict(copied, tmp_path / "out", settings, console=QUIET)
    assert [recipe.train.patch for recipe in timed] == [16, 16] and len({recipe.train.seed for recipe in timed}) == 2
    # 4 minutes of 0.4 s; the search took 12 s, which are less than half of 100 steps
    assert [plan.steps for plan in planned] == 2 * [600] * 4
    assert read_json(tmp_path / "out" / "timing.json") == {"2kmac": 0.4}


def test_a_timed_training_has_the_patches_of_its_recipe(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = module._plan(RunFolder(run).read_recipe(), "default", CHOSEN, 0, 100, tmp_path).recipe
    found, _ = timed_steps({"0": recipe, "1": recipe}, tmp_path / "timing", 0.01, 1, QUIET)
    assert found.keys() == {"0", "1"} and min(found.values()) > 0 and not (tmp_path / "timing").exists()


def test_the_verdict_on_several_budgets(run: Path, planned: list[Plan], tmp_path: Path) -> None:
    whole = shutil.copytree(run, tmp_path / "whole")
    chosen = read_json(whole / "budget" / "result.json")
    several = [chosen | {"run": "2kmac"}, chosen | {"budget": "2.2kmac", "run": "2.2kmac"}]
    write_json(whole / "budget" / "result.json", {"budgets": several})
    (whole / "2kmac").mkdir()
    (whole / "recipe.yaml").rename(whole / "2kmac" / "recipe.yaml")
    shutil.copytree(whole / "2kmac", whole / Budget.parse("2.2kmac").folder)
    assert seconds_per_budget(RunFolder(whole)) == search_seconds(RunFolder(run)) / 2
    settings = MacroVerdictSettings(minutes=1, seeds=1, random=2, test=str(run.parent / "test"), jobs=1)
    both = macro_verdict(whole, tmp_path / "both", settings, console=QUIET)
    seen = [plan.name for plan in planned]
    # the chosen and the default network of both budgets are the same, and trained once
    assert len(seen) == len(set(seen)) and sum(name.startswith(("chosen", "default")) for name in seen) == 2
    one = dataclasses.replace(settings, latencies=["2.2kmac"])
    assert macro_verdict(whole, tmp_path / "one", one, console=QUIET)["seconds_of_search"] == both["seconds_of_search"]


def fail(plan: Any) -> None:
    pytest.fail(f"{plan.name} is trained again")


def test_scores_are_those_of_the_weights_and_images_at_hand(run: Path, tmp_path: Path) -> None:
    plan = module._plan(RunFolder(run).read_recipe(), "chosen", CHOSEN, 0, 100, tmp_path)
    images = shutil.copytree(run.parent / "test", tmp_path / "images")

    def save(shift: float) -> None:
        torch.manual_seed(0)
        network = RestorationNetwork(CHOSEN)
        with torch.no_grad():
            for weights in network.parameters():
                weights.add_(shift)
        plan.run.last_weights.parent.mkdir(parents=True, exist_ok=True)
        save_weights(plan.run.last_weights, network, ModelCard())

    def scores() -> list[float]:
        items = find_items(images, "clean")
        return verdict_images.scores_of(plan, "cpu", items, ["gray-awgn-25"], tmp_path / "out").tolist()

    save(0)
    first, file = scores(), tmp_path / "out" / "test" / f"{plan.name}.json"
    write_json(file, read_json(file) | {"psnr": [1.0]})
    assert scores() == [1.0]  # kept
    save(0.02)
    assert scores() not in ([1.0], first)
    save(0)
    assert scores() == first
    for path in images.iterdir():
        Image.open(path).convert("L").point(lambda level: level // 2).save(path)
    assert scores() != first


def test_without_test_images_nothing_is_trained(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give --test FOLDER"):
        macro_verdict(run, tmp_path, console=QUIET)
    with pytest.raises(UserError, match="seeds 0 is too small"):
        MacroVerdictSettings(seeds=0)
    with pytest.raises(UserError, match="minutes 0 is not above 0"):
        MacroVerdictSettings(minutes=0)


def test_what_it_says() -> None:
    def interval(mean: float, low: float, high: float) -> dict[str, float]:
        return {"mean": mean, "low": low, "high": high}

    def arm(kind: str, architecture: str, *test: float) -> dict[str, Any]:
        return {"kind": kind, "architecture": architecture, "milliseconds": 9.0, "macs_per_pixel": 2e3, "steps": 4,
                "seconds": [1.0], "validation": [25.0], "test": [*test], "per_image": [[26.0]]}  # fmt: skip

    one: Any = {
        "budget": "9ms@1mp",
        "arms": [
            arm("chosen", "PP", 26.0, 26.02), arm("default", "P", 25.9), arm("random", "PPP", 25.6, 25.6),
            arm("random", "FF", 25.64, 25.64), arm("random", "PF", 25.66, 25.66),
        ],
        "best_random": "PPP",
        "over_default": interval(0.08, 0.05, 0.11),
        "over_random_mean": interval(0.1, 0.02, 0.2),
        "over_best_random": interval(0.0, -0.02, 0.02),
    }  # fmt: skip
    assert judgement(one).startswith("The search pays") and "0.38 dB above the mean of 3 random" in judgement(one)
    small = copy.deepcopy(one) | {"over_default": interval(0.04, 0.03, 0.05)}
    assert "not shown to pay" in judgement(small) and "(beyond chance)" in judgement(small)
    unsure = copy.deepcopy(one) | {"over_default": interval(0.1, -0.02, 0.2)}
    assert "indistinguishable from chance" in judgement(unsure)
    wide = copy.deepcopy(one)
    wide["arms"][2]["test"] = [25.9, 25.9]
    assert "within the chance of drawing another one" in judgement(wide)
    lonely = copy.deepcopy(one) | {"arms": one["arms"][:3]}
    assert "one cannot show how much random networks differ" in judgement(lonely)
    once = copy.deepcopy(one)
    once["arms"][0]["test"] = [26.0]
    assert "one seed cannot show" in judgement(once) and "not shown to pay" in judgement(once)
    result: Any = {"run": "mine", "recipe": "denoise-gray", "seconds_of_search": 3600.0, "steps": 4, "seeds": 1,
                   "test": "bsd68", "protocols": ["gray-awgn-25"], "latencies": [one], "written": ""}  # fmt: skip
    assert "| random (best by validation) | `PPP` | 9.0 |" in as_markdown(result)
    assert len(figure(result).axes) == 1
