"""A training that begins with the weights of another network."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import clearer
from clearer.core.errors import UserError
from clearer.network.architecture import Architecture
from clearer.network.network import RestorationNetwork
from clearer.recipe.load import load_recipe
from clearer.recipe.schema import Recipe
from clearer.runs.layout import RunFolder
from clearer.training.checkpoints import save_checkpoint
from clearer.training.initial_weights import begin_with, check_start
from clearer.training.job import RunContext
from clearer.training.trainer import train
from clearer.zoo.weights import load_weights, save_weights
from helpers.command import clearer as command


def shaken(architecture: Architecture) -> RestorationNetwork:
    """A network none of whose weights is zero."""
    network = RestorationNetwork(architecture).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return network


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(letters=st.lists(st.sampled_from(["PFF", "FFF", "PPP", "FPF"]), min_size=4, max_size=4), seed=st.integers(0, 99))
def test_modules_of_the_same_letter_are_taken_and_others_are_new(
    tmp_path_factory: pytest.TempPathFactory, letters: list[str], seed: int
) -> None:
    torch.manual_seed(seed)
    source = shaken(Architecture.parse(f"{letters[0]}-{letters[1]}", width=4, norm="none"))
    file = tmp_path_factory.mktemp("start") / "a.safetensors"
    save_weights(file, source, {})
    network = RestorationNetwork(Architecture.parse(f"{letters[2]}-{letters[3]}", width=4, norm="none"))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    said = begin_with(network, file)
    differ = 0
    for cell in range(2):
        for place in range(3):
            prefix = f"cells.{cell}.searched.{place}."
            same = letters[cell][place] == letters[2 + cell][place]
            differ += not same
            wanted = source.state_dict() if same else before
            for key, value in network.state_dict().items():
                if key.startswith(prefix):
                    assert torch.equal(value, wanted[key]), key
    assert (f"{differ} of 6 modules" in said) == (differ > 0)
    for key, value in network.state_dict().items():
        if "searched" not in key:
            assert torch.equal(value, source.state_dict()[key])


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_a_color_network_begins_by_adding_what_the_gray_one_adds_to_the_mean(
    tmp_path: Path, unshuffle: int, norm: str, operations: str
) -> None:
    torch.manual_seed(0)
    # Width 4 is also the number of folded channels: only the layers at the ends may be touched.
    form = {"width": 4, "norm": norm, "operations": operations, "unshuffle": unshuffle, "residual": True}
    gray = shaken(clearer.Architecture.parse("PF-FP", **form))
    save_weights(tmp_path / "gray.safetensors", gray, {})
    color = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=3, **form)).eval()
    begin_with(color, tmp_path / "gray.safetensors")
    x = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        added = gray(x.mean(1, keepdim=True)) - x.mean(1, keepdim=True)
        torch.testing.assert_close(color(x), x + added, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_a_network_with_noise_level_begins_as_one_without(
    tmp_path: Path, unshuffle: int, operations: str, channels: int
) -> None:
    torch.manual_seed(0)
    # Width 4 is also the number of channels of a color image beside its level: one layer alone may be touched.
    form: dict[str, Any] = {"width": 4, "norm": "none", "operations": operations, "unshuffle": unshuffle}
    plain = shaken(clearer.Architecture.parse("PF-FP", channels=channels, **form))
    save_weights(tmp_path / "plain.safetensors", plain, {})
    network = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=channels, condition="level", **form))
    begin_with(network.eval(), tmp_path / "plain.safetensors")
    x = torch.rand(2, channels, 21, 32)
    with torch.no_grad():
        for level in (None, 0.0, torch.rand(2, 1, 21, 32)):
            torch.testing.assert_close(network(x, level), plain(x), atol=1e-6, rtol=1e-5)
    gray = shaken(clearer.Architecture.parse("PF-FP", channels=1, residual=True, **form))
    save_weights(tmp_path / "gray.safetensors", gray, {})
    form |= {"residual": True, "condition": "level"}
    color = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=3, **form)).eval()
    begin_with(color, tmp_path / "gray.safetensors")
    x = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        mean = x.mean(1, keepdim=True)
        torch.testing.assert_close(color(x, 0.2), x + gray(mean) - mean, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_a_network_without_noise_level_begins_as_one_told_25_of_255(
    tmp_path: Path, unshuffle: int, operations: str, channels: int
) -> None:
    torch.manual_seed(0)
    form: dict[str, Any] = {"width": 4, "norm": "none", "operations": operations, "unshuffle": unshuffle}
    form |= {"residual": True}
    told = shaken(clearer.Architecture.parse("PF-FP", channels=1, condition="level", **form))
    save_weights(tmp_path / "told.safetensors", told, {})
    network = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=channels, **form)).eval()
    begin_with(network, tmp_path / "told.safetensors")
    x = torch.rand(2, channels, 144, 128)
    inside = (..., slice(48, -48), slice(48, -48))  # the convolutions see no level beyond the border, but the bias
    with torch.no_grad():
        mean = x.mean(1, keepdim=True)
        assert not torch.allclose(told(mean, 0.0)[inside], told(mean, 25 / 255)[inside], atol=1e-4)
        wanted = x + told(mean, 25 / 255) - mean
        torch.testing.assert_close(network(x)[inside], wanted[inside], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "bias-free"])
def test_a_network_without_biases_begins_as_one_told_a_level_of_zero(tmp_path: Path, norm: str) -> None:
    torch.manual_seed(0)
    form: dict[str, Any] = {"width": 4, "norm": norm, "unshuffle": 2, "residual": True}
    told = shaken(clearer.Architecture.parse("PF-FP", condition="level", **form))
    save_weights(tmp_path / "told.safetensors", told, {})
    network = RestorationNetwork(clearer.Architecture.parse("PF-FP", **form)).eval()
    begin_with(network, tmp_path / "told.safetensors")
    x = torch.rand(2, 1, 24, 32)
    with torch.no_grad():
        assert not torch.allclose(told(x, 0.0), told(x, 0.5), atol=1e-4)
        torch.testing.assert_close(network(x), told(x, 0.0), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("unshuffle", [1, 2])
@pytest.mark.parametrize("operations", ["supplement", "released"])
def test_a_color_network_takes_the_weights_of_the_level_from_a_gray_one(
    tmp_path: Path, unshuffle: int, operations: str
) -> None:
    torch.manual_seed(0)
    form: dict[str, Any] = {"width": 4, "norm": "none", "operations": operations, "unshuffle": unshuffle}
    form |= {"residual": True, "condition": "level"}
    gray = shaken(clearer.Architecture.parse("PF-FP", channels=1, **form))
    save_weights(tmp_path / "gray.safetensors", gray, {})
    color = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=3, **form)).eval()
    begin_with(color, tmp_path / "gray.safetensors")
    x = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        mean = x.mean(1, keepdim=True)
        for level in (0.0, 0.3):
            torch.testing.assert_close(color(x, level), x + gray(mean, level) - mean, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("condition", ["none", "level"])
def test_either_network_may_take_the_noise_level(tmp_path: Path, condition: str) -> None:
    form = {"width": 4, "norm": "none", "residual": True}
    told = clearer.Architecture.parse("PFF-FFP", condition="level", **form)
    save_weights(tmp_path / "a.safetensors", RestorationNetwork(told), {})
    letters = {"architecture": "PFF-FFP", "train.start": str(tmp_path / "a.safetensors"), "network.width": 4}
    recipe = load_recipe("quickstart", letters | {"network.condition": condition})
    assert check_start(recipe, RunFolder(tmp_path / "run")) is not None


def test_the_start_option_takes_the_form_of_the_model(tmp_path: Path) -> None:
    form = {"width": 4, "norm": "batch", "operations": "released", "unshuffle": 2, "residual": True}
    save_weights(tmp_path / "a.safetensors", RestorationNetwork(clearer.Architecture.parse("PFF-FFP", **form)), {})
    ended = command("train", "denoise-color", "--start", tmp_path / "a.safetensors", "--show", "--json")
    shown = json.loads(ended.out.splitlines()[-1])
    assert shown["architecture"] == "PFF-FFP" and shown["train"]["start"] == str(tmp_path / "a.safetensors")
    space = {"channels": 3, "scales": 3, "modules_per_cell": 3, "candidates": "PF", "condition": "none", **form}
    assert shown["network"] == space
    with_level = ["--set", "network.condition=level"]
    ended = command("train", "denoise-color", "--start", tmp_path / "a.safetensors", *with_level, "--show", "--json")
    assert json.loads(ended.out.splitlines()[-1])["network"] == {**space, "condition": "level"}
    letters = ["--architecture", "FFFF-FFFF"]
    other = command("train", "denoise-color", "--start", "denoise-gray@2026-11", *letters, "--show", "--json")
    shown = json.loads(other.out.splitlines()[-1])
    assert shown["architecture"] == "FFFF-FFFF" and shown["network"]["unshuffle"] == 2
    ended = command("train", "denoise-color", "--start", tmp_path / "none", "--show")
    assert ended.status == 2 and "no such weight file" in ended.err


@pytest.mark.parametrize("width", [4, [4, 8]])
@pytest.mark.parametrize("stated", [4, [4, 8]])
def test_widths_agree_in_both_ways_of_stating_them(tmp_path: Path, width: Any, stated: Any) -> None:
    file = tmp_path / "a.safetensors"
    save_weights(file, RestorationNetwork(Architecture.parse("PF", width=width, norm="none")), {})
    change = {"architecture": "PF", "network.width": stated, "network.norm": "none", "network.residual": False}
    change |= {"network.scales": 2, "network.modules_per_cell": 2, "train.start": str(file)}
    recipe = load_recipe("pairs-gray", change)
    assert check_start(recipe, RunFolder(tmp_path / "run")) == file


def test_nothing_else_may_differ(tmp_path: Path) -> None:
    gray = RestorationNetwork(clearer.Architecture.parse("PF", width=4))
    save_weights(tmp_path / "a.safetensors", gray, {})
    other = RestorationNetwork(clearer.Architecture.parse("PF", width=8))
    with pytest.raises(RuntimeError):
        begin_with(other, tmp_path / "a.safetensors")


@pytest.fixture
def small(tmp_path: Path) -> tuple[Recipe, Path, Path]:
    """A recipe that begins with a weight file, its run's folder, and the place of its checkpoints."""
    form = {"width": 4, "norm": "none", "residual": True}
    save_weights(tmp_path / "a.safetensors", shaken(clearer.Architecture.parse("PFF-FFP", **form)), {})
    letters = {"architecture": "PFF-FFP", "train.start": str(tmp_path / "a.safetensors"), "network.width": 4}
    return load_recipe("quickstart", letters), tmp_path / "run", tmp_path / "run" / "train" / "checkpoints"


def test_only_a_sound_checkpoint_replaces_the_start_weights(small: tuple[Recipe, Path, Path]) -> None:
    recipe, folder, checkpoints = small
    checkpoints.mkdir(parents=True)
    (checkpoints / ".step-00000005.safetensors.1.tmp").touch()  # a kill in the middle of the first one
    (checkpoints / "step-00000004.damaged").touch()
    assert check_start(recipe, RunFolder(folder)) is not None
    save_checkpoint(checkpoints, 5, {"step": 5})
    assert check_start(recipe, RunFolder(folder)) is None


def test_a_training_with_a_damaged_checkpoint_begins_with_the_start_weights(small: tuple[Recipe, Path, Path]) -> None:
    recipe, folder, checkpoints = small
    short = dataclasses.replace(recipe.train, epochs=1, steps_per_epoch=1, patch=16, batch=2, validation_crop=16)
    no_step = dataclasses.replace(short.optimizer, lr=0.0, lr_final=0.0)
    still = dataclasses.replace(short, optimizer=no_step, average=0.0, watch_start=0)
    checkpoints.mkdir(parents=True)
    (checkpoints / "step-00000001.safetensors").write_bytes(b"torn")
    image = [(np.full((32, 32, 1), 99, np.uint8), None)]
    recipe = dataclasses.replace(recipe, train=still, precision="fp32")
    assert recipe.given is not None
    train(recipe, recipe.given, RunContext.of(recipe, RunFolder(folder), image, image))
    ended, begun = load_weights(folder / "last.safetensors")[0], load_weights(Path(str(recipe.train.start)))[0]
    for key, value in begun.state_dict().items():
        assert torch.equal(ended.state_dict()[key], value), key


def test_cells_of_other_lengths_are_refused_before_anything_is_done(small: tuple[Recipe, Path, Path]) -> None:
    recipe, folder, _ = small
    for other in ({"architecture": "PF-FF"}, {"architecture": None, "network": {"modules_per_cell": 2}}):
        network = dataclasses.replace(recipe.network, **other.get("network", {}))  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"^train\.start: .* has modules_per_cell 3-3, unlike"):
            changed = dataclasses.replace(recipe, architecture=other["architecture"], network=network)
            check_start(changed, RunFolder(folder))
