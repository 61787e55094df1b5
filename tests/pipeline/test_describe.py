"""`clearer.describe`: the published figures, every kind of target, the drawing, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import clearer
from clearer.core.errors import UserError
from clearer.core.files import write_json
from clearer.network.architecture import OPERATIONS, Architecture, SearchSpace
from clearer.network.network import RestorationNetwork
from clearer.pipeline.describe import describe_supernet
from clearer.zoo.weights import save_weights
from helpers.command import clearer as command

PUBLISHED = "FPPF-FFFF-PFFP"


def test_the_published_network_in_the_released_form():
    found = clearer.describe(PUBLISHED, operations="released")
    assert found.parameters == 6_073_536
    assert found.macs_per_pixel == 446_656
    costs = {part.module: part.parameters for part in found.parts}
    # method.md: one searched module with 2, 3 and 4 scales.
    assert costs["cell 1 module 1 (fusion)"] == 20_672 and costs["cell 1 module 2 (parallel)"] == 92_544
    assert costs["cell 2 module 5 (fusion)"] == 153_536
    assert costs["cell 3 module 9 (parallel)"] == 1_568_640 and costs["cell 3 module 10 (fusion)"] == 784_512


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    scales=st.integers(2, 4),
    modules=st.integers(1, 3),
    width=st.integers(1, 5),
    channels=st.integers(1, 4),
    operations=st.sampled_from(OPERATIONS),
)
def test_the_table_adds_up_to_the_network(seed, scales, modules, width, channels, operations):
    space = SearchSpace(channels=channels, width=width, scales=scales, modules_per_cell=modules, operations=operations)
    architecture = space.random_architecture(seed)
    found = clearer.describe(architecture)
    assert found.parameters == sum(p.numel() for p in RestorationNetwork(architecture).parameters())
    assert len(found.parts) == 3 + space.cells + space.modules
    assert json.loads(json.dumps(found.to_dict()))["architecture"] == str(architecture)


def test_a_weight_file_and_a_run_folder_say_what_they_are(tmp_path):
    architecture = Architecture.parse("PF-FP", width=4, residual=True, norm="none")
    run = tmp_path / "run"
    write_json(run / "architecture.json", architecture.to_dict())
    searched = clearer.describe(run)
    assert (searched.architecture, searched.card) == (architecture, {})
    assert clearer.describe(run / "architecture.json") == searched
    save_weights(run / "model.safetensors", RestorationNetwork(architecture), {"recipe": "test"})
    trained = clearer.describe(run / "model.safetensors")
    assert trained == clearer.describe(str(run))
    assert (trained.architecture, trained.card["recipe"]) == (architecture, "test")


def test_text_is_read_in_either_case_but_a_folder_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(clearer.describe("pf-fp", width=4).architecture) == "PF-FP"
    write_json(tmp_path / "PF-FP" / "architecture.json", Architecture.parse("FF-FF", width=4).to_dict())
    assert str(clearer.describe("PF-FP").architecture) == "FF-FF"


def test_a_misspelt_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"denoise-gry: no such model .did you mean 'denoise-gray'"):
        clearer.describe("denoise-gry")
    with pytest.raises(UserError, match="'FPPX' is not of the form"):
        clearer.describe("fppx")


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_drawing_is_an_image(tmp_path, suffix):
    path = tmp_path / f"drawn{suffix}"
    clearer.describe(PUBLISHED).draw(path)
    if suffix == ".svg":
        assert "<svg" in path.read_text(encoding="utf-8")
    else:
        with Image.open(path) as image:
            assert image.width >= 1600


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        ("FPPX-FFFF-PFFP", {}, "is not of the form"),
        ("FPPF--PFFP", {}, "is not of the form"),
        ("PF-FP", {"operations": "relased"}, "relased"),
        ("PF-FP", {"width": 0}, "network.width"),
        ("nowhere/model.safetensors", {}, "no such weight file or run folder"),
        ("model.safetensors", {}, "no such weight file or run folder"),
    ],
)
def test_missing_targets_are_reported(tmp_path, monkeypatch, target, fields, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        clearer.describe(target, **fields)


def test_files_that_are_not_ours_are_refused(tmp_path: Path):
    empty, text = tmp_path / "empty", tmp_path / "text.safetensors"
    empty.mkdir()
    text.write_text("not a weight file")
    with pytest.raises(UserError, match=r"holds no model\.safetensors"):
        clearer.describe(empty)
    with pytest.raises(UserError, match="not a weight file"):
        clearer.describe(text)
    with pytest.raises(UserError, match="states its own width"):
        clearer.describe(text, width=8)


def test_the_supernet_of_the_released_program_has_its_count() -> None:
    architecture = Architecture.parse("FPPF-FFFF-PFFP", operations="released")
    assert sum(part.parameters for part in describe_supernet(architecture)) == 12_558_144
    outcome = command("describe", "FPPF-FFFF-PFFP", "--operations", "released", "--supernet", "--json")
    assert outcome.json["supernet"]["parameters"] == 12_558_144 and outcome.json["parameters"] == 6_073_536
    assert "whole supernet" in outcome.err
