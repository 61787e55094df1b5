"""The list of all methods: clearer methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clearer.methods import card
from clearer.methods.listing import list_methods
from clearer.methods.registry import METHODS
from clearer.network.baselines.registry import BASELINES
from clearer.recipe.load import load_recipe, shipped_recipes
from helpers.command import clearer


def test_all_methods_are_listed_with_task_kind_and_needs() -> None:
    found = {method["name"]: method for method in list_methods()}
    assert set(found) >= {*METHODS, *BASELINES, "denoise-gray", "derain"}
    assert all(
        m["task"] in ("denoise", "derain", "dejpeg") and m["kind"] in ("classical", "learned") for m in found.values()
    )
    assert found["prenet"]["parameters"] == 168_963 and found["prenet"]["needs"] == "clearer train baselines/prenet"
    assert not found["prenet"]["ours"] and found["derain"]["ours"] and found["derain"]["needs"] == ""
    assert "non-commercial" in found["bm3d"]["reading"] and found["bm3d"]["needs"] == "clearer[classical]"


def test_every_method_of_others_states_source_and_what_it_was_compared_with() -> None:
    assert all(method["source"] and method["checked"] for method in list_methods() if not method["ours"])


def test_the_table_of_the_docs_lists_the_present_methods() -> None:
    stored = json.loads((Path(__file__).parents[2] / "docs" / "results" / "methods.json").read_text())["methods"]
    fix = "run clearer methods --json > methods.json; python tools/make_results.py --keep methods.json methods ..."

    def facts(methods: Any) -> Any:  # whether a library is installed differs from machine to machine
        return [{k: v for k, v in one.items() if k != "install"} for one in methods if not one["ours"]]

    assert facts(stored) == facts(list_methods()), fix


def test_a_method_whose_library_is_missing_is_listed_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "find_spec", lambda name: None if name == "bm3d" else object())
    install = {method["name"]: method["install"] for method in list_methods()}
    assert (
        install["bm3d"] == "pip install 'clearer[classical]' (bm3d; its license allows non-commercial use only)"
        and install["nlm"] is None
    )
    monkeypatch.setenv("CLEARER_PATCH_PRIOR", "nowhere.safetensors")
    lacking = {method["name"]: method["install"] for method in list_methods()}["lp"]
    assert lacking is not None and lacking.startswith("nowhere.safetensors: no such prior")


def test_the_command_prints_one_json_object() -> None:
    assert [m["name"] for m in clearer("methods", "--json").json["methods"]] == [
        method["name"] for method in list_methods()
    ]


@pytest.mark.parametrize("name", BASELINES.names)
def test_every_baseline_has_two_recipes_of_its_channels(name: str) -> None:
    for recipe in (load_recipe(f"baselines/{name}"), load_recipe(f"baselines/{name}-short")):
        network = BASELINES.get(name)
        assert recipe.baseline == name and recipe.network.channels == network.channels  # type: ignore[attr-defined]
        assert recipe.task == network.card.task  # type: ignore[attr-defined]


def test_recipes_of_baselines_are_listed_apart() -> None:
    few, all_of_them = (clearer("recipes", *more, "--json").json["recipes"] for more in ((), ("--all",)))
    assert {recipe["name"] for recipe in all_of_them} == set(shipped_recipes())
    assert {recipe["name"] for recipe in few} == {
        name for name in shipped_recipes() if not name.startswith("baselines/")
    }
