"""PReNet, compared with the public program."""

from __future__ import annotations

import pytest
import torch

from clearer.methods.prenet import PReNet
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count, golden, needs_peers, public_weights

GATES = {"i": "input", "f": "forget", "g": "cell", "o": "output"}


def renamed(key: str) -> str:
    """Return our name of a weight of the public program."""
    layer, place, kind = key.split(".")
    if layer.startswith("res_conv"):
        return f"blocks.{int(layer.removeprefix('res_conv')) - 1}.{place}.{kind}"
    if layer.startswith("conv_"):
        return f"gates.{GATES[layer.removeprefix('conv_')]}.{kind}"
    return {"conv0": "first", "conv": "last"}[layer] + f".{kind}"


def test_parameters_are_those_published() -> None:
    assert count(PReNet()) == 168_963


def test_multiply_adds_are_those_of_six_stages() -> None:
    one = 9 * (6 * 32 + 4 * 64 * 32 + 10 * 32 * 32 + 32 * 3)
    assert baseline_macs_per_pixel(PReNet()) == 6 * one


@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    assert PReNet()(x).shape == x.shape


@needs_peers
@pytest.mark.parametrize("weights", ["prenet_rain100h", "prenet_rain100l"])
def test_results_are_those_of_the_public_program(weights: str) -> None:
    network = PReNet().eval()
    network.load_state_dict({renamed(k): torch.from_numpy(v) for k, v in public_weights(weights).items()})
    known = {key: torch.from_numpy(value) for key, value in golden(weights).items()}
    with torch.inference_mode():
        stages = network.stages(known["input_rgb"])
    assert (stages[0] - known["output_first_stage"]).abs().max() < 1e-5
    assert (stages[-1] - known["output_rgb"]).abs().max() < 1e-5
