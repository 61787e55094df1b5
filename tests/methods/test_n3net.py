"""N3Net, compared with the public program."""

from __future__ import annotations

import pytest
import torch

from clearer.methods.n3net import N3Net
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count, golden, needs_peers, public_weights

CONVOLUTIONS = {"conv1": "first", "bn1": "unused", "conv2": "last"}


def renamed(key: str) -> str:
    """Return our name of a weight of the public program."""
    part, place, *layer, kind = key.split(".")
    if part == "blocks":
        inside = CONVOLUTIONS.get(layer[0]) or f"middle.{layer[1]}"
        return f"parts.{place}.{inside}.{kind}"
    inside = {"embedcnn": "embedding", "tempcnn": "temperature"}.get(layer[0])
    return f"blocks.{place}.{inside}.{layer[1]}.{kind}" if inside else f"blocks.{place}.neighbors.norm.{kind}"


def test_parameters_are_those_published() -> None:
    assert count(N3Net()) == 705_895


def test_multiply_adds_are_those_of_the_layers_and_of_the_patches() -> None:
    whole = 9 * (64 * (1 + 8) + 64 * (64 + 8) + 64 * (64 + 1) + 12 * 64 * 64)
    blocks = 2 * 9 * 64 * (8 + 64 + 8 + 8 + 64 + 1)
    patches = 25**2 * 224 * 800 * 8 * 2 / 128**2
    assert baseline_macs_per_pixel(N3Net()) == whole + blocks + patches


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (5, 93)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int], training: bool) -> None:
    x = torch.rand(2, 1, *size)
    with torch.inference_mode():
        assert N3Net().train(training)(x).shape == x.shape


def test_the_loss_reaches_every_weight_that_is_used() -> None:
    torch.manual_seed(0)
    network = N3Net()
    network.loss(torch.rand(2, 1, 48, 40), torch.rand(2, 1, 48, 40)).backward()
    for name, weight in network.named_parameters():
        if "unused" in name:
            assert weight.grad is None
        else:
            assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.abs().max() > 0, name


@needs_peers
@pytest.mark.parametrize("sigma", [25, 50, 70])
def test_results_are_those_of_the_public_program(sigma: int) -> None:
    network, name = N3Net().eval(), f"n3net_sigma{sigma}"
    found = {renamed(key): torch.from_numpy(value) for key, value in public_weights(name).items()}
    network.load_state_dict(found, strict=False)
    assert set(network.state_dict()) - set(found) <= {
        key for key in network.state_dict() if key.endswith("num_batches_tracked")
    }
    known = {key: torch.from_numpy(value) for key, value in golden(name).items()}
    with torch.inference_mode():
        restored = network(known["input"][None, None])[0, 0]
    assert (restored - known["output"]).abs().max() < 1e-4
