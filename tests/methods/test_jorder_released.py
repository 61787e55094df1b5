"""The released network of JORDER, compared with the public program."""

from __future__ import annotations

import pytest
import torch

from clearer.evaluation.metrics import luma601
from clearer.methods.jorder_released import JorderReleased, LumaNetwork
from clearer.network.baselines.base import baseline_macs_per_pixel
from helpers.peers import count, golden, needs_peers, public_weights

STUDIO_RANGE = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
"""RGB in [0, 1] to YCbCr of BT.601 in gray levels, before 16 and 128 are added."""


def test_parameters_are_those_published() -> None:
    assert count(JorderReleased()) == 370_497


def test_multiply_adds_are_those_of_twelve_convolutions() -> None:
    assert baseline_macs_per_pixel(JorderReleased()) == 9 * (64 + 10 * 64 * 64 + 64)


@pytest.mark.parametrize("size", [(1, 1), (5, 70)])
def test_images_of_any_size_keep_their_shape(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    assert JorderReleased()(x).shape == x.shape


def test_chroma_of_the_rainy_image_is_kept_and_luma_is_the_networks() -> None:
    torch.manual_seed(0)
    network, x = JorderReleased(), torch.rand(1, 3, 8, 9)
    matrix = torch.tensor(STUDIO_RANGE)
    before, after = (torch.einsum("ij,bjhw->bihw", matrix, image) / 255 for image in (x, network(x)))
    torch.testing.assert_close(after[:, 1:], before[:, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(after[:, :1] + 16 / 255, network.luma(luma601(x)), atol=1e-5, rtol=0)


def test_the_loss_is_blind_to_chroma_and_reaches_every_weight() -> None:
    torch.manual_seed(0)
    network, rainy, clean = JorderReleased(), torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    gray = (luma601(clean) - 16 / 255) * 255 / 219
    loss = network.loss(rainy, clean)
    torch.testing.assert_close(loss, network.loss(rainy, gray.expand(-1, 3, -1, -1)))
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


@needs_peers
@pytest.mark.parametrize("weights", ["jorder_light", "jorder_heavy"])
def test_results_are_those_of_the_public_program(weights: str) -> None:
    found, network = public_weights(weights), LumaNetwork().eval()
    # The public file is in the order of the layers, as ours is.
    ours = {key: torch.from_numpy(value) for key, value in zip(network.state_dict(), found.values(), strict=True)}
    network.load_state_dict(ours)
    known = {key: torch.from_numpy(value) for key, value in golden(weights).items()}
    with torch.inference_mode():
        restored = network(known["input_y"].mT[None, None])[0, 0].mT  # the public network sees images transposed
    assert (restored - known["output_as_released"]).abs().max() < 1e-5
