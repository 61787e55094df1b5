"""Several budgets: one ledger and schedule, networks that count for both, resumption, refusals, published networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json, write_json
from clearer.experiments import budget_latencies, budget_networks
from clearer.experiments.budget_fit import fit_budgets, settings_for, takes_several
from clearer.experiments.published_networks import PUBLISHED, PlainNetwork, time_published
from clearer.inference.budget import ImageSize
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.runs.layout import RunFolder
from clearer.runs.ledger import read_ledger
from clearer.search.halving import Gate
from helpers.photos import NAMES, write_photos

QUIET = Console(quiet=True)
BUDGETS = ("2kmac", "2.1kmac")
BATCH_NORM = {"network.norm": "batch"}


@pytest.fixture
def overrides(tmp_path: Path) -> dict[str, Any]:
    data = {
        f"data.{part}": str(write_photos(tmp_path / part, names))
        for part, names in (("train", NAMES[:4]), ("validation", NAMES[4:]))
    }
    small = {"train.batch": 2, "train.patch": 16, "train.epochs": 1, "train.steps_per_epoch": 2}
    less = {"evaluate.protocols": [], "evaluate.samples": 0, "train.validation_crop": 32, "train.validation_images": 1}
    return {**data, **small, **less}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_latencies, "SECONDS", 0.0)
    monkeypatch.setattr(budget_latencies, "PUBLISHED", {})
    monkeypatch.setattr("clearer.pipeline.fit.write_page", lambda folder: None)  # seconds for each training
    monkeypatch.setattr(Gate, "open", True)


def begun(folder: Path) -> Path:
    """Write the schedule of a very short search."""
    (folder / "budget").mkdir(parents=True)
    schedule = {"networks": 3, "steps": 2, "rungs": 2, "minutes": 1, "threads": 1, "epoch": 2, "with_default": True}
    write_json(folder / "budget" / "schedule.json", schedule)
    return folder


@pytest.mark.long
def test_two_budgets_share_a_ledger_and_resume(tmp_path: Path, overrides: dict[str, Any], tiny: None) -> None:
    out = begun(tmp_path / "out")
    result = fit_budgets("denoise-gray", out, overrides, BUDGETS, jobs=1, console=QUIET)
    networks = read_json(out / "budget" / "networks.json")
    assert list(networks) == ["2kmac", "2.1kmac"] and all(len(texts) >= 3 for texts in networks.values())
    cost = {text: macs_per_pixel(Architecture.parse(text)) for texts in networks.values() for text in texts}
    assert all(0.9 * 2000 <= cost[text] <= 2000 for text in networks["2kmac"][1:])
    # a network within both budgets counts for both, and is trained once
    assert all((text in networks["2.1kmac"]) == (cost[text] >= 1890) for text in networks["2kmac"][1:])
    lines = read_ledger(out / "budget" / "ledger.jsonl")
    assert len({(x.rung, x.architecture, x.seed) for x in lines}) == len(lines)
    assert {x.unit for x in lines} == {"MAC/pixel"} and all(x.cost == cost[x.architecture] for x in lines)
    for name, run in zip(networks, result["budgets"], strict=True):
        kept = next(x for x in read_json(out / "budget" / "result.json")["budgets"] if x["run"] == name)
        assert Architecture.parse(kept["architecture"]) == RunFolder(out / name).read_architecture()
        assert (run["budget"], run["folder"], run["milliseconds"] > 0) == (name, str(out / name), True)
        assert run["train"] and (out / name / "model.safetensors").exists()
        assert kept["architecture"] == kept["default"] or run["short_trainings"]["steps"] == 6
    page = (out / "report.html").read_text()
    assert 'href="2kmac/report.html"' in page and Path(result["report"]) == out / "report.html"
    # killed in the middle: the ledger is cut, the outcomes are missing
    ledger = out / "budget" / "ledger.jsonl"
    ledger.write_text("\n".join(ledger.read_text().splitlines()[:4]) + '\n{"rung": 1')
    (out / "budget" / "result.json").unlink()
    again = fit_budgets("denoise-gray", out, overrides, BUDGETS, jobs=1, console=QUIET)
    assert json.dumps(again) == json.dumps(result)
    assert {(x.rung, x.architecture, x.psnr) for x in lines} == {
        (x.rung, x.architecture, x.psnr) for x in read_ledger(ledger)
    }


def test_contradictions_are_refused_in_a_line(tmp_path: Path, overrides: dict[str, Any]) -> None:
    def refused(match: str, *budgets: str, out: str = "new", **more: Any) -> None:
        with pytest.raises(UserError, match=match):
            fit_budgets("denoise-gray", tmp_path / out, {**overrides, **more}, budgets, console=QUIET)

    refused("100ms@1mp and 10mp/s are the same", "100ms@1mp", "10mp/s")
    refused("of time and of multiply-adds", "100ms@1mp", "60kmac")
    refused("one is given too", "2kmac", "3kmac", architecture="PF-FF")
    refused("network.norm: is set, but the search within 2kmac and 3kmac chooses it", "2kmac", "3kmac", **BATCH_NORM)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("name: x\n")
    refused("holds a run", "2kmac", "3kmac", out="run")
    write_json(begun(tmp_path / "one") / "budget" / "result.json", {})
    refused("holds the search for one budget", "2kmac", "3kmac", out="one")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("")
    refused("holds letter.txt and is not a search", "2kmac", "3kmac", out="other")
    write_json(begun(tmp_path / "both") / "budget" / "networks.json", {})
    assert takes_several(tmp_path / "both", ["2kmac"]) and not takes_several(tmp_path / "one", ["2kmac"])
    with pytest.raises(UserError, match="holds a search for several budgets"):
        settings_for("denoise-gray", tmp_path / "both", overrides, "2kmac", console=QUIET)
    assert not (tmp_path / "new").exists()


def test_a_budget_that_comes_later_leaves_the_networks_of_the_others(
    tmp_path: Path, overrides: dict[str, Any], tiny: None
) -> None:
    from clearer.inference.budget import Budget
    from clearer.recipe.load import load_recipe

    folder = RunFolder(begun(tmp_path / "out"))
    recipe = load_recipe("denoise-gray", overrides)
    small, large = Budget.parse("2kmac"), Budget.parse("2.1kmac")
    first = budget_networks.shared_networks(recipe, folder, [small], minutes=1, jobs=1, console=QUIET)
    both = budget_networks.shared_networks(recipe, folder, [small, large], minutes=1, jobs=1, console=QUIET)
    assert both[small] == first[small] and len(both[large]) >= 3
    within = [network for network in first[small] if macs_per_pixel(network) >= 0.9 * 2100]
    assert set(within) <= set(both[large])


@pytest.mark.parametrize(("channels", "name", "parameters"), [(1, "FFDNet", 485_316), (3, "FFDNet", 852_108)])
def test_published_networks_have_their_size(channels: int, name: str, parameters: int) -> None:
    published = next(network for network in PUBLISHED[channels] if network.name == name)
    network = PlainNetwork(published, channels)
    assert sum(p.numel() for p in network.parameters()) == parameters  # as their authors state it
    weights = sum(p.numel() for p in network.parameters() if p.ndim == 4)
    assert published.macs_per_pixel(channels) == weights / published.unshuffle**2
    image = torch.rand(1, channels, 8, 6)
    assert network(image).shape == image.shape


def test_a_published_network_is_timed_on_a_part_of_a_large_image(monkeypatch: pytest.MonkeyPatch) -> None:
    from clearer.experiments import published_networks as module

    monkeypatch.setattr(module, "MOST_PIXELS", 400)
    seen: list[ImageSize] = []
    real = module.time_runs

    def timed(run: Any, size: ImageSize, seconds: float) -> Any:
        seen.append(size)
        return real(run, size, seconds)

    monkeypatch.setattr(module, "time_runs", timed)
    found = time_published(PUBLISHED[1][1], 1, ImageSize(80, 40), torch.device("cpu"), "fp32")
    assert seen == [ImageSize(28, 14)] and found.size == ImageSize(80, 40) and found.milliseconds > 0
