"""A training that begins with the weights of another network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import clearer
from clearer.architecture import Architecture
from clearer.network.restoration import RestorationNetwork
from clearer.network.weights import save_weights
from clearer.training.start import begin_with
from command import clearer as command


def shaken(architecture: Architecture) -> RestorationNetwork:
    """A network none of whose weights is zero."""
    network = RestorationNetwork(architecture).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return network


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
def test_a_colour_network_begins_by_adding_what_the_gray_one_adds_to_the_mean(
    tmp_path: Path, unshuffle: int, norm: str, operations: str
) -> None:
    torch.manual_seed(0)
    # Width 4 is also the number of folded channels: only the layers at the ends may be touched.
    form = {"width": 4, "norm": norm, "operations": operations, "unshuffle": unshuffle, "residual": True}
    gray = shaken(clearer.Architecture.parse("PF-FP", **form))
    save_weights(tmp_path / "gray.safetensors", gray, {})
    colour = RestorationNetwork(clearer.Architecture.parse("PF-FP", channels=3, **form)).eval()
    begin_with(colour, tmp_path / "gray.safetensors")
    x = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        added = gray(x.mean(1, keepdim=True)) - x.mean(1, keepdim=True)
        torch.testing.assert_close(colour(x), x + added, atol=2e-5, rtol=1e-4)


def test_the_start_option_takes_the_form_of_the_model(tmp_path: Path) -> None:
    form = {"width": 4, "norm": "batch", "operations": "released", "unshuffle": 2, "residual": True}
    save_weights(tmp_path / "a.safetensors", RestorationNetwork(clearer.Architecture.parse("PFF-FFP", **form)), {})
    ended = command("train", "denoise-color", "--start", tmp_path / "a.safetensors", "--show", "--json")
    shown = json.loads(ended.out.splitlines()[-1])
    assert shown["architecture"] == "PFF-FFP" and shown["train"]["start"] == str(tmp_path / "a.safetensors")
    assert shown["network"] == {"channels": 3, "scales": 3, "modules_per_cell": 3, **form}
    letters = ["--architecture", "FFFF-FFFF"]
    other = command("train", "denoise-color", "--start", "denoise-gray", *letters, "--show", "--json")
    shown = json.loads(other.out.splitlines()[-1])
    assert shown["architecture"] == "FFFF-FFFF" and shown["network"]["unshuffle"] == 2
    ended = command("train", "denoise-color", "--start", tmp_path / "none", "--show")
    assert ended.status == 2 and "no such weight file" in ended.err


def test_nothing_else_may_differ(tmp_path: Path) -> None:
    gray = RestorationNetwork(clearer.Architecture.parse("PF", width=4))
    save_weights(tmp_path / "a.safetensors", gray, {})
    other = RestorationNetwork(clearer.Architecture.parse("PF", width=8))
    with pytest.raises(RuntimeError):
        begin_with(other, tmp_path / "a.safetensors")
