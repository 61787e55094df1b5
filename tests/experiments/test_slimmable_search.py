"""The search by a slimmable network: trained by the sandwich rule, slimmed to the budget, resumed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from clearer.core.errors import Interrupted, UserError
from clearer.core.files import read_json, write_json
from clearer.experiments import slimmable_search
from clearer.experiments.budget_fit import settings_for
from clearer.experiments.runner import data_settings
from clearer.experiments.search_choice import Stopwatch
from clearer.experiments.short_training import short
from clearer.experiments.slimmable_search import slimmable_within
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.prepared_run import prepared_run
from clearer.recipe.load import load_recipe
from clearer.runs.layout import RunFolder
from clearer.runs.slimming_record import read_slimming_record
from clearer.search.sandwich import SandwichTraining
from clearer.search.slimmable import Slimming
from helpers.command import clearer as command
from helpers.command import settings
from helpers.tiny_search import tiny_recipe


@pytest.fixture(autouse=True)
def _short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slimmable_search, "EPOCH", 2)


QUIET = Console(quiet=True)
WIDEST = "PP-PP-PP@channels=1,width=16:16,norm=none,residual,unshuffle=2,topology=unet"
ABOUT = {"budget": "4 kMAC/pixel", "unit": "MAC/pixel", "amount": 4000}
TINY = {"train.patch": 16, "train.batch": 2, "train.validation_crop": 32, "precision": "fp32", "device": "cpu"}


def overrides(images: Path) -> dict[str, Any]:
    return {**data_settings(str(images), None, None), **TINY}


def searched(images: Path, out: Path, **more: Any) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    if not (out / "budget" / "slimming.json").exists():
        write_json(out / "budget" / "slimming.json", {"minutes": 1, "steps": 4})  # of an early version
    given = {**overrides(images), **more}
    return slimmable_within("denoise-gray", out, given, "4kmac", minutes=1, console=QUIET)


def path_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "budget" / "slimming.jsonl").read_text().splitlines()]


def test_a_step_trains_the_widest_the_narrowest_and_random_networks(images: Path, tmp_path: Path) -> None:
    """Against the mean of their losses, written out."""
    slimming = Slimming(Architecture.parse(WIDEST))
    recipe = short(tiny_recipe(images), slimming.widest, 0, 2, 2)
    with prepared_run(recipe, RunFolder(tmp_path), ("train",), QUIET) as (resolved, context, _):
        first, second = (SandwichTraining(resolved, slimming, context) for _ in range(2))
    networks = list(first.networks(0))
    assert len(networks) == 4 and networks[0] is first.network
    batch = dataclasses.replace(first.sampler.draw(), progress=0.5)
    widest = first.backward(batch, 0)
    losses = [second.loss(second.levels.restore(network, batch), batch) for network in second.networks(0)]
    (sum(losses[1:], losses[0]) / 4).backward()
    assert torch.equal(widest, losses[0].detach())
    for mine, wanted in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert mine.grad is not None and wanted.grad is not None
        torch.testing.assert_close(mine.grad, wanted.grad, rtol=1e-5, atol=1e-8)


@pytest.mark.long
def test_a_search_slims_to_the_budget_and_resumes(images: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder, found, facts = searched(images, tmp_path / "whole")
    network = Architecture.parse(found["architecture"])
    assert macs_per_pixel(network) <= 4_000 and facts == {"budget": "4kmac"}
    path = path_of(folder)
    assert path[-1]["architecture"] == network.text and path[-2]["cost"] > 4_000
    assert [line["cost"] for line in path] == sorted((line["cost"] for line in path), reverse=True)
    trained = load_recipe("denoise-gray", found)
    assert trained.form == network and trained.train.patch % network.multiple == 0
    run_job = slimmable_search.run_job
    # once more: nothing is trained, and the choice is the same
    monkeypatch.setattr(slimmable_search, "run_job", None)
    assert searched(images, tmp_path / "whole")[1] == found
    # other settings, another way and another budget are refused
    with pytest.raises(UserError, match=r"another recipe \(train.batch was 2, now 3\)"):
        searched(images, tmp_path / "whole", **{"train.batch": 3})
    with pytest.raises(UserError, match=r"another space \(slimmable, now macro\)"):
        settings_for("denoise-gray", tmp_path / "whole", overrides(images), "4kmac", minutes=1, console=QUIET)
    monkeypatch.setattr(slimmable_search, "run_job", run_job)

    # stopped while it trained: the same choice
    def stopped(job: Any, context: Any, minutes: float) -> Any:
        step = job.step

        def failing(index: int) -> Any:
            if index == 3:
                raise KeyboardInterrupt
            return step(index)

        job.step = failing
        return run_job(job, context, minutes=0)

    monkeypatch.setattr(slimmable_search, "run_job", stopped)
    with pytest.raises(KeyboardInterrupt):
        searched(images, tmp_path / "stopped")
    monkeypatch.setattr(slimmable_search, "run_job", run_job)
    assert searched(images, tmp_path / "stopped")[1] == found
    assert path_of(tmp_path / "stopped") == path_of(tmp_path / "whole")


@pytest.mark.slow
def test_the_minutes_set_the_steps(images: Path, tmp_path: Path, monkeypatch: Any) -> None:
    given = overrides(images)
    with pytest.raises(UserError, match=r"a slimmable network of \d+ steps takes at least \d+ minutes") as caught:
        monkeypatch.setattr(slimmable_search, "ENOUGH", 10**7)
        slimmable_within("denoise-gray", tmp_path / "a", given, "4kmac", minutes=0.2, console=QUIET)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(slimmable_search, "ENOUGH", 1)
    steps: list[int] = []

    def told(job: Any, context: Any, minutes: float) -> Any:
        steps.append(job.steps)
        if len(steps) > 1:
            raise Interrupted("stopped", 15)
        return run_job(job, context, minutes=minutes)

    run_job = slimmable_search.run_job
    monkeypatch.setattr(slimmable_search, "run_job", told)
    with pytest.raises(Interrupted):
        slimmable_within("denoise-gray", tmp_path / "b", given, "4kmac", minutes=1, console=QUIET)
    planned = read_json(tmp_path / "b" / "budget" / "slimming.json")
    assert planned == {"minutes": 1, "steps": steps[1], **ABOUT} and steps[1] % 2 == 0 and steps[1] > 0
    assert not (tmp_path / "b" / "budget" / "timing").exists()


@pytest.mark.slow
def test_fit_takes_it_by_name(images: Path, tmp_path: Path) -> None:
    write_json(tmp_path / "run" / "budget" / "slimming.json", {"minutes": 60, "steps": 4, **ABOUT})
    more = {**TINY, "train.epochs": 1, "train.steps_per_epoch": 2, "evaluate.protocols": [], "evaluate.samples": 0}
    folders = ["--train", images / "train", "--validation", images / "val"]
    options = ["denoise-gray", *folders, "--budget", "4kmac", "--search", "slimmable", "-o", tmp_path / "run"]
    ended = command("fit", *options, "--json", *settings(more))
    assert ended.status == 0, ended.err
    found = Architecture.from_dict(read_json(tmp_path / "run" / "architecture.json"))
    assert f"search within 4 kMAC/pixel: {found.text}, which takes" in ended.err
    assert ended.json["budget"] == "4kmac" and "train" in ended.json
    assert (tmp_path / "run" / "model.safetensors").exists()
    record, page = read_slimming_record(RunFolder(tmp_path / "run")), (tmp_path / "run" / "report.html").read_text()
    assert record is not None and (record.amount, record.path[-1]["architecture"]) == (4000, found.text)
    assert "Search by slimming" in page and f"{len(record.path) - 1} parts were taken away" in page
    assert f"became {record.path[-1]['cost'] / 1000:.1f} kMAC/pixel" in page


def test_the_way_of_an_early_version_is_not_drawn_and_a_damaged_one_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_slimming_record(folder) is None
    line = {"architecture": WIDEST, "cost": 5000.0, "psnr": 25.0}
    write_json(folder.budget / "slimming.json", {"minutes": 1, "steps": 4})
    (folder.budget / "slimming.jsonl").write_text(json.dumps(line) + "\n")
    assert read_slimming_record(folder) is None
    write_json(folder.budget / "slimming.json", {"minutes": 1, "steps": 4, **ABOUT})
    found = read_slimming_record(folder)
    assert found is not None and found.path == (line,) and found.unit == "MAC/pixel"
    for damaged in ('{"archi', json.dumps({**line, "cost": "much"})):
        (folder.budget / "slimming.jsonl").write_text(damaged)
        with pytest.raises(UserError, match=r"slimming.jsonl: damaged|slimming.jsonl.*cost"):
            read_slimming_record(folder)


def test_what_cannot_be_searched_is_refused_before_the_training(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slimmable_search, "_Search", None)

    def refused(out: Path, budget: str) -> str:
        with pytest.raises(UserError) as caught:
            slimmable_within("denoise-gray", out, overrides(images), budget, console=QUIET)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "is less than the narrowest slimmed network costs, 932; use --search halving" in refused(
        tmp_path / "a", "0.8kmac"
    )
    write_json(tmp_path / "b" / "budget" / "networks.json", {})
    assert RunFolder(tmp_path / "b").has_several_budgets
    assert "holds a search for several budgets" in refused(tmp_path / "b", "4kmac")
    assert [entry.name for entry in (tmp_path / "b" / "budget").iterdir()] == ["networks.json"]
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "nowhere.example"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert "leave torchrun out" in refused(tmp_path / "c", "4kmac")


@pytest.mark.slow
def test_what_takes_too_long_as_a_whole_is_slimmed_further(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here a network takes 1.3 times what its pieces sum to, a millisecond for each kMAC/pixel."""

    def milliseconds(network: Architecture) -> float:
        return macs_per_pixel(network) / 1000

    def measured(_: object, text: str, most: float) -> float:
        return 1.3 * milliseconds(Architecture.parse(text))

    monkeypatch.setattr(slimmable_search, "cost_of_networks", lambda budget, *_: (milliseconds, budget.amount))
    monkeypatch.setattr(Stopwatch, "milliseconds", measured)
    write_json(tmp_path / "budget" / "slimming.json", {"minutes": 1, "steps": 4})
    within = slimmable_within("denoise-gray", tmp_path, overrides(images), "4ms@64x64", minutes=1, console=QUIET)
    network = Architecture.parse(within[1]["architecture"])
    assert within[2] == {"budget": "4ms@64x64", "at": [64, 64], "milliseconds": 1.3 * milliseconds(network)}
    path = path_of(tmp_path)
    assert 1.3 * path[-1]["cost"] <= 1.05 * 4 < 1.3 * path[-2]["cost"] and path[-1]["architecture"] == network.text
