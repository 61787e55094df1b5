"""Runs of one experiment: the same result in parallel and in sequence, stopped together, resumed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from safetensors.torch import load_file

from clearer.core.errors import Interrupted, UserError
from clearer.core.files import write_text
from clearer.experiments import runner as plans
from clearer.experiments.runner import Plan, carry_out, data_settings
from clearer.pipeline.run_folder import refuse_other_recipe
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from helpers.recipes import TINY

QUIET = Console(quiet=True)


def _plans(images: Path, out: Path, **more: object) -> list[Plan]:
    found = []
    for value in (0.0, 0.1):
        data = data_settings(str(images), None, None)
        recipe = load_recipe("paper-denoise-50", {**TINY, **data, "search.lambda_arch": value, **more})
        found.append(Plan(f"lambda {value:g}", recipe, out / f"lambda-{value:g}", "search"))
    return found


def _supernet(plan: Plan) -> dict[str, object]:
    newest = max((plan.folder / "search" / "checkpoints").glob("*.safetensors"))
    return {name: tensor for name, tensor in load_file(newest).items() if "supernet" in name}


@pytest.mark.parametrize(("jobs", "here"), [(1, 1), (2, 0)])
def test_the_last_run_that_is_left_has_its_share_of_the_cores(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, here: int
) -> None:
    """Else a comparison at equal times that resumes would time it on all of them."""
    calls: list[str] = []
    monkeypatch.setattr(plans, "fit", lambda *_, **__: calls.append("here"))

    def start(plan: Plan, threads: int) -> Any:
        calls.append(f"process of {threads}")
        return subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)

    monkeypatch.setattr(plans, "start", start)
    monkeypatch.setattr(plans, "cores", lambda: 4)
    carry_out(_plans(images, tmp_path)[:1], jobs=jobs, console=QUIET)
    assert calls == (["here"] if here else ["process of 2"])


@pytest.mark.long
def test_side_by_side_is_as_one_by_one_and_nothing_is_made_twice(images: Path, tmp_path: Path) -> None:
    alone, together = _plans(images, tmp_path / "alone"), _plans(images, tmp_path / "together")
    assert [plan.steps_done() for plan in alone] == [0, 0] and not alone[0].finished
    carry_out(alone, jobs=1, console=QUIET)
    carry_out(together, jobs=2, console=QUIET)
    for a, b in zip(alone, together, strict=True):
        assert a.finished and b.finished and a.steps_done() == a.steps == 9
        left, right = _supernet(a), _supernet(b)
        assert left and left.keys() == right.keys()
        assert all((left[name] == right[name]).all() for name in left)  # type: ignore[attr-defined]
    times = [(plan.folder / "search" / "result.json").stat().st_mtime_ns for plan in together]
    carry_out(together, jobs=2, console=QUIET)
    assert times == [(plan.folder / "search" / "result.json").stat().st_mtime_ns for plan in together]


@pytest.mark.long
def test_a_signal_stops_all_and_the_next_call_goes_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "POLL", 0.05)
    # Long enough that neither can end before it is stopped.
    both = _plans(images, tmp_path, **{"search.epochs": 10**6, "checkpoint_minutes": 10.0})

    def stop_once_both_have_begun() -> None:
        deadline = time.monotonic() + 60
        while not all(plan.steps_done() for plan in both) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_once_both_have_begun, daemon=True).start()
    with pytest.raises(Interrupted, match="rerun the command to resume"):
        carry_out(both, jobs=2, console=QUIET)
    for plan in both:
        done = plan.steps_done()
        assert 0 < done < plan.steps and not plan.finished
        assert list((plan.folder / "search" / "checkpoints").glob("*.safetensors"))
        log = plan.folder.with_name(f"{plan.folder.name}.log").read_text()
        assert "the checkpoint is written" in log


CARRY_OUT = """
import sys
from pathlib import Path
from rich.console import Console
from clearer.experiments.runner import Plan, carry_out
from clearer.recipe.load import load_recipe
recipe = load_recipe(sys.argv[1])
plans = [Plan(name, recipe, Path(sys.argv[2]) / name, "search") for name in ("one", "two")]
carry_out(plans, jobs=2, console=Console(quiet=True))
"""


@pytest.mark.long
def test_runs_end_with_a_checkpoint_when_their_parent_is_killed(images: Path, tmp_path: Path) -> None:
    both = _plans(images, tmp_path, **{"search.epochs": 10**6, "checkpoint_minutes": 10.0})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(both[0].recipe.to_yaml())
    parent = subprocess.Popen([sys.executable, "-c", CARRY_OUT, str(recipe), str(tmp_path)])
    runs = [Plan(name, both[0].recipe, tmp_path / name, "search") for name in ("one", "two")]
    deadline = time.monotonic() + 300
    while not all(run.steps_done() for run in runs) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 300
    logs = [run.folder.with_name(f"{run.folder.name}.log") for run in runs]
    while not all("the checkpoint is written" in log.read_text() for log in logs) and time.monotonic() < deadline:
        time.sleep(0.05)
    for run, log in zip(runs, logs, strict=True):
        assert "the checkpoint is written" in log.read_text()
        assert 0 < run.steps_done() < run.steps


@pytest.mark.long
def test_the_error_of_a_failing_run_is_passed_on(images: Path, tmp_path: Path) -> None:
    sound, faulty = _plans(images, tmp_path)
    recipe = load_recipe("paper-denoise-50", {**TINY, "data.train": str(tmp_path / "nowhere")})
    faulty = Plan("faulty", recipe, faulty.folder, "search")
    with pytest.raises(UserError, match=r"faulty: failed with status 2: .*nowhere.* \(full output: .*log\)") as caught:
        carry_out([faulty, sound], jobs=2, console=QUIET)
    assert "\n" not in str(caught.value)


def test_a_killed_run_is_not_blamed_on_its_last_line(images: Path, tmp_path: Path) -> None:
    plan = _plans(images, tmp_path)[0]
    killed = r"^lambda 0: killed by signal 9, memory may have run out; rerun the command to resume"
    with pytest.raises(UserError, match=killed + "$"):  # before it began its log
        plans.check(plan, -signal.SIGKILL)
    with pytest.raises(UserError, match=r"lambda 0: failed with status 2: no output$"):
        plans.check(plan, 2)
    plans.log_of(plan).write_text("step 3\n")
    with pytest.raises(UserError, match=killed + r" \(full output: .*\.log\)$"):
        plans.check(plan, -signal.SIGKILL)
    with pytest.raises(UserError, match=r"killed by signal 11; rerun the command to resume \(full output"):
        plans.check(plan, -signal.SIGSEGV)
    plans.check(plan, 0)


def test_images_are_named_one_way(images: Path) -> None:
    found = data_settings(str(images), None, None)
    assert found == {"data.train": str(images / "train"), "data.validation": str(images / "val")}
    assert data_settings(None, "a", None) == {"data.train": "a", "data.validation": None}
    for arguments in ((None, None, None), (str(images), "a", None)):
        with pytest.raises(UserError, match="give --data FOLDER"):
            data_settings(*arguments)


def test_a_torn_line_of_metrics_counts_as_nothing_done(images: Path, tmp_path: Path) -> None:
    plan = _plans(images, tmp_path)[0]
    path = plan.folder / "search" / "metrics.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"step": 3}) + "\n" + '{"step": 6, "lo')
    assert plan.steps_done() == 3


@pytest.mark.slow
def test_a_finished_run_of_another_recipe_is_refused_and_not_taken(images: Path, tmp_path: Path) -> None:
    carry_out(_plans(images, tmp_path), jobs=1, console=QUIET)
    with pytest.raises(UserError, match=r"lambda-0: holds a run of another recipe \(search\.epochs was 3, now 4\)"):
        carry_out(_plans(images, tmp_path, **{"search.epochs": 4}), jobs=1, console=QUIET)


def test_search_settings_may_change_where_the_architecture_is_given(images: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(_plans(images, tmp_path)[0].recipe, architecture="PF")
    write_text(tmp_path / "recipe.yaml", recipe.to_yaml())
    other = dataclasses.replace(recipe, search=dataclasses.replace(recipe.search, epochs=99))
    refuse_other_recipe(RunFolder(tmp_path), other)
    with pytest.raises(UserError, match=r"search\.epochs was 3, now 99"):
        write_text(tmp_path / "recipe.yaml", dataclasses.replace(recipe, architecture=None).to_yaml())
        refuse_other_recipe(RunFolder(tmp_path), dataclasses.replace(other, architecture=None))
    with pytest.raises(UserError, match=r"architecture was None, now 'PF'"):
        refuse_other_recipe(RunFolder(tmp_path), other)
