"""The published search within a budget: the genotype of a network whose width the budget sets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clearer.core.errors import UserError
from clearer.core.files import read_json
from clearer.experiments.budget_fit import recipe_and_folder, settings_for
from clearer.experiments.published_search import check_search, published_within, say_cost
from clearer.experiments.runner import data_settings
from clearer.experiments.search_candidates import Candidates
from clearer.experiments.slimmable_search import slimmable_within
from clearer.inference.budget import Budget
from clearer.network.architecture import Architecture
from clearer.network.cost import macs_per_pixel
from clearer.pipeline.fit import STAGES
from clearer.recipe.load import load_recipe
from helpers.command import clearer as command
from helpers.command import settings
from helpers.recipes import TINY

QUIET = Console(quiet=True)


@pytest.mark.parametrize(
    ("way", "budgets", "given", "message"),
    [
        ("darts", [], None, "'darts' is not one of clearer, halving, slimmable"),
        ("halving", [], None, "halving: needs --budget, such as --budget 100ms@1mp"),
        ("clearer", ["1ms@1mp", "2ms@1mp"], None, "takes one --budget, 2 are given"),
        ("slimmable", [], None, "slimmable: needs --budget, such as --budget 100ms@1mp"),
        ("slimmable", ["1ms@1mp", "2ms@1mp"], None, "slimmable: takes one --budget, 2 are given"),
        ("clearer", [], "PF-FF", "is given too; leave out one of them"),
        ("halving", ["1ms@1mp"], "PF-FF", "is given too; leave out one of them"),
    ],
)
def test_contradictions_are_refused_in_one_line(way: str, budgets: list[str], given: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_search(way, budgets, given)
    assert "\n" not in str(caught.value)
    check_search(None, [], None)
    check_search(None, budgets, given)
    check_search("clearer", ["1ms@1mp"], None)
    check_search("halving", ["1ms@1mp", "2ms@1mp"], None)


def test_the_supernet_has_the_form_of_the_scaled_default(images: Path, tmp_path: Path) -> None:
    data = data_settings(str(images), None, None)
    folder, found = published_within("denoise-gray", tmp_path, {**data, "seed": 3}, "45kmac", console=QUIET)
    recipe = load_recipe("denoise-gray", found)
    assert folder == tmp_path and recipe.given is None and recipe.seed == 3
    (kept,) = Candidates.read(
        tmp_path / "budget" / "candidates.json", recipe, Budget.parse("45kmac"), "genotypes"
    ).networks
    assert str(kept) == "FPFF-FFFF" and 0.9 * 45_000 < macs_per_pixel(kept) <= 45_000
    assert (recipe.network.scales, recipe.network.modules_per_cell, recipe.network.unshuffle) == (3, 4, 2)
    assert recipe.network.width == kept.space.width
    # the same again; another budget, and a search of the macro space, are refused
    assert published_within("denoise-gray", tmp_path, {**data, "seed": 3}, "45kmac", console=QUIET)[1] == found
    with pytest.raises(UserError, match=r"another budget \(45 kMAC/pixel, now 60 kMAC/pixel\)"):
        published_within("denoise-gray", tmp_path, data, "60kmac", console=QUIET)
    with pytest.raises(UserError, match=r"another space \(genotypes, now macro\)"):
        Candidates.read(tmp_path / "budget" / "candidates.json", recipe, Budget.parse("45kmac"))


@pytest.mark.parametrize(
    "given",
    [{"network.width": 8}, {"network.norm": "batch"}, {"network.residual": False}, {"network": {"scales": 3}}],
)
def test_settings_of_the_network_that_a_budget_decides_are_refused_first(given: dict[str, Any], tmp_path: Path) -> None:
    (key,) = (f"network.{name}" for name in given.get("network", ()) or [next(iter(given)).partition(".")[2]])
    message = f"^{key}: is set, but the search within .* chooses it; leave out one of them$"
    for search in (
        lambda out: published_within("denoise-gray", out, given, "45kmac", console=QUIET),
        lambda out: settings_for("denoise-gray", out, given, "45kmac", console=QUIET),
        lambda out: slimmable_within("denoise-gray", out, given, "45kmac", console=QUIET),
    ):
        with pytest.raises(UserError, match=message):
            search(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_within_a_budget_keeps_channels_and_condition(images: Path, tmp_path: Path) -> None:
    given = {"network.channels": 3, "network.condition": "level", "evaluate.protocols": [], "data.convert": True}
    given |= data_settings(str(images), None, None)
    recipe, _ = recipe_and_folder("denoise-gray", tmp_path, given, [Budget.parse("45kmac")], STAGES, QUIET)
    assert (recipe.network.channels, recipe.network.condition) == (3, "level")
    found = published_within("denoise-gray", tmp_path, given, "45kmac", console=QUIET)[1]
    assert (found["network.channels"], found["network.condition"]) == (3, "level")


def test_the_cost_of_what_was_found_is_told() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    network = Architecture.parse("P-P", width=4)
    say_cost(network, "45kmac", {"device": "cpu"}, console)
    say_cost(network, "9ms@64x64", {"device": "cpu"}, console)
    first, second = console.export_text().splitlines()
    assert f"P-P costs {macs_per_pixel(network) / 1000:.4g} kMAC/pixel; the budget was 45 kMAC/pixel" in first
    assert " ms; the budget was 9 ms at 64x64" in second


@pytest.mark.slow
def test_fit_searches_as_published_within_a_budget(images: Path, tmp_path: Path) -> None:
    more = {"search.norm": "batch", "train.validation_crop": 32, "evaluate.protocols": [], "evaluate.samples": 0}
    tiny = {key: value for key, value in TINY.items() if key.startswith(("search.", "train."))}
    folders = ["--train", images / "train", "--validation", images / "val"]
    options = ["denoise-gray", *folders, "--budget", "2kmac", "--search", "clearer", "-o", tmp_path / "run"]
    ended = command("fit", *options, "--json", *settings({**tiny, **more}))
    assert ended.status == 0, ended.err
    assert "the budget was 2 kMAC/pixel" in ended.err
    found = Architecture.from_dict(read_json(tmp_path / "run" / "architecture.json"))
    assert found.space.unshuffle == 2 and [len(cell) for cell in found.cells] == [4, 4]
    assert (tmp_path / "run" / "search" / "result.json").exists()
