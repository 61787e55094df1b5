"""Baselines and networks of ours trained for equal times, then measured in tables."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clearer.core.errors import UserError
from clearer.experiments import equal_budget as module
from clearer.experiments import step_timing as timing_module
from clearer.experiments.equal_budget import Contestant, contestants, equal_budget, trained_methods
from clearer.experiments.equal_budget_timing import Timing
from clearer.experiments.runner import Plan
from clearer.methods.base import Method
from clearer.methods.scan import SCAN
from clearer.methods.trained_model import Running
from clearer.network.baselines.registry import BASELINES
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from helpers.command import clearer
from helpers.photos import NAMES, write_photos


def test_all_baselines_and_ours_take_part_with_one_schedule() -> None:
    found = contestants(["denoise", "derain"])
    assert [one.recipe.baseline for one in found if one.recipe.baseline] == list(BASELINES)
    ours = [one for one in found if one.recipe.baseline is None]
    assert [one.title for one in ours] == [
        "CLEARER FPPF-FFFF-PFFP, width 16", "CLEARER FPPF-FFFF-PFFP, width 16, residual",
        "CLEARER network of denoise-gray-fast", "CLEARER denoise-gray-fast",
        "CLEARER FPPF-FFFF-PFFP, width 16", "CLEARER FPPF-FFFF-PFFP, width 16, residual",
        "CLEARER FPPF-FFFF-PFFP, recipe derain",
    ]  # fmt: skip
    assert len({one.name for one in found}) == len(found)
    for task in ("denoise", "derain"):
        alike = [one.recipe for one in found if one.task == task and one.recipe.train.optimizer.kind == "adam"]
        assert len({str(recipe.data) for recipe in alike}) == len({recipe.train.batch for recipe in alike}) == 1
    assert {one.recipe.precision for one in found} == {"fp32"}


def test_a_name_that_is_none_of_them_is_refused() -> None:
    with pytest.raises(UserError, match="did you mean 'scan'"):
        contestants(["derain"], ["scen"])
    with pytest.raises(UserError, match=r"red is to denoise, .* give --noise FOLDER"):
        contestants(["derain"], ["red"])
    with pytest.raises(UserError, match="minutes: 0 is not above 0"):
        equal_budget("nowhere", 0, noise="photos")
    with pytest.raises(UserError, match="--noise FOLDER"):
        equal_budget("nowhere", 1)


def network(**of_training: Any) -> Recipe:
    """Return the recipe of a network whose steps the tests make up."""
    return load_recipe("baselines/red-short", {f"train.{key}": value for key, value in of_training.items()})


class Trainings:
    """Stands for `carry_out`: trainings of known seconds a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[str, list[float]]) -> None:
        self.seconds, self.asked = seconds, []  # of each epoch, a step
        monkeypatch.setattr(timing_module, "carry_out", self)

    def __call__(self, plans: Sequence[Plan], *, jobs: int, console: Console) -> None:
        for plan in plans:
            train = plan.recipe.train
            self.asked.append((plan.name, train.epochs, train.steps_per_epoch))
            plan.run.train.metrics.parent.mkdir(parents=True)
            ends = itertools.accumulate(
                self.seconds[plan.name].pop(0) * train.steps_per_epoch for _ in range(train.epochs)
            )
            lines = (json.dumps({"step": 0, "seconds": end}) for end in ends)
            plan.run.train.metrics.write_text("".join(f"{line}\n" for line in lines))


def test_steps_are_timed_until_two_epochs_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first epoch warms up; each that is timed lasts ten seconds, or one step."""
    slow = [9.0, 12.0, 9.0, *(30.0, 14.0, 12.0, 30.0), *(9.0, 12.0, 12.5, 9.0)]  # its epochs disagree once
    fast = [9.0, 0.05, 9.0, *(0.2, 0.041, 0.04, 0.2)]
    run = Trainings(monkeypatch, {"slow": slow, "fast": fast})
    timing = Timing(tmp_path, 20, 2, Console(quiet=True))
    recipes = {"slow": network(), "fast": network()}
    assert timing.seconds_per_step(recipes) == pytest.approx({"slow": 12.0, "fast": 0.04})
    assert run.asked == [("slow", 3, 1), ("fast", 3, 1), ("slow", 4, 1), ("fast", 4, 200), ("slow", 4, 1)]
    assert not (tmp_path / "timing").exists()
    assert timing.seconds_per_step(recipes) == pytest.approx({"slow": 12.0, "fast": 0.04}) and len(run.asked) == 5
    # a recipe that has changed is timed again, and the other is not
    run.seconds["fast"] += [9.0, 0.05, 9.0, *(0.2, 0.08, 0.08, 0.2)]
    changed = {**recipes, "fast": network(batch=4)}
    assert timing.seconds_per_step(changed) == pytest.approx({"slow": 12.0, "fast": 0.08})
    assert [name for name, *_ in run.asked[5:]] == ["fast", "fast"]
    # the device may be named
    named = {name: dataclasses.replace(recipe, device="cpu") for name, recipe in changed.items()}
    assert timing.seconds_per_step(named) == pytest.approx({"slow": 12.0, "fast": 0.08}) and len(run.asked) == 7
    # a call may have some of the networks only
    run.seconds["third"] = [9.0, 0.05, 9.0, *(0.2, 0.05, 0.05, 0.2)]
    assert timing.seconds_per_step({"third": network()}).keys() == {"slow", "fast", "third"}
    assert timing.seconds_per_step(changed) == pytest.approx({"slow": 12.0, "fast": 0.08, "third": 0.05})
    assert len(run.asked) == 9
    # another machine, and an earlier version
    kept = json.loads((tmp_path / "timing.json").read_text())
    (tmp_path / "timing.json").write_text(json.dumps(kept | {"measured_on": "a CPU, 64 cores"}))
    with pytest.raises(UserError, match=r"timed on another machine \(a CPU, 64 cores; this is "):
        timing.seconds_per_step(recipes)
    early = {key: kept[key] for key in ("minutes", "jobs", "seconds_per_step")}
    (tmp_path / "timing.json").write_text(json.dumps(early))
    with pytest.raises(UserError, match="an earlier version timed its steps otherwise"):
        timing.seconds_per_step(recipes)


def test_a_busy_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(record=True, width=400, file=io.StringIO())
    Trainings(monkeypatch, {"a": [9.0, 1.0, 9.0, *3 * (9.0, 1.0, 1.5, 9.0)]})
    assert Timing(tmp_path, 20, 1, console).seconds_per_step({"a": network()}) == {"a": 1.0}
    assert "other programs keep this machine busy: the steps of a took" in console.export_text()


RED = Contestant("RED", "denoise", load_recipe("baselines/red-short"))


@given(steps=st.floats(0.4, 30_000))
def test_a_training_has_as_many_steps_as_its_time_allows(steps: float) -> None:
    train = module._plan(RED, Path("out"), steps).recipe.train
    done = train.epochs * train.steps_per_epoch
    assert abs(done - steps) <= max(0.6, steps / 79)  # half an epoch, of at least 40
    assert steps < 40 or 40 <= train.epochs < 80


def test_notes_state_an_unequal_time_and_our_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load in most epochs, or in all after the steps were timed, counts for nothing."""
    run = RunFolder(tmp_path / "trainings" / "derain-scan")
    recipe = load_recipe("baselines/scan-short", {"data.train": "rain"})
    run.train.metrics.parent.mkdir(parents=True)
    (run.path / "recipe.yaml").write_text(recipe.to_yaml())
    (run.train.result).write_text(json.dumps({"steps": 400}))
    made = Method("SCAN", "rain", lambda image, _: image)
    monkeypatch.setattr(module, "method_of_model", lambda *_: made)
    for minutes, times, step, wanted in (
        (1, [9, 9, 6, 45, 30, 6, 20, 20, 20, 20], None, "1 min 0 s (400"),
        (2, [15] * 4, 1.0, "1 min 0 s instead of 2 min 0 s"),
        (2, [45] * 4, 0.3, "2 min 0 s (400"),
    ):
        lines = (json.dumps({"seconds": end}) for end in itertools.accumulate(times))
        run.train.metrics.write_text("".join(f"{line}\n" for line in lines))
        steps = {} if step is None else {"derain-scan": step}
        timed = {"minutes": minutes, "jobs": 2, "seconds_per_step": steps, "measured_on": "here", "recipes": {}}
        (tmp_path / "timing.json").write_text(json.dumps(timed))
        notes = module._method(run, Running()).notes
        assert notes.startswith(f"trained for {wanted}")
        assert notes.endswith(f"/rain. {SCAN.card.reading}")


def test_ours_stand_behind_the_baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, recipe in (("derain-clearer-derain", "derain"), ("derain-scan", "baselines/scan-short")):
        run = RunFolder(tmp_path / "trainings" / folder)
        run.train.metrics.parent.mkdir(parents=True)
        (run.path / "recipe.yaml").write_text(load_recipe(recipe).to_yaml())
        run.train.result.write_text("{}")
    monkeypatch.setattr(module, "_method", lambda run, running: run.path.name)
    assert trained_methods(tmp_path) == ["derain-scan", "derain-clearer-derain"]  # type: ignore[comparison-overlap]


@pytest.mark.slow
def test_from_photographs_to_a_table_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write_photos(tmp_path / "photos", NAMES, side=64)
    form = "CLEARER network of denoise-gray-fast"
    command = ("reproduce", "baselines", "--noise", photos, "--bsd500", photos, "--limit", 1, "--sigma", 50,
               "--minutes", 0.01, "--only", form, "--jobs", 1, "-o", tmp_path / "out", "--json")  # fmt: skip
    ended = clearer(*command)
    assert ended.status == 0, ended.err
    row = ended.json["tables"][0]["rows"][-1]
    timing = json.loads((tmp_path / "out" / "timing.json").read_text())
    step = timing["seconds_per_step"]["denoise-clearer-network-of-denoise-gray-fast"]
    cell = row["cells"]["clearer-gray-50"]
    steps = 0.6 / step  # 40 epochs, or as many steps as there are
    assert row["name"] == form and "/photos" in cell["notes"]
    done = int(re.search(r"\(([\d,]+) steps\)", cell["notes"])[1].replace(",", ""))  # type: ignore[index]
    assert abs(done - steps) <= max(1, steps / 2)
    (method,) = trained_methods(tmp_path / "out")
    assert (method.name, method.parameters) == (form, cell["parameters"])
    assert (
        cell["notes"]
        == f"**the model was trained on 1 of the 1 images: these figures say nothing about new ones**; {method.notes}"
    )
    with pytest.raises(UserError, match="no finished training"):
        trained_methods(tmp_path)
    other = clearer(*(word if word != 0.01 else 0.02 for word in command))
    assert other.status == 2 and "holds trainings of 0.01 minutes, 1 at a time, not of 0.02" in other.err
    monkeypatch.setattr(module, "carry_out", lambda plans, **_: None if all(p.finished for p in plans) else 1 / 0)
    assert clearer(*command).json == ended.json  # nothing is trained or measured again
    averaged = clearer(*command, "--precision", "bf16", "--ensemble", "--device", "cpu")
    assert averaged.status == 0, averaged.err
    found = averaged.json["tables"][0]["rows"][-1]["cells"]["clearer-gray-50"]
    assert found["setup"] == "cpu, bf16, x8 self-ensemble" and cell["setup"].endswith(", fp32")
    assert found["macs_per_pixel"] == 8 * cell["macs_per_pixel"] and found["psnr"] != cell["psnr"]
    (method,) = trained_methods(tmp_path / "out", Running("cpu", "bf16", True))
    assert (method.setup, method.sha256) == (found["setup"], found["sha256"])
    shown = clearer("reproduce", "tables", "--trained", tmp_path / "out", "--bsd500", photos, "--limit", 1, "--sigma",
                    50, "--ensemble", "--device", "cpu", "-o", tmp_path / "shown", "--json")  # fmt: skip
    (row,) = (row for row in shown.json["tables"][0]["rows"] if row["name"] == form)
    assert row["cells"]["clearer-gray-50"]["setup"] == "cpu, fp32, x8 self-ensemble"
