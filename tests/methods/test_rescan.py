"""RESCAN, compared with the public program."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clearer.methods.rescan import RESCAN
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count, golden, needs_peers, public_weights

GATES = {"z": "mix", "r": "reset", "n": "candidate"}
FIRST, LAST = "units.0.of_input", "decoder.2"


def renamed(key: str) -> str:
    """Return our name of a weight of the public program."""
    part, place, *layer, kind = key.split(".")
    if layer and layer[0].startswith("conv_"):
        source, gate = layer[0].removeprefix("conv_")
        return f"{part_name(part)}.{place}.{'of_input' if source == 'x' else 'of_state'}.{GATES[gate]}.{kind}"
    if "fc" in layer:
        inside = f"{place}.excited" if part == "rnns" else place
        return f"{part_name(part)}.{inside}.{'squeeze' if layer[-1] == '0' else 'excite'}.{kind}"
    return f"{part_name(part)}.{ {'0': '0', '3': '2'}[place] }.{kind}"


def part_name(part: str) -> str:
    """Return our name of a part of the public program."""
    return {"rnns": "units", "dec": "decoder"}[part]


def of_rgb(key: str, weight: Tensor) -> Tensor:
    """Return a weight of the public network, which sees BGR, for a network that sees RGB."""
    if key.startswith(FIRST) and key.endswith("weight"):
        return weight.flip(1)
    return weight.flip(0) if key.startswith(LAST) else weight


def test_parameters_are_those_published() -> None:
    assert count(RESCAN()) == 149_823


def test_multiply_adds_are_those_of_four_stages() -> None:
    of_input, of_state = 9 * 3 * 24 * (3 + 4 * 24), 9 * 3 * 24 * 5 * 24
    decoder, excitations = 9 * 24 * 24 + 24 * 3, 6 * 2 * 24 * 6 / 128**2
    # The first stage has no state to convolve, and no use of the gate that resets it.
    unused = of_input / 3
    expected = 4 * (of_input + decoder + excitations) + 3 * of_state - unused
    assert baseline_macs_per_pixel(RESCAN()) == pytest.approx(expected)


@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    assert RESCAN()(x).shape == x.shape


def test_the_loss_is_of_all_stages_and_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network, rainy, clean = RESCAN(), torch.rand(2, 3, 9, 8), torch.rand(2, 3, 9, 8)
    loss = network.loss(rainy, clean)
    stages = network.stages(rainy)
    assert len(stages) == 4
    torch.testing.assert_close(loss, torch.stack([functional.mse_loss(stage, clean) for stage in stages]).sum())
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


@needs_peers
@pytest.mark.parametrize("weights", ["rescan_light", "rescan_heavy"])
def test_results_are_those_of_the_public_program(weights: str) -> None:
    network = RESCAN().eval()
    found = {renamed(key): torch.from_numpy(value) for key, value in public_weights(weights).items()}
    network.load_state_dict({key: of_rgb(key, value) for key, value in found.items()})
    known = {key: torch.from_numpy(value) for key, value in golden(weights).items()}
    rainy = known["input_bgr"].flip(1)
    with torch.inference_mode():
        stages = torch.cat(network.stages(rainy))
    assert (rainy - stages - known["rain_stages"].flip(1)).abs().max() < 1e-5
    assert (stages[-1:] - known["output_bgr"].flip(1)).abs().max() < 1e-5
